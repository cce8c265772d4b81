package app

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/internal/budget"
	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/obs"
	"syncer/internal/state"
)

// countLimit bounds how far queues are counted for status: beyond it, "many" says enough.
const countLimit = 200_000

// statusCache keeps the last status: counting reads every link, which takes a while where there are many. It is
// counted again when twenty times as long has passed as counting takes, so that somebody who watches costs a
// twentieth of a processor at most. A small state is counted every time.
type statusCache struct {
	mu   sync.Mutex
	at   time.Time
	cost time.Duration
	last console.Status
}

// Status tells the state of everything.
func (a *App) Status(_ context.Context) (console.Status, error) {
	c := &a.status
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cost > 500*time.Millisecond && time.Since(c.at) < 20*c.cost {
		return c.last, nil
	}
	began := time.Now()
	s, err := a.count()
	if err == nil {
		c.at, c.cost, c.last = time.Now(), time.Since(began), s
	}
	return s, err
}

func (a *App) count() (console.Status, error) {
	g := a.gen.Load()
	s := console.Status{Version: obs.Version(), At: a.now(), Store: a.store.Stats(), Mapping: console.MappingStatus{File: a.opts.Config.Mappings, Hash: g.plan.Hash}, Zone: g.plan.Location.String()}
	if a.serving.Load() {
		s.Started = a.started
	}
	if r := a.reloaded.Load(); r != nil {
		s.Mapping.Error = r.err.Error()
	}
	now := a.now()
	err := a.store.View(func(tx state.Tx) error {
		if m, ok := state.Marks.Get(tx, mappingMark); ok {
			s.Mapping.Since = contact.FromMicros(m.At)
		}
		s.Records, s.People = state.Count(tx, state.Records.Name), state.Count(tx, state.Persons.Name)
		s.Strangers = strangers(tx, g)
		s.Conflicts = state.Count(tx, state.Conflicts.Name)
		s.Mapless = state.CountDueRecords(tx, countLimit)
		s.Runs = currentRuns(tx)
		quarantined := map[string]int{}
		for _, q := range state.Quarantine.All(tx, nil, nil) {
			quarantined[q.Source]++
		}
		for _, spec := range g.plan.Sources {
			src := console.SourceStatus{Name: spec.Name, Kind: spec.Kind, Quarantined: quarantined[spec.Name]}
			for range state.ScanRecords(tx, spec.Name) {
				src.Records++
			}
			src.LastWebhook, src.Events = a.watch.source(spec.Name)
			src.Budget = budgets(g.ledgers["source/"+spec.Name])
			src.NextRun = g.scheduler.Next(spec.Name, now)
			s.Sources = append(s.Sources, src)
		}
		for _, spec := range g.plan.Targets {
			t := console.TargetStatus{Name: spec.Name, Kind: spec.Kind}
			a.targetStatus(tx, g, &t, now)
			s.Targets = append(s.Targets, t)
		}
		return nil
	})
	s.Attention = attention(&s, a.words(), now)
	return s, err
}

// currentRuns are the runs that wait for somebody and the latest of each source and kind.
func currentRuns(tx state.Tx) []state.Run {
	latest := map[string]state.Run{}
	var out []state.Run
	for _, r := range state.Runs.All(tx, nil, nil) {
		if r = shown(r); r.State == engine.RunHeld {
			out = append(out, r)
			continue
		}
		k := r.Source + "/" + r.Kind
		if l, ok := latest[k]; !ok || r.Started > l.Started {
			latest[k] = r
		}
	}
	for _, r := range latest {
		out = append(out, r)
	}
	slices.SortFunc(out, func(x, y state.Run) int { return strings.Compare(x.Source+x.Kind, y.Source+y.Kind) })
	return out
}

