// Command crash proves that syncer can be killed at any point. It runs the real binary against the simulators of
// Weni and Pipedrive, a shop and a catalogue, sends it signed events, remembers every one that was acknowledged, and kills
// it with SIGKILL again and again: at random moments, at the system calls of a commit, between a target's answer and
// the commit that notes it, during a compaction, a backup, a reload, a start. After each kill the state file must be sound
// and hold what was acknowledged; at the end the simulator must show it, nothing older, and nobody twice.
//
//	go run ./e2e/crash -kills 200
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"

	"syncer/e2e/lab"
)

func main() {
	o := options{log: func(string, ...any) {}}
	flag.IntVar(&o.kills, "kills", 200, "how many times it is killed")
	flag.Uint64Var(&o.seed, "seed", 0, "repeats a run as far as chance allows; 0 takes a new one")
	flag.IntVar(&o.people, "people", 48, "how many people the shop has")
	flag.StringVar(&o.bin, "bin", "", "a binary that is built already")
	keep := flag.Bool("keep", false, "keep the folder with the state")
	verbose := flag.Bool("v", false, "print every kill")
	flag.Parse()
	if *verbose {
		o.log = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := prove(ctx, o, *keep)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

func prove(ctx context.Context, o options, keep bool) (err error) {
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	fmt.Printf("seed %d\n", o.seed)
	if o.dir, err = os.MkdirTemp("", "syncer-crash-"); err != nil {
		return err
	}
	if keep {
		fmt.Println(o.dir)
	} else {
		defer os.RemoveAll(o.dir)
	}
	if o.bin == "" {
		if o.bin, err = lab.Build(ctx, o.dir); err != nil {
			return err
		}
	}
	out, err := run(ctx, o)
	if out != nil {
		out.print(os.Stdout)
	}
	if err == nil && len(out.wrong()) > 0 {
		err = fmt.Errorf("%d promises were broken", len(out.wrong()))
	}
	return err
}
