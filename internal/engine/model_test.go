package engine_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// TestEngineAgainstModel lets a few people live: two sources tell of them, out of order, twice or not at all; agents
// edit, make, block and delete contacts; calls fail; syncer is restarted. Then a reconciliation is made, and
// every contact is what a few lines of Go over the sources' own records say that it should be.
//
// More of them: go test ./internal/engine -run TestEngineAgainstModel -rapid.checks=1000 -rapid.seed=1
func TestEngineAgainstModel(t *testing.T) {
	if testing.Short() {
		t.Skip("lives are simulated")
	}
	dir, err := os.MkdirTemp(lab.FastDir(), "model-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	lives := 0
	rapid.Check(t, func(rt *rapid.T) {
		lives++
		home := fmt.Sprintf("%s/%d", dir, lives)
		if err := os.Mkdir(home, 0o700); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(home)
		inBubble(t, func() { live(rt, home) })
	})
}

// inBubble plays in a bubble of its own time. rapid ends a case by a panic, which has to reach it.
func inBubble(t *testing.T, play func()) {
	var end any
	synctest.Test(t, func(*testing.T) {
		defer func() { end = recover() }()
		play()
	})
	if end != nil {
		panic(end)
	}
}

const modelMapping = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo, area: "84"}
sources:
  crm: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
  loja: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", create_missing: true, opt_out: {label: Opt-out}}
mappings:
  - name: clientes
    from: crm
    to: weni
    contact:
      name: =record.nome
      phones: =record.fone
      opt_out: yes(record.recusou)
      labels:
        - Clientes
        - {label: VIP, when: record.vip}
      fields:
        cidade: =record.cidade
        bairro: {value: =record.bairro, blank: clear}
        dono_crm: =record.dono
  - name: compradores
    from: loja
    to: weni
    contact:
      name: =record.nome
      phones: =record.fone
      labels: [Compradores]
      fields:
        compras: {value: =record.compras, type: numeric}
        dono_loja: =record.dono