func (a *App) targetStatus(tx state.Tx, g *generation, t *console.TargetStatus, now time.Time) {
	if p, ok := state.Places.Get(tx, "target/"+t.Name); ok {
		t.Place = p.Name
	}
	counts, oldest := state.Backlog(tx, t.Name, countLimit)
	t.Due = map[string]int{}
	for lane, n := range counts {
		t.Due[state.Lane(lane).String()] = n
	}
	t.Oldest, t.Waiting = oldest, map[string]int{}
	var again retries
	for k, l := range state.Links.All(tx, state.Prefix(t.Name), nil) {
		if l.Contact != "" {
			t.Linked++
		}
		if l.At != 0 {
			t.Written++
		}
		if l.Hold != "" {
			t.Held++
		}
		if l.Waiting != nil {
			t.Waiting[string(l.Waiting.Kind)]++
			again.add(&l, now)
		}
		if l.Adopted != nil && l.Adopted.Created.Before(a.started) && l.At == 0 && l.Contact != "" && l.Due == 0 && l.Hold == "" && l.Waiting == nil {
			t.Found++ // what was made since may be ours: the answer to a create can be lost
		}
		countLeft(tx, t, k.Person, &l)
	}
	for range state.Dead.All(tx, state.Prefix(t.Name), nil) {
		t.Dead++
	}
	t.Contacts = state.CountMirror(tx, t.Name)
	if p, ok := state.Pauses.Get(tx, "target/"+t.Name); ok {
		t.Paused = &p
	}
	c := g.engine.Conductor(t.Name)
	t.Labels = c.Strangers()
	t.Mirror = contact.FromMicros(state.ReadMirrorMark(tx, t.Name).Refreshed)
	ledger := g.ledgers["target/"+t.Name]
	t.Budget = budgets(ledger)
	t.Delivered = a.watch.target(t.Name)
	total := counts[0] + counts[1] + counts[2]
	if total > 0 {
		t.Done = now.Add(ledger.Estimate(contact.ScopeContacts, total, now))
	}
	v := view{Words: a.words(), now: now}
	if t.Doing = v.doing(t, c.Status(), ledger, total, again); !a.serving.Load() && t.Paused == nil {
		t.Doing = v.Say("stands still: no daemon runs", "parado: nenhum daemon em execução")
		if total > 0 {
			t.Doing += v.Say("; %s", "; %s", v.Count(total, "person waits", "people wait", "pessoa aguarda", "pessoas aguardam"))
		}
	}
}

// countLeft adds what is left alone for one person because it does not stay. What was taken back by hand is nobody's
// concern.
func countLeft(tx state.Tx, t *console.TargetStatus, p state.PersonID, l *state.Link) {
	flips := false
	for _, attr := range sorted(l.Left) {
		if l.Flips[attr].Wrote != l.Left[attr] {
			continue
		}
		flips = true
		name := strings.TrimPrefix(strings.TrimPrefix(attr, "fields."), "labels.")
		i := slices.IndexFunc(t.Values, func(v console.LeftValue) bool { return v.Attr == name })
		if i < 0 {
			who, _ := state.Persons.Get(tx, p)
			i = len(t.Values)
			t.Values = append(t.Values, console.LeftValue{Attr: name, Example: strings.Join(keys(who.Records[:min(1, len(who.Records))]), "")})
		}
		t.Values[i].People++
	}
	if flips {
		t.Left++
	}
}

// strangers lists what the state knows and the mapping file does not: after a name was changed, nothing of the old
// name is looked at any more, and somebody should know.
func strangers(tx state.Tx, g *generation) (out []console.Stranger) {
	for _, name := range state.Names(tx, state.Records.Name) {
		if _, ok := g.plan.Source(name); !ok {
			n := 0
			for range state.ScanRecords(tx, name) {
				n++
			}
			out = append(out, console.Stranger{What: "source", Name: name, Rows: n})
		}
	}
	for _, name := range state.Names(tx, state.Links.Name) {
		if _, ok := g.plan.Target(name); !ok {
			n := 0
			for _, l := range state.Links.All(tx, state.Prefix(name), nil) {
				if l.Contact != "" {
					n++
				}
			}
			out = append(out, console.Stranger{What: "target", Name: name, Rows: n})
		}
	}
	return out
}

// retries are the deliveries that failed and are tried again by themselves at a later moment.
type retries struct {
	n     int
	first time.Time
	why   string // the first of them failed
}

func (r *retries) add(l *state.Link, now time.Time) {
	at := contact.FromMicros(l.Due)
	if l.Due == 0 || !at.After(now) {
		return
	}
	if r.n++; r.first.IsZero() || at.Before(r.first) {
		r.first, r.why = at, l.Waiting.Message
	}
}

// view is a moment and the words for whoever looks at it.
type view struct {
	console.Words
	now time.Time
}

