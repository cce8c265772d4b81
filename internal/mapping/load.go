package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // schedules and dates may not depend on what the machine has installed

	"github.com/nyaruka/phonenumbers/v2"
	"go.yaml.in/yaml/v4"
)

// Load reads a mapping file. Plan is nil when a diagnostic is an error; all errors of meaning are reported at
// once. name is how the file is called in messages.
func Load(name string, data []byte, opts Options) (*Plan, Diagnostics) {
	f, text := newFile(name, data, opts.Language)
	l := &loader{file: f, opts: opts, plan: &Plan{text: f}}
	if root := l.parse(text); root != nil {
		l.cutByYAML(root)
		l.read(root)
	}
	found := l.results()
	if found.HasErrors() {
		return nil, found
	}
	return l.plan, found
}

// loader is one file on its way to a plan.
type loader struct {
	*file
	opts    Options
	plan    *Plan
	sources []string // names that were given, valid or not
	targets []string
	drafts  []*draft
}

func (l *loader) read(root *yaml.Node) {
	p := l.plan
	p.Defaults = Defaults{Country: "BR", Timezone: "America/Sao_Paulo"}
	keys := l.table()
	whole := l.section(root, words("the file", "o arquivo"), keys)
	l.required(whole, keys, "")
	p.Location = zoneOf(p.Defaults.Timezone)
	if n := whole.vals["mappings"]; n != nil && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		l.fail(whole.at("mappings"), "", words("no mapping says how a record becomes a contact", "nenhum mapeamento diz como um registro vira um contato"))
	}
	for _, d := range l.drafts {
		l.compile(d)
	}
	l.checkTogether()
	l.checkUsed(whole)
	p.Hash = l.hash()
}

// table is the whole language, section by section.
func (l *loader) table() []key {
	var version int
	p := l.plan
	return []key{
		{name: "version", must: true, value: versionValue{integer(&version, 1, 1)}, doc: "The version of this language: `1`."},
		{name: "defaults", value: inline(&p.Defaults, words("defaults", "defaults"), (*Defaults).table, nil), doc: "What holds for the whole file."},
		{name: "sources", must: true, value: namedValue{(*loader).source, func() []key { return new(Source).table() }}, doc: "Where records come from, each under a name of your choice."},
		{name: "targets", must: true, value: namedValue{(*loader).target, func() []key { return new(Target).table() }}, doc: "Where contacts are written, each under a name of your choice."},
		{name: "notify", value: group(&p.Notify, words("notify", "notify"), (*Notify).table), doc: "Who is told that something needs a person: a POST, signed as Standard Webhooks say."},
		{name: "mappings", must: true, value: listValue{(*loader).mapping, func() []key { return new(draft).table() }}, doc: "How a record becomes a contact. Where two mappings speak of one person, the earlier wins, attribute by attribute; labels add up."},
	}
}

// checkUsed finds sources whose records go nowhere.
func (l *loader) checkUsed(whole section) {
	sources := whole.vals["sources"]
	if sources == nil || sources.Kind != yaml.MappingNode || l.found.HasErrors() {
		return
	}
	for i := 0; i < len(sources.Content); i += 2 {
		name := sources.Content[i]
		if !slices.ContainsFunc(l.drafts, func(d *draft) bool { return d.From == name.Value }) {
			l.warn(spotOf(name), "", words("no mapping reads this source: its records go nowhere", "nenhum mapeamento lê esta fonte: os registros não vão a lugar nenhum"))
		}
	}
}

func zoneOf(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil {
		return zone
	}
	return time.UTC
}

func (d *Defaults) table() []key {
	return []key{
		{name: "country", value: textValue{to: &d.Country, check: goodCountry, example: "BR"}, doc: "The country of numbers that are written without one. `BR` when not said."},
		{name: "timezone", value: textValue{to: &d.Timezone, check: goodZone, example: "America/Sao_Paulo"}, doc: "The time zone of dates and schedules. `America/Sao_Paulo` when not said."},
		{name: "area", value: textValue{to: &d.Area, check: goodArea, example: "84"}, doc: "The area code (DDD) of numbers that are written without one; a source may say another."},
		{name: "guard", value: inline(&d.Guard, words("guard", "guard"), (*Guard).table, nil), doc: "How many people a run, or an hour of webhooks, may change before somebody must agree."},
	}
}

func (g *Guard) table() []key {
	return []key{
		{name: "at_least", value: integer(&g.AtLeast, 1, 1_000_000), doc: "So many people always pass. `10` when not said."},
		{name: "percent", value: integer(&g.Percent, 1, 100), doc: "How many percent of the people may be created, changed, emptied of a value or lose a label. `20` when not said."},
		{name: "deletes_percent", value: integer(&g.DeletesPercent, 1, 100), doc: "How many percent may be deleted or blocked. `5` when not said."},
	}
}

