package main

import (
	"context"
	"encoding/json"
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
	"syncer/internal/mapping"
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
		Short: c.Say("Keeps contacts of Weni, OmniFlow and omnichannel in step with CRMs", "Mantém contatos da Weni, do OmniFlow e do omnichannel em dia com CRMs"),
		Long: c.Say("syncer keeps contacts of Weni, OmniFlow and omnichannel in step with CRMs.\n\n"+
			"Commands ask the running daemon, and open the state file themselves when none runs.\n"+
			"Settings come from the environment; `syncer env` lists them.",
			"O syncer mantém contatos da Weni, do OmniFlow e do omnichannel em dia com CRMs.\n\n"+
				"Os comandos perguntam ao daemon em execução e, quando não há, abrem eles mesmos o arquivo de estado.\n"+
				"As configurações vêm do ambiente; `syncer env` as lista."),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if !slices.Contains([]string{"table", "json"}, c.output) {
				return errors.New(c.Say("--output is table or json, not %q", "--output é table ou json, não %q", c.output))
			}
			return nil
		},
	}
	c.family(root)
	root.PersistentFlags().StringVarP(&c.output, "output", "o", "table", c.Say("how to print: table or json", "como imprimir: table ou json"))
	root.PersistentFlags().BoolVar(&c.show, "show", false, c.Say("show names and numbers instead of masking them", "mostra nomes e números em vez de mascará-los"))
	root.AddGroup(&cobra.Group{ID: "run", Title: c.Say("Running it:", "Rodar:")}, &cobra.Group{ID: "mapping", Title: c.Say("Writing a mapping:", "Escrever um mapeamento:")},
		&cobra.Group{ID: "sync", Title: c.Say("Synchronising:", "Sincronizar:")}, &cobra.Group{ID: "look", Title: c.Say("Looking at it:", "Observar:")},
		&cobra.Group{ID: "hand", Title: c.Say("Putting things right:", "Corrigir:")}, &cobra.Group{ID: "state", Title: c.Say("The state:", "O estado:")})
	for group, commands := range map[string][]*cobra.Command{
		"run":     {c.serveCmd(), c.demoCmd(), c.sandboxCmd(), c.healthCmd(), c.reloadCmd(), c.envCmd(), c.versionCmd(), c.hooksCmd()},
		"mapping": {c.checkCmd(), c.mapCmd(), c.testCmd(), c.schemaCmd()},
		"sync":    {c.reconcileCmd(), c.planCmd(), c.applyCmd(), c.discardCmd(), c.undoCmd(), c.replayCmd(), c.pauseCmd(), c.resumeCmd()},
		"look":    {c.statusCmd(), c.runsCmd(), c.explainCmd(), c.deadCmd(), c.conflictsCmd(), c.quarantineCmd()},
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
	c.helpful(root)
	return root
}

// family makes a command that only has commands below it: a name that it does not know is a mistake, and often
// a mistyped one.
func (c *cli) family(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := errors.New(c.Say("there is no command %q", "não há comando %q", strings.TrimPrefix(cmd.CommandPath()+" "+args[0], "syncer ")))
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return try(err, cmd.CommandPath()+" "+strings.Join(near, c.Say(", or ", ", ou ")+cmd.CommandPath()+" "))
		}
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_ = cmd.Help()
		if cmd.HasParent() {
			return &failure{code: 2, err: errors.New(c.Say("say which of them", "diga qual deles"))}
		}
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
}

// exactly and atMost say how a command is written when the number of its arguments is wrong.
func (c *cli) exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return c.counted(cmd, len(args) == n) }
}

func (c *cli) atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return c.counted(cmd, len(args) <= n) }
}

func (c *cli) counted(cmd *cobra.Command, right bool) error {
	if right {
		return nil
	}
	return errors.New(c.Say("write it as: %s", "escreva assim: %s", strings.TrimSuffix(cmd.UseLine(), " [flags]")))
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
func (c *cli) misuse(en, pt string, args ...any) error {
	return &failure{2, console.Errorf(console.BadRequest, "%s", c.Say(en, pt, args...))}
}

// noSuch refuses a name that does not exist, with the one that was probably meant.
func (c *cli) noSuch(what, oQue, name string, names []string) error {
	meant := ""
	if near, ok := mapping.Near(name, names); ok {
		meant = c.Say(", did you mean %q?", ", você quis dizer %q?", near)
	}
	return c.misuse("there is no %s %q%s; there are: %s", "não há %s %q%s; há: %s", c.Say(what, oQue), name, meant, strings.Join(names, ", "))
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
	if asksJSON(args) { // a flag that is wrong ends the reading of those behind it
		c.output = "json"
	}
	c.complain(err, code)
	return code
}

// asksJSON reports whether a command line asks for JSON, wherever that stands in it.
func asksJSON(args []string) bool {
	line := strings.Join(args, " ") + " "
	return slices.ContainsFunc([]string{"-o json ", "-o=json ", "-ojson ", "--output json ", "--output=json "}, func(s string) bool { return strings.Contains(line, s) })
}

// complaint is an error for a program.
type complaint struct {
	Error       string              `json:"error"`
	Kind        string              `json:"kind"`
	Try         string              `json:"try,omitempty"`
	Diagnostics mapping.Diagnostics `json:"diagnostics,omitempty"`
}

// complain writes an error for a person, or for a program that asked for JSON.
func (c *cli) complain(err error, code int) {
	var bad *app.BadMapping
	var h *hinted
	isBad, isHinted := errors.As(err, &bad), errors.As(err, &h)
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	for i := range lines {
		lines[i] = c.Told(lines[i])
	}
	message := strings.Join(lines, "\n")
	if c.output == "json" {
		said := complaint{Error: message, Kind: console.KindOf(err)}
		if code == 2 {
			said.Kind = console.BadRequest
		}
		if isBad {
			said.Diagnostics = bad.Diagnostics
		}
		if isHinted {
			said.Try = h.hint
		}
		_ = json.NewEncoder(c.stderr).Encode(said) // like every write to stderr
		return
	}
	if isBad {
		fmt.Fprint(c.stderr, bad.Diagnostics.String())
	} else {
		fmt.Fprintf(c.stderr, "syncer: %s\n", message)
	}
	if isHinted {
		fmt.Fprintf(c.stderr, "%s: %s\n", c.Say("Try", "Tente"), h.hint)
	}
}

// do is the body of a command. Errors that say no exit code are failures, but for a wrong mapping and what cannot be
// meant as it was asked.
func do(body func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := body(cmd.Context(), args)
		var f *failure
		var bad *app.BadMapping
		switch {
		case err == nil || errors.As(err, &f):
			return err
		case errors.As(err, &bad), console.KindOf(err) == console.BadRequest:
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