// doing says in words what a target is doing, or what it waits for and why.
func (v view) doing(t *console.TargetStatus, s engine.Status, l *budget.Ledger, total int, again retries) string {
	waiting := v.Count(total, "person waits", "people wait", "pessoa aguarda", "pessoas aguardam")
	switch {
	case t.Paused != nil && t.Paused.How == "":
		return v.Say("paused by hand", "pausado à mão") + v.because(t.Paused)
	case t.Paused != nil:
		return v.Say("paused", "pausado") + v.because(t.Paused)
	case s.Resting != "":
		return v.Say("%s; it does not answer (%s); next try %s", "%s; ele não responde (%s); próxima tentativa %s", waiting, v.Told(s.Resting), v.until(s.Until))
	case total == 0 && t.Held > 0:
		return v.Count(t.Held, "person is held back, see runs", "people are held back, see runs", "pessoa está retida, veja as execuções", "pessoas estão retidas, veja as execuções")
	case total == 0:
		return v.Say("nothing to do", "nada a fazer")
	}
	if at := l.Ready(contact.ScopeContacts, state.LaneBulk, v.now); at.After(v.now) {
		return v.Say("%s for the call budget; next call %s, done %s", "%s o limite de chamadas; próxima chamada %s, pronto %s", waiting, v.until(at), v.about(t.Done))
	}
	later := ""
	if again.n > 0 {
		later = v.Say("%s tried again, the first %s: %s", "%s de novo, a primeira %s: %s", v.Count(again.n, "person is", "people are", "pessoa é tentada", "pessoas são tentadas"), v.until(again.first), v.Told(again.why))
	}
	if later != "" && again.n >= total {
		return later
	}
	now := v.Say("delivering to %s, done %s", "entregando a %s, pronto %s", v.Count(total-again.n, "person", "people", "pessoa", "pessoas"), v.about(t.Done))
	return strings.Join(slices.DeleteFunc([]string{now, later}, func(s string) bool { return s == "" }), "; ")
}

// because is why a target is paused, if anybody said so.
func (v view) because(p *state.Paused) string {
	if p.Why == "" || p.Why == byHand {
		return ""
	}
	return ": " + v.Told(p.Why)
}

func (v view) about(t time.Time) string {
	if t.Sub(v.now) < time.Second {
		return v.Say("any moment", "a qualquer momento")
	}
	return v.Say("about %s", "cerca de %s", v.Ago(t, v.now))
}

func (v view) until(t time.Time) string {
	if t.Sub(v.now) < time.Second {
		return v.Say("now", "agora")
	}
	return v.Ago(t, v.now)
}

func budgets(l *budget.Ledger) []console.Budget {
	if l == nil {
		return nil
	}
	var out []console.Budget
	for _, scope := range l.Scopes() {
		s := l.Status(scope)
		out = append(out, console.Budget{Scope: scope, Used: s.Used, Left: s.Left, Limit: s.Limit, Blocked: s.BlockedUntil})
	}
	return out
}