func goodCountry(l *loader, n *yaml.Node, country string) {
	regions := phonenumbers.GetSupportedRegions()
	if regions[country] {
		return
	}
	hint := ""
	if upper := strings.ToUpper(country); regions[upper] {
		hint = l.rewritten(spotOf(n), upper)
	}
	l.fail(spotOf(n), hint, words("%q is not a country: two capitals such as BR", "%q não é um país: duas maiúsculas, como BR", country))
}

func goodZone(l *loader, n *yaml.Node, zone string) {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" || zone == "" {
		l.fail(spotOf(n), "", words("%q is not a time zone such as America/Sao_Paulo", "%q não é um fuso horário como America/Sao_Paulo", zone))
	}
}

func (n *Notify) table() []key {
	return []key{
		{name: "url", must: true, value: textValue{to: &n.URL, check: goodURL}, doc: "The address that gets the POST."},
		{name: "secret", must: true, value: secret(&n.Secret), doc: "The secret that signs it."},
	}
}

// goodNames are names that can stand in addresses, metrics and keys such as crm/4821.
var goodNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$`)

func (l *loader) goodName(n *yaml.Node, name string) {
	if !goodNames.MatchString(name) {
		l.fail(spotOf(n), "", words("a name has only letters without accents, digits, - and _, at most 48", "um nome só tem letras sem acento, dígitos, - e _, no máximo 48"))
	}
}

func (l *loader) source(name, n *yaml.Node) {
	s := &Source{Name: name.Value}
	l.goodName(name, s.Name)
	l.sources = append(l.sources, s.Name)
	keys := s.table()
	sec := l.section(n, words("source %s", "a fonte %s", s.Name), keys)
	l.required(sec, keys, s.Kind)
	l.checkSource(s, sec)
	l.plan.Sources = append(l.plan.Sources, *s)
}

func (l *loader) target(name, n *yaml.Node) {
	t := &Target{Name: name.Value}
	l.goodName(name, t.Name)
	l.targets = append(l.targets, t.Name)
	keys := t.table()
	sec := l.section(n, words("target %s", "o destino %s", t.Name), keys)
	l.required(sec, keys, t.Kind)
	l.checkTarget(t, sec)
	l.plan.Targets = append(l.plan.Targets, *t)
}

// cutByYAML finds values that YAML ended before the person did: at a comma inside { }, or at a # behind a
// blank. YAML is content, and the mapping would be wrong.
func (l *loader) cutByYAML(n *yaml.Node) {
	for i, c := range n.Content {
		if c.Kind == yaml.ScalarNode && c.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			l.cutScalar(n, c, i)
		}
		l.cutByYAML(c)
	}
}

func (l *loader) cutScalar(parent, c *yaml.Node, i int) {
	isExpression := strings.HasPrefix(c.Value, "=")
	line := l.line(c.Line)
	switch {
	case parent.Style&yaml.FlowStyle != 0 && isExpression && unfinished(c.Value):
		hint, _ := quoted(line)
		l.broken[c], l.broken[parent] = true, true
		l.fail(spotOf(c), hint, words("inside { } and [ ] a comma ends the value: put the expression in single quotes",
			"dentro de { } e [ ] uma vírgula encerra o valor: coloque a expressão entre aspas simples"))
	case c.LineComment == "" || strings.Contains(c.Value, "\n"):
	case unfinished(c.Value) && (isExpression || strings.ContainsAny(c.Value, `"'`)):
		hint, _ := quoted(line)
		l.broken[c] = true
		l.fail(l.commentSpot(c), hint, words("# behind a blank begins a comment, which cuts the value: put the value in single quotes",
			"# depois de um espaço inicia um comentário e corta o valor: coloque o valor entre aspas simples"))
	case !isExpression && len(c.LineComment) > 1 && c.LineComment[1] != ' ' && c.LineComment[1] != '#' && (parent.Kind == yaml.SequenceNode || i%2 == 1):
		from := strings.Index(line, c.LineComment)
		if from < 0 {
			return
		}
		head := line[:from]
		start := strings.LastIndex(head, c.Value)
		if start < 0 {
			return
		}
		l.warn(l.commentSpot(c), head[:start]+singleQuoted(c.Value+" "+c.LineComment), words("%q is taken for a comment: put the value in single quotes if it belongs to it",
			"%q é tomado por comentário: coloque o valor entre aspas simples se fizer parte dele", c.LineComment))
	}
}

// commentSpot is where the comment behind a scalar begins.
func (l *loader) commentSpot(c *yaml.Node) spot {
	first, _, _ := strings.Cut(c.LineComment, "\n")
	for n := c.Line; n <= c.Line+strings.Count(c.Value, "\n")+1; n++ {
		if from := strings.Index(l.line(n), first); from >= 0 {
			return spot{n, len([]rune(l.line(n)[:from])) + 1, len([]rune(first))}
		}
	}
	return spotOf(c)
}

// where is a node's place as people write it.
func (l *loader) where(n *yaml.Node) string {
	at := spotOf(n)
	return fmt.Sprintf("%s:%d:%d", l.name, at.line, at.col)
}
