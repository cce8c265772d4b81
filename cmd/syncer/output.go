package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/trickle"
)

// emit prints v as JSON when that was asked for, and else what people read.
func (c *cli) emit(v any, people func()) error {
	if c.output != "json" {
		people()
		return nil
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := c.stdout.Write(dated(text.Bytes()))
	return err
}

// moments are the members that the state keeps as microseconds. Only a member can stand at the beginning of a line with
// a bare number behind it.
var moments = regexp.MustCompile(`(?m)^(\s*"(?:at|started|ended|since|mark|arrived|read|due|arrival|event|source)": )(\d{15,17})(,?)$`)

// dated writes the moments of a text of indented JSON as dates, as programs expect them.
func dated(text []byte) []byte {
	return moments.ReplaceAllFunc(text, func(line []byte) []byte {
		part := moments.FindSubmatch(line)
		us, _ := strconv.ParseInt(string(part[2]), 10, 64) // it is digits, and few enough
		return fmt.Appendf(nil, "%s%q%s", part[1], contact.FromMicros(us).Format(time.RFC3339Nano), part[3])
	})
}

// statusOf asks for the status, and from then on tells the time of the mapping file's zone.
func (c *cli) statusOf(ctx context.Context, ops console.Operations) (console.Status, error) {
	s, err := ops.Status(ctx)
	c.Words = c.At(s.Zone)
	return s, err
}

func (c *cli) printf(format string, args ...any) { fmt.Fprintf(c.stdout, format, args...) }

// title is the heading of a part.
func (c *cli) title(s string) { c.printf("\n%s\n", c.paint("1", strings.ToUpper(s))) }

// paint colours a text, on terminals that show colours. code is that of ANSI: 1 bold, 2 faint, 31 red, 33 yellow.
func (c *cli) paint(code, s string) string {
	if !c.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// grid is a table on its way to the reader.
type grid struct {
	c       *cli
	header  []string
	numbers []bool // columns that are aligned to the right
	rows    [][]string
}

// table begins a table. A column whose name begins with # holds numbers.
func (c *cli) table(columns ...string) *grid {
	g := &grid{c: c}
	for _, name := range columns {
		name, number := strings.CutPrefix(name, "#")
		g.header, g.numbers = append(g.header, strings.ToUpper(name)), append(g.numbers, number)
	}
	return g
}

func (g *grid) row(cells ...string) {
	for i := range cells {
		if cells[i] == "" {
			cells[i] = "–"
		}
	}
	g.rows = append(g.rows, cells)
}

// print draws the table: with wrapped cells on a terminal, one line a row elsewhere.
func (g *grid) print() {
	if g.c.width == 0 {
		g.plain()
		return
	}
	w := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	if g.c.colour {
		style.Color.Header = text.Colors{text.Faint}
	}
	w.SetStyle(style)
	w.SetColumnConfigs(g.columns())
	w.AppendHeader(cells(g.header))
	for _, r := range g.rows {
		w.AppendRow(cells(r))
	}
	g.c.printf("%s\n", w.Render())
}

// columns gives each column the width it needs, and what is left of the terminal to the last one.
func (g *grid) columns() (out []table.ColumnConfig) {
	used := 0
	for i, name := range g.header {
		widest := text.StringWidth(name)
		for _, r := range g.rows {
			widest = max(widest, text.StringWidth(r[i]))
		}
		col := table.ColumnConfig{Number: i + 1, WidthMax: min(widest, max(g.c.width/3, 16)), WidthMaxEnforcer: text.WrapSoft}
		if i == len(g.header)-1 {
			col.WidthMax = max(g.c.width-used-2, 20)
		}
		if g.numbers[i] {
			col.Align, col.AlignHeader = text.AlignRight, text.AlignRight
		}
		used += col.WidthMax + 2
		out = append(out, col)
	}
	return out
}

func (g *grid) plain() {
	w := tabwriter.NewWriter(g.c.stdout, 0, 0, 2, ' ', 0)
	for _, r := range append([][]string{g.header}, g.rows...) {
		for i := range r {
			r[i] = strings.Join(strings.Fields(r[i]), " ") // a row is a line
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	_ = w.Flush() // like every write to stdout
}

func cells(r []string) table.Row {
	row := make(table.Row, len(r))
	for i := range r {
		row[i] = r[i]
	}
	return row
}

// steps prints what a change does, attribute by attribute.
func (c *cli) steps(steps []contact.Step) {
	widest := 0
	for _, s := range steps {
		widest = max(widest, text.StringWidth(s.Attr))
	}
	for _, s := range steps {
		line := fmt.Sprintf("    %s  %s → %s", text.Pad(s.Attr, widest, ' '), value(s.Old), value(s.New))
		if s.Kept != "" {
			line = c.paint("2", line+"  ("+c.Say("kept: ", "mantido: ")+c.Kept(s.Kept)+")")
		}
		c.printf("%s\n", line)
	}
}

func value(s string) string {
	if s == "" {
		return "∅"
	}
	return s
}

func keys(list []contact.Key) string {
	out := make([]string, len(list))
	for i, k := range list {
		out[i] = k.String()
	}
	return strings.Join(out, ", ")
}

// store writes a file that only its owner may read, all of it or nothing: what was there before stays until the
// new one is on disk.
func store(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // such files are 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(trickle.Writer(f)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
