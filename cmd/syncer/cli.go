package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"syncer/internal/app"
	"syncer/internal/config"
	"syncer/internal/console"
)

// cli is one call of the command: what it talks to, how it speaks, and the flags that all commands have.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        map[string]string
	now            func() time.Time
	console.Words

	width  int  // of the terminal; 0 when the output goes elsewhere
	colour bool // whether the terminal may be coloured
	chatty bool // whether somebody watches stderr

	output string
	show   bool

	// open gives the operations of the daemon, or of the state file when none runs, and what closes them.
	open func(ctx context.Context, fresh bool) (console.Operations, func() error, error)
	// every is how often a run is looked at while it is waited for.
	every time.Duration
}

func newCLI(stdin io.Reader, stdout, stderr io.Writer, environ map[string]string) *cli {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ, now: time.Now, every: 500 * time.Millisecond}
	c.Words = console.WordsFor(c.language())
	c.open = c.openDoor
	if width, ok := terminal(stdout); ok {
		c.width = max(width, 40)
		c.colour = environ["NO_COLOR"] == "" && environ["TERM"] != "dumb"
	}
	_, c.chatty = terminal(stderr)
	return c
}

// terminal tells how wide the terminal behind a writer is, if there is one.
func terminal(w io.Writer) (width int, ok bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil
}

func (c *cli) language() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := c.environ[name]; v != "" {
			return v
		}
	}
	return ""
}

func (c *cli) lookup(name string) (string, bool) {
	v, ok := c.environ[name]
	return v, ok
}

// root is the whole tree of commands.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "syncer",
		Short: "Keeps contacts of Weni, OmniFlow and omnichannel in step with CRMs",
		Long: "syncer keeps contacts of Weni, OmniFlow and omnichannel in step with CRMs.\n\n" +
			"Commands ask the running daemon, and open the state file themselves when none runs.\n" +
			"Settings come from the environment; `syncer env` lists them.",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if !slices.Contains([]string{"table", "json"}, c.output) {
				return fmt.Errorf("--output is table or json, not %q", c.output)
			}
			return nil
		},
	}
	family(root)
	root.PersistentFlags().StringVarP(&c.output, "output", "o", "table", "how to print: table or json")
	root.PersistentFlags().BoolVar(&c.show, "show", false, "show names and numbers instead of masking them")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Running it:"}, &cobra.Group{ID: "mapping", Title: "Writing a mapping:"},
		&cobra.Group{ID: "sync", Title: "Synchronising:"}, &cobra.Group{ID: "look", Title: "Looking at it:"},
		&cobra.Group{ID: "hand", Title: "Putting things right:"}, &cobra.Group{ID: "state", Title: "The state:"})
	for group, commands := range map[string][]*cobra.Command{
		"run":     {c.serveCmd(), c.demoCmd(), c.sandboxCmd(), c.healthCmd(), c.reloadCmd(), c.envCmd(), c.versionCmd(), c.hooksCmd()},
		"mapping": {c.checkCmd(), c.mapCmd(), c.testCmd(), c.schemaCmd()},
		"sync":    {c.reconcileCmd(), c.planCmd(), c.applyCmd(), c.discardCmd(), c.undoCmd(), c.replayCmd(), c.pauseCmd(), c.resumeCmd()},
		"look":    {c.statusCmd(), c.explainCmd(), c.deadCmd(), c.conflictsCmd(), c.quarantineCmd()},
		"hand":    {c.linkCmd(), c.unlinkCmd(), c.rebindCmd(), c.forgetCmd()},
		"state":   {c.backupCmd(), c.exportCmd(), c.importCmd(), c.compactCmd()},
	} {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	return root
}

// family makes a command that only has commands below it: a name that it does not know is a mistake, and often
// a mistyped one.
func family(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := fmt.Errorf("there is no command %q", strings.TrimPrefix(cmd.CommandPath()+" "+args[0], "syncer "))
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return try(err, cmd.CommandPath()+" "+strings.Join(near, ", or "+cmd.CommandPath()+" "))
		}
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_ = cmd.Help()
		if cmd.HasParent() {
			return &failure{code: 2, err: errors.New("say which of them")}
		}
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
}

// exactly and atMost say how a command is written when the number of its arguments is wrong.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return counted(cmd, len(args) == n) }
}

func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return counted(cmd, len(args) <= n) }
}

func counted(cmd *cobra.Command, right bool) error {
	if right {
		return nil
	}
	return fmt.Errorf("write it as: %s", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
}

// failure is an error with the exit code it ends the process with.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// hinted is an error with what to try next.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func try(err error, hint string) error { return &hinted{err, hint} }

// misuse is an error of whoever typed the command.
func misuse(format string, args ...any) error {
	return &failure{2, fmt.Errorf(format, args...)}
}

// execute runs one command line and says what went wrong, if anything.
func (c *cli) execute(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	code := 2 // what no command returned is about flags and arguments
	var f *failure
	if errors.As(err, &f) {
		code = f.code
	} else if hint := new(hinted); !errors.As(err, &hint) {
		err = try(err, cmd.CommandPath()+" --help")
	}
	c.complain(err)
	return code
}

// complain writes an error for a person.
func (c *cli) complain(err error) {
	var bad *app.BadMapping
	if errors.As(err, &bad) {
		fmt.Fprint(c.stderr, bad.Diagnostics.String())
	} else {
		fmt.Fprintf(c.stderr, "syncer: %s\n", strings.TrimRight(err.Error(), "\n"))
	}
	var h *hinted
	if errors.As(err, &h) {
		fmt.Fprintf(c.stderr, "Try: %s\n", h.hint)
	}
}

// do is the body of a command. Errors that say no exit code are failures, but for a wrong mapping.
func do(body func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := body(cmd.Context(), args)
		var f *failure
		var bad *app.BadMapping
		switch {
		case err == nil || errors.As(err, &f):
			return err
		case errors.As(err, &bad):
			return &failure{2, err}
		}
		return &failure{1, err}
	}
}

// ask is the body of a command that asks the daemon, or works on the state itself when none runs.
func (c *cli) ask(body func(ctx context.Context, ops console.Operations, args []string) error) func(*cobra.Command, []string) error {
	return c.asking(false, body)
}

// asking is ask; fresh says that there need not be a state yet.
func (c *cli) asking(fresh bool, body func(context.Context, console.Operations, []string) error) func(*cobra.Command, []string) error {
	return do(func(ctx context.Context, args []string) error {
		ops, done, err := c.open(ctx, fresh)
		if err != nil {
			return err
		}
		return errors.Join(body(ctx, ops, args), done())
	})
}

// config reads the settings.
func (c *cli) config() (config.Config, error) {
	cfg, err := config.Load(c.environ, os.ReadFile)
	if err != nil {
		return cfg, &failure{2, try(err, "syncer env")}
	}
	return cfg, nil
}
