package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"syncer/internal/console"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/state"
)

// await waits for a run, named by the beginning of its id, to reach a state.
func (s *stage) await(ctx context.Context, id string, ok func(string) bool) (state.Run, error) {
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); pause(ctx, 100*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return state.Run{}, err
		}
		runs, err := s.app.Runs(ctx, 0)
		if err != nil {
			return state.Run{}, err
		}
		for _, r := range runs {
			if strings.HasPrefix(r.ID, id) && ok(r.State) {
				return r, nil
			}
			if strings.HasPrefix(r.ID, id) && r.State == engine.RunFailed {
				return r, fmt.Errorf("run %s failed: %s", r.ID, r.Err)
			}
		}
	}
	return state.Run{}, fmt.Errorf("run %s did not come so far", id)
}

// reconcile runs a full reconciliation to its end.
func (s *stage) reconcile(ctx context.Context) (state.Run, error) {
	run, err := s.app.Reconcile(ctx, console.RunAsk{Source: "crm", Kind: reconcile.Full, Yes: true})
	if err != nil {
		return run, err
	}
	return s.await(ctx, run.ID, func(st string) bool { return st == engine.RunReleased || st == engine.RunDone })
}

func (s *stage) released(run state.Run) (n int) {
	for _, p := range run.Plan {
		n += p.People
	}
	return n
}

// settle waits until nothing is due any more.
func (s *stage) settle(ctx context.Context) error {
	calm := 0
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); pause(ctx, 100*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		st, err := s.app.Status(ctx)
		if err != nil {
			return err
		}
		left := st.Mapless
		for _, t := range st.Targets {
			for _, n := range t.Due {
				left += n
			}
		}
		if left > 0 {
			calm = 0
		} else if calm++; calm == 5 {
			return nil
		}
	}
	st, err := s.app.Status(ctx)
	if err != nil {
		return err
	}
	for _, t := range st.Targets {
		s.say("%s: %s, due %v, waiting %v", "%s: %s, na fila %v, aguardando %v", t.Name, t.Doing, t.Due, t.Waiting)
	}
	return fmt.Errorf("work is still waiting after 90 s")
}

// number is the mobile of a person as the demo itself reads it, digits with country code; empty when none.
func number(p pipedrive.Person) string {
	for _, row := range p.Phones {
		d := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, row.Value)
		d = strings.TrimPrefix(d, "55")
		if len(d) == 11 && d[2] == '9' {
			return "55" + d
		}
	}
	return ""
}

func without9(n string) string { return n[:4] + n[5:] }

// want is what one person should look like.
type want struct {
	name   string
	city   string
	orders string
	labels []string
}

// desired is what the CRM and the shop together say, worked out without syncer.
func (s *stage) desired() map[string]want {
	out := map[string]want{}
	for _, b := range s.loja {
		out[strings.TrimPrefix(b.Celular, "+")] = want{name: b.Nome, orders: fmt.Sprint(b.Pedidos), labels: []string{"Compradores"}}
	}
	for _, p := range s.crm.Persons() {
		n := number(p)
		if n == "" {
			continue
		}
		w := out[n]
		w.name = p.Name
		w.city, _ = p.Custom[pipedrive.City].(string)
		w.labels = append(w.labels, "Clientes", map[bool]string{true: "Varejo", false: "Atacado"}[p.Custom[pipedrive.Segment] == 41])
		if slices.Contains(p.LabelIDs, pipedrive.VIP) {
			w.labels = append(w.labels, "VIP")
		}
		slices.Sort(w.labels)
		out[n] = w
	}
	return out
}

var managed = []string{"Clientes", "VIP", "Varejo", "Atacado", "Compradores", "Opt-out"}