// attention lists what needs somebody, the most urgent first.
func attention(s *console.Status, w console.Words, now time.Time) []string {
	var out []string
	add := func(en, pt string, args ...any) { out = append(out, w.Say(en, pt, args...)) }
	people := func(n int) string { return w.Count(n, "person", "people", "pessoa", "pessoas") }
	if s.Started.IsZero() {
		add("no daemon runs: nothing is received, read or delivered until `syncer serve` runs", "nenhum daemon em execução: nada é recebido, lido ou entregue até que `syncer serve` rode")
	}
	if s.Store.Lost {
		add("the state file was deleted or replaced while syncer has it open; nothing more is accepted. Rescue it with `syncer backup FILE`, stop syncer, put FILE in its place, start",
			"o arquivo de estado foi apagado ou trocado com o syncer em execução; nada mais é aceito. Salve-o com `syncer backup ARQUIVO`, pare o syncer, ponha ARQUIVO no lugar e inicie")
	}
	if f := s.Store.Fullness(); f > 0.8 {
		add("the state file is %d %% full: run `syncer compact`, or raise its maximum", "o arquivo de estado está %d %% cheio: rode `syncer compact` ou aumente seu máximo", int(f*100))
	}
	if s.Mapping.Error != "" {
		add("the newest mapping file is not in use: %s", "o arquivo de mapeamento mais novo não está em uso: %s", firstLine(s.Mapping.Error))
	}
	if n := before(s); n > 0 {
		add("nothing was ever written from this state, and the targets have %s. If syncer kept them in step before, its state is lost: who was erased, who refused messages and what was last written (the bases of keep_edits) "+
			"are not known any more. If you have an export, stop syncer and run `syncer import EXPORT` before you apply the first run",
			"nada foi escrito a partir deste estado, e os destinos têm %s. Se o syncer já os mantinha em dia, seu estado se perdeu: não se sabe mais quem foi apagado, quem recusou mensagens nem o que foi escrito por último "+
				"(as bases de keep_edits). Se você tem uma exportação, pare o syncer e rode `syncer import EXPORT` antes de aplicar a primeira execução", w.Count(n, "contact", "contacts", "contato", "contatos"))
	}
	for _, t := range s.Targets {
		if t.Paused != nil {
			add("%s is paused%s; `syncer resume %s` uses it again", "%s está pausado%s; `syncer resume %s` volta a usá-lo", t.Name, (view{Words: w}).because(t.Paused), t.Name)
		}
	}
	for _, r := range s.Runs {
		if r.State == engine.RunHeld {
			add("run %s holds %s back (%s): look with `syncer plan %s`, then `syncer apply %s` or `syncer discard %s`", "a execução %s retém %s (%s): veja com `syncer plan %s`, depois `syncer apply %s` ou `syncer discard %s`",
				r.ID, people(r.Held), w.Told(r.Why), r.ID, r.ID, r.ID)
		}
		if r.State == engine.RunWalking && r.Err != "" {
			add("run %s broke off: %s; it goes on at the next start of this schedule", "a execução %s foi interrompida: %s; ela continua no próximo horário", r.ID, w.Told(r.Err))
		}
		if r.State == engine.RunFailed {
			add("run %s failed: %s", "a execução %s falhou: %s", r.ID, w.Told(r.Err))
		}
	}
	for _, r := range s.Runs {
		if r.Records == 0 && r.Missing > 0 {
			add("%s: run %s got no record at all, although %s known; nothing counts as deleted. Look at the source and its credentials", "%s: a execução %s não recebeu registro algum, embora %s; nada conta como apagado. Veja a fonte e suas credenciais",
				r.Source, r.ID, w.Count(r.Missing, "is", "are", "seja conhecido", "sejam conhecidos"))
		}
	}
	for _, t := range s.Targets {
		if t.Dead > 0 {
			add("%s: %s: look with `syncer dead list`", "%s: %s: veja com `syncer dead list`", t.Name, w.Count(t.Dead, "dead letter", "dead letters", "entrega não feita", "entregas não feitas"))
		}
		if !t.Oldest.IsZero() && now.Sub(t.Oldest) > time.Hour && t.Paused == nil {
			add("%s: the oldest change waits since %s", "%s: a mudança mais antiga aguarda desde %s", t.Name, w.Stamp(t.Oldest))
		}
		for _, name := range t.Labels {
			add("%s: the label %q is another one than before: somebody deleted it and made it again, or gave its name to another. It is neither given nor taken until `syncer rebind target/%s`",
				"%s: a etiqueta %q não é mais a mesma: alguém a apagou e fez de novo, ou deu seu nome a outra. Ela não é dada nem tirada até `syncer rebind target/%s`", t.Name, name, t.Name)
		}
		for _, v := range t.Values {
			add("%s: %s of %s is left alone until the source says something else: something at the target keeps changing it back. See `syncer explain %s`",
				"%s: %s de %s fica como está até a fonte dizer outra coisa: algo no destino sempre o muda de volta. Veja `syncer explain %s`", t.Name, v.Attr, people(v.People), v.Example)
		}
		if s.Store.Fresh && t.Found > t.Linked/2 {
			add("the state file is new, but %d of %s found at %s just as syncer leaves them. If an earlier state was lost: who refused messages, who was erased and the bases "+
				"of keep_edits are not known any more. If you have an export, stop syncer, remove the state file, run `syncer import FILE` and start again",
				"o arquivo de estado é novo, mas %d de %s em %s assim como o syncer deixa. Se um estado anterior se perdeu: não se sabe mais quem recusou mensagens, quem foi apagado nem as bases "+
					"de keep_edits. Se você tem uma exportação, pare o syncer, remova o arquivo de estado, rode `syncer import ARQUIVO` e comece de novo",
				t.Found, w.Count(t.Linked, "person was", "people were", "pessoa foi encontrada", "pessoas foram encontradas"), t.Name)
		}
	}
	if s.Conflicts > 0 {
		add("%s: look with `syncer conflicts list`", "%s: veja com `syncer conflicts list`", w.Count(s.Conflicts, "conflict", "conflicts", "conflito", "conflitos"))
	}
	for _, src := range s.Sources {
		if src.Quarantined > 0 {
			add("%s: %s could not be read: look with `syncer quarantine list`, and after a fix in the mapping file `syncer quarantine retry --all`", "%s: %s: veja com `syncer quarantine list` e, depois de corrigir o arquivo de mapeamento, `syncer quarantine retry --all`",
				src.Name, w.Count(src.Quarantined, "webhook", "webhooks", "webhook não pôde ser lido", "webhooks não puderam ser lidos"))
		}
	}
	return out
}

// before counts the contacts that targets had before a state began from which nothing was written yet: either syncer has
// just been set up, or an earlier state is gone, which can still be put right.
func before(s *console.Status) (contacts int) {
	for _, t := range s.Targets {
		if t.Written+t.Linked > 0 {
			return 0
		}
		contacts += t.Contacts
	}
	return contacts
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