`

// Of the humans, the first two are in the CRM twice, under one name; the last one never changes, so that no source is
// ever empty.
const (
	humans    = 5
	twice     = 2
	duplicate = 10 // what the second record's id is ahead of the first one's
)

// somebodyNames are each human's names: the sources spell them differently.
var somebodyNames = [humans + 1][]string{
	1: {"Ana Prado", "ANA PRADO LIMA", ""}, 2: {"Rui Nunes", "rui", ""}, 3: {"Beatriz Rocha", "BEATRIZ", "Beatriz R. Rocha"},
	4: {"João Maia", "Joao", "JOAO MAIA"}, 5: {"Otto Brito"},
}

// being is a simulated life: the sources as they are, what agents did, and what may be expected of it.
type being struct {
	*lab.Lab
	t    *rapid.T
	rows map[contact.Key]lab.Row // the records that exist
	ver  map[contact.Key]int
	sent []contact.Event // everything that was ever to be told
	told map[contact.Key]bool

	words   map[int]word // the newest of what a human said in the shop
	refused map[int]bool // humans who ever refused in a CRM record
	moved   map[int]bool // whose number changed in a record
	erased  map[int]bool
	gone    map[int]bool         // whose contact an agent deleted
	byHand  map[string]unmanaged // what agents made of contacts
	labels  map[string]bool      // contact and label, given by agents
	edits   map[string]int
	faults  int
	doubt   bool // an answer to a write was lost: whose the labels of a create were is not known then

	notes []string

	mu    sync.Mutex
	wrong []string
}

type word struct {
	at  int64
	out bool
}

// unmanaged is what no mapping names.
type unmanaged struct {
	language, nota string
	agentes        bool
	urns           []string
}

func live(t *rapid.T, dir string) {
	b := &being{t: t, rows: map[contact.Key]lab.Row{}, ver: map[contact.Key]int{}, told: map[contact.Key]bool{}, words: map[int]word{}, refused: map[int]bool{},
		moved: map[int]bool{}, erased: map[int]bool{}, gone: map[int]bool{}, byHand: map[string]unmanaged{}, labels: map[string]bool{}, edits: map[string]int{}}
	l, err := lab.New(lab.Options{Dir: dir, Mapping: modelMapping, Latency: 50 * time.Millisecond, Tap: b.tap, Server: rapidpro.Options{Rand: rand.New(rand.NewPCG(1, 2))}})
	if err != nil {
		t.Fatal(err)
	}
	b.Lab = l
	defer func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := b.Weni.AddGroup("Agentes", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Weni.AddField("nota", "text"); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"crm", "loja"} {
		b.tell(t, "now", b.put(source, humans, nil))
	}
	t.Repeat(map[string]func(*rapid.T){
		"record":  b.record,
		"records": b.record,
		"again":   b.again,
		"agent":   b.agent,
		"agents":  b.agent,
		"consent": b.consent,
		"erase":   b.erase,
		"time":    b.time,
		"restart": b.restart,
		"run":     b.run,
		"fault":   b.fault,
		"":        b.watch,
	})
	b.end()
}

func who(id int) int { return (id-1)%duplicate + 1 }
func human(k contact.Key) int {
	id, _ := strconv.Atoi(k.ID)
	return who(id)
}

// mobile is a human's number, and another the one that some of them change to.
func mobile(h int) string  { return fmt.Sprintf("5584988880%03d", h*7) }
func another(h int) string { return fmt.Sprintf("5584977770%03d", h*7) }
func key(source string, id int) contact.Key {
	return contact.Key{Source: source, ID: fmt.Sprint(id)}
}

// put makes or changes a record, and returns what tells it.
func (b *being) put(source string, id int, change func(lab.Row)) contact.Event {
	k, h := key(source, id), who(id)
	row, ok := b.rows[k]
	if !ok {
		row = lab.Row{"fone": mobile(h), "nome": somebodyNames[h][0], "dono": fmt.Sprint(h), "recusou": false, "vip": false, "compras": "1"}
	}
	if change != nil {
		change(row)
	}
	if row["recusou"] == true {
		b.refused[h] = true
	}
	b.rows[k] = row
	b.ver[k]++
	row["versao"] = b.ver[k]
	return b.Books[source].Put(id, row)
}

// record lets a record come, change, go or be merged into its duplicate.
func (b *being) record(t *rapid.T) {
	source := rapid.SampledFrom([]string{"crm", "loja"}).Draw(t, "source")
	id := rapid.IntRange(1, humans-1).Draw(t, "id")
	if source == "crm" && id <= twice && rapid.Bool().Draw(t, "duplicate") {
		id += duplicate
	}
	k, h := key(source, id), who(id)
	_, exists := b.rows[k]
	what := "change"
	if exists {
		what = rapid.SampledFrom([]string{"change", "change", "change", "delete", "merge"}).Draw(t, "what")
	}
	var e contact.Event
	switch {
	case what == "merge" && id > duplicate:
		e = b.Books[source].Remove(id)
		e.Kind, e.Into = contact.Merge, key(source, h)
		delete(b.rows, k)
	case what == "delete" || what == "merge":
		e = b.Books[source].Remove(id)
		delete(b.rows, k)
	default:
		e = b.put(source, id, func(r lab.Row) {
			field := rapid.SampledFrom([]string{"nome", "cidade", "bairro", "vip", "recusou", "compras", "fone", "number"}).Draw(t, "field")
			switch field {
			case "nome":
				if source == "loja" || h > twice {
					r["nome"] = rapid.SampledFrom(somebodyNames[h]).Draw(t, "nome")
				}
			case "cidade":
				r["cidade"] = rapid.SampledFrom([]string{"Natal", "Recife", ""}).Draw(t, "cidade")
			case "bairro":
				r["bairro"] = rapid.SampledFrom([]string{"Centro", "Tirol", ""}).Draw(t, "bairro")
			case "vip", "recusou":
				r[field] = rapid.Bool().Draw(t, field)
			case "compras":
				r["compras"] = rapid.SampledFrom([]any{"1", "2.50", 3, ""}).Draw(t, "compras")
			case "number":
				if h > twice && rapid.IntRange(0, 2).Draw(t, "changes") == 0 {
					r["fone"], b.moved[h] = rapid.SampledFrom([]string{mobile(h), another(h)}).Draw(t, "number"), true
				}
			case "fone":
				n := mobile(h)
				r["fone"] = rapid.SampledFrom([]string{n, "+" + n, n[2:], n[2:4] + n[5:], "(84) " + n[4:9] + "-" + n[9:]}).Draw(t, "fone")
			}
		})
	}
	b.sent = append(b.sent, e)
	b.tell(t, rapid.SampledFrom([]string{"now", "now", "twice", "thin", "lost"}).Draw(t, "told"), e)
}

// logf notes what happens; the notes come with a failure, for deliveries race each other and a replay may go another
// way.
func (b *being) logf(format string, args ...any) {
	b.notes = append(b.notes, b.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (b *being) tell(t *rapid.T, how string, e contact.Event) {
	switch how {
	case "lost":
		return
	case "twice":
		b.send(t, e, e)
	case "thin":
		if e.Kind == contact.Upsert {
			e = contact.Event{Kind: contact.Upsert, Shape: contact.IDs, Key: e.Key, Version: contact.Version{Event: e.Version.Source}}
		}
		b.send(t, e)
	default:
		b.send(t, e)
	}
}

func (b *being) send(t *rapid.T, events ...contact.Event) {
	receipts, err := b.Send(state.LaneLive, events...)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		b.told[e.Key] = true
		b.logf("%s %s %+v: %s %s", e.Kind, e.Key, e.Version, receipts[i], e.Payload)
	}
}

// again tells what was told before, or was lost, in any order.
func (b *being) again(t *rapid.T) {
	if len(b.sent) == 0 {
		t.Skip("nothing was told yet")
	}
	e := b.sent[rapid.IntRange(0, len(b.sent)-1).Draw(t, "event")]
	if e.Kind == contact.OptOut || e.Kind == contact.OptIn {
		b.hear(e)
	}
	b.send(t, e)
}

// consent is what somebody answers in the shop: it names their number or their record.
func (b *being) consent(t *rapid.T) {
	h := rapid.IntRange(1, humans-1).Draw(t, "human")
	time.Sleep(time.Millisecond)
	e := contact.Event{Kind: contact.OptIn, Key: contact.Key{Source: "loja"}, Version: contact.Version{Event: b.Now().UnixMicro()}}
	if rapid.Bool().Draw(t, "out") {
		e.Kind = contact.OptOut
	}
	if k := key("loja", h); b.rows[k] != nil && rapid.Bool().Draw(t, "by record") {
		e.Key = k
	} else {
		e.Identities = []contact.Identity{contact.PhoneIdentity(mobile(h))}
	}
	e.ID = fmt.Sprintf("consent-%d-%d", h, e.Version.Event)
	b.sent = append(b.sent, e)
	if rapid.IntRange(0, 4).Draw(t, "lost") > 0 {
		b.hear(e)
		b.send(t, e)
	}
}

func (b *being) hear(e contact.Event) {
	var h int
	if _, err := fmt.Sscanf(e.ID, "consent-%d-", &h); err != nil {
		b.t.Fatal(err)
	}
	if e.Version.Event >= b.words[h].at && !b.erased[h] {
		b.words[h] = word{e.Version.Event, e.Kind == contact.OptOut}
	}
}

// erase is somebody who asks to be forgotten: the records of theirs that are known, and their number.
func (b *being) erase(t *rapid.T) {
	h := rapid.IntRange(1, humans-1).Draw(t, "human")
	k := key("crm", h)
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 || b.rows[k] == nil {
		t.Skip("nobody asks")
	}
	b.settle(t)
	if !b.stands(k) {
		t.Skip("syncer does not know them")
	}
	b.send(t, contact.Event{Kind: contact.Erase, Key: k, Version: contact.Version{Event: b.Now().UnixMicro()}})
	b.erased[h] = true
}

func (b *being) stands(k contact.Key) (ok bool) {
	_ = b.Store.View(func(tx state.Tx) error {
		rec, _ := state.Records.Get(tx, k)
		ok = slices.ContainsFunc(rec.Parts, func(p state.RecordPart) bool { return p.Identity != "" })
		return nil
	})
	return ok
}

// agent does something by hand at the target.
func (b *being) agent(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "make") == 0 {
		b.makeContact(t)
		return
	}
	all := b.Weni.Contacts()
	if len(all) == 0 {
		t.Skip("nobody there")
	}
	c := all[rapid.IntRange(0, len(all)-1).Draw(t, "contact")]
	b.checkByHand(c)
	text := func(values ...string) *string { v := rapid.SampledFrom(values).Draw(t, "value"); return &v }
	var edit rapidpro.Edit
	what := rapid.SampledFrom([]string{"nota", "language", "join", "leave", "urn", "name", "cidade", "bairro", "label", "unlabel", "opt-out", "status", "delete"}).Draw(t, "edit")
	once := func() {
		if b.edits[c.UUID+what]++; b.edits[c.UUID+what] > 2 {
			t.Skip("what is changed back and forth is left alone")
		}
	}
	switch what {
	case "nota":
		edit.Fields = map[string]string{"nota": *text("a", "b", "")}
	case "language":
		edit.Language = text("por", "spa")
	case "join":
		edit.AddGroups = []string{"Agentes"}
	case "leave":
		edit.RemoveGroups = []string{"Agentes"}
	case "urn":
		b.settle(t) // between syncer's reading of the list and its writing, Weni has no way to keep this one
		edit.AddURNs = []string{fmt.Sprintf("telegram:%d", 1000+len(b.notes))}
	case "name":
		once()
		edit.Name = text("Cliente", "Sem nome")
	case "cidade", "bairro":
		once()
		edit.Fields = map[string]string{what: *text("Outra", "Centro", "")}
	case "label":
		name := *text("Clientes", "VIP", "Compradores")
		b.labels[c.UUID+name] = true
		edit.AddGroups = []string{name}
		if c.Status != "active" {
			t.Skip("not taken")
		}
	case "unlabel":
		edit.RemoveGroups = []string{*text("Clientes", "VIP", "Compradores")}
	case "opt-out":
		edit.RemoveGroups = []string{"Opt-out"}
	case "status":
		edit.Status = *text("active", "active", "blocked", "stopped")
	case "delete":
		if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
			t.Skip("better not")
		}
		b.gone[owner(c)] = true
		edit.Delete = true
	}
	b.logf("agent: %s of %s %v: %+v", what, c.UUID, c.URNs, edit)
	if err := b.Weni.Edit(c.UUID, edit); err != nil {
		t.Skip(err)
	}
	b.note(c.UUID)
}

// makeContact is a chat that begins, or an agent who enters somebody.
func (b *being) makeContact(t *rapid.T) {
	h := rapid.IntRange(1, humans-1).Draw(t, "human")
	n := mobile(h)
	urn := rapid.SampledFrom([]string{"whatsapp:" + n, "whatsapp:" + n[:4] + n[5:], "tel:+" + n}).Draw(t, "urn")
	id, err := b.Weni.AddContact(rapidpro.NewContact{Name: rapid.SampledFrom([]string{"", somebodyNames[h][0], "Apelido"}).Draw(t, "name"), URNs: []string{urn}, Fields: map[string]string{"nota": "chat"}})
	b.logf("agent: made %s with %s: %v", id, urn, err)
	if err != nil {
		t.Skip(err)
	}
	b.note(id)
}

func (b *being) note(id string) {
	c, _ := b.Weni.Contact(id)
	b.byHand[id] = leftAlone(c)
}

// leftAlone is what of a contact syncer never touches. Of addresses, those that it did not add itself.
func leftAlone(c rapidpro.Contact) unmanaged {
	u := unmanaged{language: c.Language, nota: c.Fields["nota"], agentes: slices.Contains(c.Groups, "Agentes")}
	for _, urn := range c.URNs {
		if h := owner(c); urn != "whatsapp:"+mobile(h) && urn != "whatsapp:"+another(h) {
			u.urns = append(u.urns, urn)
		}
	}
	slices.Sort(u.urns)
	return u
}

// owner is whose number a contact has.
func owner(c rapidpro.Contact) int {
	for h := 1; h <= humans; h++ {
		for _, u := range c.URNs {
			if id := contact.URN(u).Identity(); id == contact.PhoneIdentity(mobile(h)) || id == contact.PhoneIdentity(another(h)) {
				return h
			}
		}
	}
	return 0
}

func (b *being) checkByHand(c rapidpro.Contact) {
	want, got := b.byHand[c.UUID], leftAlone(c)
	if fmt.Sprint(want) != fmt.Sprint(got) {
		b.t.Fatalf("what nobody gave to syncer changed at %s: it was %+v and is %+v\n%s", c.UUID, want, got, b.story(owner(c)))
	}
	for f := range c.Fields {
		if !slices.Contains([]string{"cidade", "bairro", "compras", "nota", "dono_crm", "dono_loja"}, f) {
			b.t.Fatalf("field %s was made up", f)
		}
	}
}

func (b *being) time(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{50 * time.Millisecond, 120 * time.Millisecond, time.Second, 10 * time.Second, 3 * time.Minute, 20 * time.Minute}).Draw(t, "passes")
	b.logf("time passes: %s", d)
	time.Sleep(d)
}

func (b *being) restart(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		t.Skip("goes on")
	}
	b.logf("restart at %s", b.Now().UTC().Format("15:04:05.000"))
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
}

func (b *being) run(t *rapid.T) {
	source := rapid.SampledFrom([]string{"crm", "loja"}).Draw(t, "source")
	kind := rapid.SampledFrom([]string{"changes", "full"}).Draw(t, "kind")
	run, err := b.Reconcile(source, kind)
	b.logf("run of %s: %d records, %d missing, %d deleted, %v", source, run.Records, run.Missing, run.Deleted, err)
	for k := range b.rows {
		if k.Source == source {
			b.told[k] = true
		}
	}
}

// fault breaks the next call, before or after it was carried out. Whoever is refused three times counts as poison.
func (b *being) fault(t *rapid.T) {
	if b.faults++; b.faults > 2 {
		t.Skip("enough of it")
	}
	f := sandbox.Fault{Method: rapid.SampledFrom([]string{"GET", "POST"}).Draw(t, "method"), Times: 1,
		Action: rapid.SampledFrom([]string{sandbox.FaultReset, sandbox.FaultResetAfter, sandbox.FaultStatus, sandbox.FaultTruncate, sandbox.FaultHTML}).Draw(t, "action")}
	if f.Action == sandbox.FaultStatus {
		f.Status, f.Commit = 502, rapid.Bool().Draw(t, "commit")
	}
	b.doubt = b.doubt || f.Method == "POST" && f.Action != sandbox.FaultReset
	if _, err := b.Weni.Control.AddFault(f); err != nil {
		t.Fatal(err)
	}
	b.logf("fault: %s %s", f.Method, f.Action)
}

// tap looks at every write: whose data went where.
func (b *being) tap(x lab.Exchange) {
	if x.Method != "POST" || !strings.HasPrefix(x.Path, "/api/v2/contacts.json") || x.Status >= 300 {
		return
	}
	var wrote struct{ Fields map[string]string }
	var answer struct{ UUID string }
	if json.Unmarshal(x.Body, &wrote) != nil || json.Unmarshal(x.Answer, &answer) != nil {
		return
	}
	c, _ := b.Weni.Contact(answer.UUID)
	for _, f := range []string{"dono_crm", "dono_loja"} {
		if dono := wrote.Fields[f]; dono != "" && !c.Deleted && dono != fmt.Sprint(owner(c)) {
			b.mu.Lock()
			b.wrong = append(b.wrong, fmt.Sprintf("data of human %s were written to the contact of %d", dono, owner(c)))
			b.mu.Unlock()
		}
	}
}

// watch holds after every step.
func (b *being) watch(t *rapid.T) {
	b.mu.Lock()
	wrong := slices.Clone(b.wrong)
	b.mu.Unlock()
	if len(wrong) > 0 {
		t.Fatal(strings.Join(wrong, "\n"))
	}
}

func (b *being) settle(t *rapid.T) {
	pause := 100 * time.Millisecond
	for end := time.Now().Add(12 * time.Hour); ; pause = min(pause*2, 30*time.Second) {
		time.Sleep(pause)
		if err := b.Settle(6 * time.Millisecond); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it did not come to rest:\n%s", b.story(0))
		}
	}
}

// end reads everything again, compares, and reads it once more, which changes nothing.
func (b *being) end() {
	t := b.t
	b.Weni.Control.ClearFaults()
	b.settle(t)
	time.Sleep(15 * time.Minute) // a reading wins over what is older than ten
	b.reread(t)
	b.compare(t)
	b.watch(t)
	b.Calls()
	b.reread(t)
	if n := b.Calls(); n.Writes+n.Labels > 0 {
		t.Fatalf("nothing changed and %+v calls were made:\n%s", n, b.story(0))
	}
}

func (b *being) reread(t *rapid.T) {
	if err := b.Mirror().Audit(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"crm", "loja"} {
		for _, kind := range []string{"changes", "full"} { // each takes over only what runs of its kind still hold
			run, err := b.Reconcile(source, kind)
			if err != nil || run.State == "held" {
				t.Fatalf("%+v, %v", run, err)
			}
		}
	}
	b.settle(t)
}

// expected is what a human's contact should show.
type expected struct {
	alive                 bool
	name, cidade, compras string
	bairro                string
	clearBairro           bool
	labels                map[string]bool // true: there; false: not
	out, unsure           bool
}

func (b *being) fold(h int) (x expected) {
	x.labels = map[string]bool{}
	var crm []lab.Row
	for _, id := range []int{h, h + duplicate} {
		if row, ok := b.rows[key("crm", id)]; ok {
			crm = append(crm, row)
		}
	}
	slices.SortFunc(crm, func(a, c lab.Row) int { return -cmp.Compare(b.moment(a), b.moment(c)) })
	text := func(into *string, row lab.Row, field string) {
		if v := row[field]; v != nil && *into == "" {
			*into = fmt.Sprint(v)
		}
	}
	refuses := false
	for _, row := range crm {
		text(&x.name, row, "nome")
		text(&x.cidade, row, "cidade")
		text(&x.bairro, row, "bairro")
		x.clearBairro = x.clearBairro || row["bairro"] != nil
		x.labels["Clientes"] = true
		x.labels["VIP"] = x.labels["VIP"] || row["vip"] == true
		refuses = refuses || row["recusou"] == true
	}
	shop, buys := b.rows[key("loja", h)]
	if buys {
		text(&x.name, shop, "nome")
		text(&x.compras, shop, "compras")
		x.labels["Compradores"] = true
	}
	x.alive = buys || len(crm) > 0
	x.out = refuses || b.words[h].out
	x.unsure = b.moved[h] && len(b.words) > 0 || !x.out && b.refused[h] // a refusal of the CRM that stands no more: the ledger knows what it last read
	return x
}

func (b *being) moment(r lab.Row) int64 {
	for _, e := range slices.Backward(b.sent) {
		if strings.Contains(string(e.Payload), fmt.Sprintf(`"id":%q`, r["id"])) && e.Key.Source == "crm" {
			return e.Version.Source
		}
	}
	return 0
}

// numbers is how many numbers the records of a human give.
func (b *being) numbers(h int) int {
	ids := map[string]bool{}
	for k, row := range b.rows {
		if human(k) == h {
			ids[strings.TrimPrefix(fmt.Sprint(row["fone"]), "+")] = true
		}
	}
	if ids[another(h)] && len(ids) > 1 {
		return 2
	}
	return 1
}

// linked are the contacts that syncer holds to be a human's: of the persons with a record that exists, if there is one.
func (b *being) linked(h int, alive bool) (ids []string) {
	_ = b.Store.View(func(tx state.Tx) error {
		ids = nil
		for k, l := range state.Links.All(tx, nil, nil) {
			who, _ := state.Persons.Get(tx, k.Person)
			mine := slices.ContainsFunc(who.Records, func(k contact.Key) bool { return human(k) == h && (b.rows[k] != nil || !alive) })
			if mine && l.Contact != "" && !slices.Contains(ids, l.Contact) {
				ids = append(ids, l.Contact)
			}
		}
		return nil
	})
	return ids
}

func (b *being) compare(t *rapid.T) {
	for _, c := range b.Weni.Contacts() {
		b.checkByHand(c)
	}
	for h := 1; h <= humans; h++ {
		x := b.fold(h)
		ids := b.linked(h, x.alive)
		fail := func(what string) {
			t.Fatalf("human %d: %s\nexpected %+v\nlinked %v\nsources %v\n%s", h, what, x, ids, b.rowsOf(h), b.story(0))
		}
		switch {
		case b.moved[h] && (b.erased[h] || b.numbers(h) > 1):
			continue // each number is somebody's own until the records agree
		case b.erased[h]:
			if len(ids) > 0 {
				fail("erased and linked again")
			}
			for _, c := range b.Weni.Contacts() {
				if owner(c) == h && (c.Fields["dono_crm"] != "" || c.Fields["dono_loja"] != "") {
					fail("erased, and the contact stands")
				}
			}
			continue
		case b.gone[h]:
			continue // an agent deleted it: it stays away, or was given up before
		case x.alive && len(ids) > 1:
			fail("several contacts")
		case x.alive && len(ids) == 0:
			fail("no contact")
		}
		for _, id := range ids {
			c, ok := b.Weni.Contact(id)
			if !ok || c.Deleted || owner(c) != h {
				fail("linked to the contact of another, or of nobody")
			}
			if what := x.differs(c, b.labels, b.doubt); what != "" {
				fail(what + fmt.Sprintf("\nthe contact is %+v", c))
			}
		}
	}
}

// differs says in what a contact is not as expected.
func (x expected) differs(c rapidpro.Contact, byHand map[string]bool, doubt bool) string {
	if x.alive {
		for _, f := range [][3]string{{"name", x.name, c.Name}, {"cidade", x.cidade, c.Fields["cidade"]}, {"bairro", x.bairro, c.Fields["bairro"]}} {
			if f[1] != "" && f[1] != f[2] || f[0] == "bairro" && x.clearBairro && f[1] != f[2] {
				return fmt.Sprintf("%s is %q instead of %q", f[0], f[2], f[1])
			}
		}
		if x.compras != "" && !contact.SameValue(contact.NumericField, x.compras, c.Fields["compras"]) {
			return fmt.Sprintf("compras is %q instead of %q", c.Fields["compras"], x.compras)
		}
	}
	if x.unsure {
		return ""
	}
	for _, name := range []string{"Clientes", "VIP", "Compradores"} {
		has, wanted := slices.Contains(c.Groups, name), x.labels[name]
		switch {
		case has && !wanted && !byHand[c.UUID+name] && !doubt:
			return "it has the label " + name
		case !has && wanted && c.Status == "active" && !x.out:
			return "it lacks the label " + name
		}
	}
	if out := slices.Contains(c.Groups, "Opt-out"); out != x.out && c.Status == "active" && (x.alive || x.out) && (x.out || !doubt) {
		return fmt.Sprintf("Opt-out is %v", out)
	}
	return ""
}

func (b *being) rowsOf(h int) string {
	var s strings.Builder
	for _, k := range []contact.Key{key("crm", h), key("crm", h+duplicate), key("loja", h)} {
		fmt.Fprintf(&s, "\n  %s %v", k, b.rows[k])
	}
	return s.String()
}

// story is what syncer knows, for whoever reads a failure.
func (b *being) story(h int) string {
	var s strings.Builder
	_ = b.Store.View(func(tx state.Tx) error {
		s.Reset()
		s.WriteString(strings.Join(b.notes, "\n") + "\n")
		for k, l := range state.Links.All(tx, nil, nil) {
			who, _ := state.Persons.Get(tx, k.Person)
			if h > 0 && !slices.ContainsFunc(who.Records, func(k contact.Key) bool { return human(k) == h }) {
				continue
			}
			fmt.Fprintf(&s, "person %d %v seq %d: %s due %d hold %q gone %v orphan %v fails %d waiting %+v left %v\n", k.Person, who.Records, who.Seq, l.Contact, l.Due, l.Hold, l.Gone, l.Orphan, l.Fails, l.Waiting, l.Left)
			for _, e := range state.History(tx, k.Person) {
				fmt.Fprintf(&s, "   %s %s %s %v\n", contact.FromMicros(e.At).Format("15:04:05.000"), e.What, e.Text, e.Steps)
			}
		}
		for id, c := range state.Consents.All(tx, nil, nil) {
			fmt.Fprintf(&s, "consent %s %v\n", id, c)
		}
		for k, r := range state.Records.All(tx, nil, nil) {
			fmt.Fprintf(&s, "record %s %+v\n", k, r.Parts)
		}
		return nil
	})
	return s.String()
}