func ours(labels []string) (out []string) {
	for _, l := range labels {
		if slices.Contains(managed, l) {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return out
}

// wrong reads every target back and lists what is not as desired.
func (s *stage) wrong() (out []string) {
	desired := s.desired()
	s.checked = map[string]int{}
	complain := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	seen := map[string]int{}
	for _, c := range s.weni.Contacts() {
		n := ""
		for _, u := range c.URNs {
			n = canonical(strings.TrimPrefix(u, "whatsapp:"))
		}
		w, known := desired[n]
		if !known {
			if l := ours(c.Groups); len(l) > 0 {
				complain("weni: %s has %v and nobody stands for it", c.UUID, l)
			}
			continue
		}
		if seen[n]++; seen[n] > 1 {
			complain("weni: %s is a second contact of one person", c.UUID)
		}
		if c.Name != w.name || c.Fields["cidade"] != w.city || c.Fields["ultimo_pedido"] != w.orders || !slices.Equal(ours(c.Groups), w.labels) {
			complain("weni: %s is %q %q %q %v, should be %q %q %q %v", c.UUID, c.Name, c.Fields["cidade"], c.Fields["ultimo_pedido"], ours(c.Groups), w.name, w.city, w.orders, w.labels)
		}
		if c.UUID == s.byHand && !slices.Contains(c.Groups, "Da equipe") {
			complain("weni: the group an agent gave was taken")
		}
		if n == canonical(number(pipedrive.Invent(1))) && c.UUID != s.twin {
			complain("weni: the contact that was there without the ninth digit was not used")
		}
	}
	omni := map[string]int{}
	for _, c := range s.omni.Contacts() {
		n := canonical(c.ContactIdentifier)
		w, known := desired[n]
		if !known {
			if l := ours(c.Tags); len(l) > 0 {
				complain("omnichannel: %s has %v and nobody stands for it", c.ID, l)
			}
			continue
		}
		omni[n]++
		if c.CustomName != w.name || !slices.Equal(ours(c.Tags), w.labels) {
			complain("omnichannel: %s is %q %v, should be %q %v", c.ID, c.CustomName, ours(c.Tags), w.name, w.labels)
		}
	}
	flow := map[string]int{}
	for _, c := range s.flow.Contacts() {
		flow[canonical(strings.TrimPrefix(c.PhoneNumber, "+"))]++
	}
	for n := range desired {
		for name, counts := range map[string]map[string]int{"weni": seen, "atendimento": omni, "omniflow": flow} {
			switch counts[n] {
			case 0:
				complain("%s: a person of the CRM is missing", name)
			case 1:
				s.checked[name]++
			default:
				complain("%s: a person is there %d times", name, counts[n])
			}
		}
	}
	return out
}

// canonical puts the ninth digit into a Brazilian mobile that lacks it.
func canonical(n string) string {
	if strings.HasPrefix(n, "55") && len(n) == 12 && n[4] >= '6' {
		return n[:4] + "9" + n[4:]
	}
	return n
}

// written counts the calls that changed something at a target.
func (s *stage) written() int {
	n := 0
	for _, c := range []*sandbox.Control{s.weni.Control, s.omni.Control, s.flow.Control} {
		n += c.Calls().Count(func(c sandbox.Call) bool { return c.Method != "GET" && c.Status < 300 })
	}
	return n
}

// summary prints what happened, in numbers.
func (s *stage) summary() {
	st, err := s.app.Status(context.Background())
	if err != nil {
		s.say("%v", "%v", err)
		return
	}
	sent, w := s.crm.Counters(), s.words
	t := table.NewWriter()
	t.SetOutputMirror(s.o.Out)
	t.AppendHeader(table.Row{w.Say("events", "eventos"), ""})
	events := map[string]int{}
	for _, src := range st.Sources {
		for k, n := range src.Events {
			events[k] += n
		}
	}
	t.AppendRows([]table.Row{
		{w.Say("sent by the CRM", "enviados pelo CRM"), sent.Events}, {w.Say("  retried", "  repetidos"), sent.Retried}, {w.Say("  sent twice", "  enviados duas vezes"), sent.Duplicates}, {w.Say("  lost on the way", "  perdidos no caminho"), sent.Lost},
		{w.Say("sent by the shop", "enviados pela loja"), s.bought},
		{w.Say("accepted, of both", "aceitos, de ambos"), events["accepted"]}, {w.Say("duplicates recognised", "repetidos reconhecidos"), events["duplicate"]}, {w.Say("stale, dropped", "desatualizados, descartados"), events["stale"]},
		{w.Say("forged, refused", "forjados, recusados"), s.forged},
		{w.Say("differences before the reconciliation", "diferenças antes da reconciliação"), s.repairs},
		{w.Say("writes of a reconciliation right after", "escritas de uma reconciliação logo depois"), s.writes},
	})
	t.Render()
	t = table.NewWriter()
	t.SetOutputMirror(s.o.Out)
	t.AppendHeader(table.Row{w.Say("target", "destino"), w.Say("contacts verified", "contatos verificados"), w.Say("deliveries written", "entregas escritas"),
		w.Say("unchanged", "sem mudança"), w.Say("waiting", "aguardam"), w.Say("calls by scope", "chamadas por escopo")})
	for _, target := range st.Targets {
		t.AppendRow(table.Row{target.Name, s.checked[target.Name], target.Delivered["written"], target.Delivered["unchanged"], target.Waiting["no_address"], s.calls(target.Name)})
	}
	t.Render()
	s.say("done in %.0f s", "pronto em %.0f s", time.Since(s.began).Seconds())
}

func (s *stage) calls(target string) string {
	control := map[string]*sandbox.Control{"weni": s.weni.Control, "atendimento": s.omni.Control, "omniflow": s.flow.Control}[target]
	sums := map[string]int{}
	for _, c := range control.Calls() {
		sums[c.Scope] += c.Count
	}
	var parts []string
	for scope, n := range sums {
		parts = append(parts, fmt.Sprintf("%s %d", scope, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
