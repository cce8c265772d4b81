package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/state"
)

const carefulMapping = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo}
sources:
  crm: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", create_missing: true}
mappings:
  - name: clientes
    from: crm
    to: weni
    when: record.ativo
    contact:
      name: =record.nome
      phones: =record.fone
      labels: [Clientes, {label: VIP, when: record.vip}]
      fields: {cidade: {value: =record.cidade, blank: clear}}
`

// reload puts another mapping file in use, as the daemon does: what it changes is computed and held.
func (h *hours) reload(text string) state.Run {
	h.t.Helper()
	h.must(h.Stop())
	h.must(h.Remap(text))
	h.must(h.Start())
	run, err := h.Runner.Run(context.Background(), reconcile.Ask{Kind: reconcile.Mapping})
	h.must(err)
	h.must(h.Settle(time.Minute))
	return run
}

// TestReloadWithMistakes: somebody edits the mapping file and gets it wrong: a condition that holds for nobody, a field
// that the source calls something else. Nothing may be cleared or taken away before somebody has looked.
func TestReloadWithMistakes(t *testing.T) {
	wrongWhen := strings.Replace(carefulMapping, "when: record.ativo", `when: record.cidade == "natal"`, 1)
	renamed := strings.NewReplacer("=record.cidade", "=record.municipio", "=record.fone", "=record.telefone", "record.vip", "record.especial").Replace(carefulMapping)
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: carefulMapping, Guard: engine.Guard{AtLeast: 10, Percent: 20, DeletesPercent: 5}}, func(h *hours) {
		const n = 100
		for i := 1; i <= n; i++ {
			r := somebody(i)
			r["ativo"], r["vip"] = true, i%2 == 0
			h.Books["crm"].Put(i, r)
		}
		h.linkAll()
		h.Calls()
		intact := func(what string, but ...int) {
			h.t.Helper()
			for i := 1; i <= n; i++ {
				want := []string{"Clientes"}
				if i%2 == 0 {
					want = append(want, "VIP")
				}
				c, _ := h.Weni.Contact(number(i))
				slices.Sort(c.Groups)
				if !slices.Contains(but, i) && (c.Fields["cidade"] != "Natal" || !slices.Equal(c.Groups, want) || len(c.URNs) != 1) {
					t.Fatalf("%s: contact %d: %+v", what, i, c)
				}
			}
		}

		run := h.reload(wrongWhen)
		if p := run.Plan["weni"]; run.State != engine.RunHeld || run.Held != n || p.Unlabels != n || p.Clears != 0 {
			t.Errorf("wrong when: %+v", run)
		}
		if !strings.Contains(run.Why, "the mapping file changed") || !strings.Contains(run.Why, "100 people would be taken a label from") {
			t.Errorf("the plan says %q", run.Why)
		}
		if c := h.Calls(); c.Writes+c.Labels > 0 {
			t.Errorf("wrong when: %+v", c)
		}
		// Runs by the clock go on meanwhile, and change nothing of it.
		time.Sleep(time.Hour)
		for _, kind := range []string{reconcile.Changes, reconcile.Full} {
			_, err := h.Runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: kind})
			h.must(err)
		}
		h.must(h.Settle(time.Minute))
		intact("wrong when, an hour later")
		// A webhook speaks of one person, and for them the file counts; of many it does not get past the guard.
		for i := 1; i <= n; i++ {
			_, err := h.Send(state.LaneLive, h.Books["crm"].Edit(i, func(r lab.Row) { r["obs"] = i }))
			h.must(err)
		}
		h.must(h.Settle(time.Minute))
		var lost []int
		for i := 1; i <= n; i++ {
			if c, _ := h.Weni.Contact(number(i)); len(c.Groups) == 0 {
				lost = append(lost, i)
			}
		}
		if len(lost) == 0 || len(lost) > 20 {
			t.Errorf("%d people lost their labels by webhooks; the guard lets 20 of 100 pass", len(lost))
		}
		// The file is put right: what was held is nothing any more, and what was lost comes back.
		time.Sleep(2 * time.Hour)
		run = h.reload(carefulMapping)
		if len(run.Plan) > 0 && run.Plan["weni"].People != len(lost) {
			t.Errorf("after the correction: %+v", run)
		}
		if run.State == engine.RunHeld {
			_, err := h.Runner.Apply(context.Background(), run.ID, nil, 0)
			h.must(err)
		}
		h.must(h.Settle(time.Minute))
		intact("after the correction")

		// A condition over a field that no record has is no answer: it is reported for everybody, and nobody is touched.
		h.Calls()
		run = h.reload(strings.Replace(carefulMapping, "when: record.ativo", `when: record.situacao == "ativo"`, 1))
		if c := h.Calls(); c.Writes+c.Labels > 0 || run.Plan["weni"].Waiting["invalid"] != n {
			t.Errorf("a condition over nothing: %+v, %+v", run, c)
		}
		intact("a condition over nothing")

		h.Calls()
		run = h.reload(renamed)
		if p := run.Plan["weni"]; p.Clears+p.Unlabels+p.Deletes > 0 {
			t.Errorf("renamed fields: %+v", run)
		}
		time.Sleep(time.Hour)
		_, err := h.Runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Full})
		h.must(err)
		for i := 1; i <= n; i++ {
			_, err := h.Send(state.LaneLive, h.Books["crm"].Edit(i, func(r lab.Row) { r["obs"] = -i }))
			h.must(err)
		}
		h.must(h.Settle(time.Minute))
		if c := h.Calls(); c.Writes+c.Labels > 0 {
			t.Errorf("renamed fields: %+v", c)
		}
		intact("renamed fields")
	})
}
