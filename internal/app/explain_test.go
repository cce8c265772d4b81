package app

import (
	"strings"
	"testing"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// TestExplainOfSomebodyDropped: who is not there is not "as desired".
//
// At first a dropped dead letter left somebody without a contact of whom explain said `as desired`.
func TestExplainOfSomebodyDropped(t *testing.T) {
	t.Parallel()
	s := newStage(t, somebody(1, "Ana Lima", "84 99000-0101"))
	a := s.open()
	if _, err := a.Reconcile(t.Context(), console.RunAsk{Source: "loja", Kind: "full", Hold: true}); err != nil {
		t.Fatal(err)
	}
	key := state.LinkKey{Target: "weni"}
	if err := a.store.Update(t.Context(), func(tx state.Tx) error {
		rec, _ := state.Records.Get(tx, contact.Key{Source: "loja", ID: "1"})
		key.Person = rec.Parts[0].Person
		l, _ := state.Links.Get(tx, key)
		l.Hold, l.Waiting = "", &state.Waiting{Kind: contact.Invalid, Message: "fields.cidade: too long"}
		state.Links.Put(tx, key, l)
		state.Dead.Put(tx, key, state.DeadLetter{Target: "weni", Person: key.Person, Kind: contact.Invalid, Message: "fields.cidade: too long"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	at := func() string {
		t.Helper()
		x, err := a.Explain(t.Context(), "loja/1", false)
		if err != nil || len(x.Targets) != 1 {
			t.Fatalf("%+v %v", x, err)
		}
		return x.Targets[0].State
	}
	if got := at(); got != "no contact there; waiting: fields.cidade: too long" {
		t.Errorf("as a dead letter: %s", got)
	}
	if n, err := a.DropDead(t.Context(), console.DeadFilter{Target: "weni"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if got := at(); !strings.HasPrefix(got, "no contact there; its delivery failed and was dropped by hand") {
		t.Errorf("dropped: %s", got)
	}
}

// TestExplainNamesTheMapping behind each line, and the zone whose time is told.
func TestExplainNamesTheMapping(t *testing.T) {
	t.Parallel()
	s := newStage(t, somebody(1, "Ana Lima", "84 99000-0101"))
	s.language = "pt"
	second := strings.Replace(stageFile[strings.Index(stageFile, "  - name:"):], "clientes", "avisos", 1)
	s.mappings = stageFile + strings.Replace(second, "labels: [Clientes]", "labels: [Avisos]", 1) + "    only: {weni: {fields: {origem: loja}}}\n"
	a := s.open()
	s.read(a)
	x, err := a.Explain(t.Context(), "loja/1", true)
	if err != nil || len(x.Records) != 1 {
		t.Fatal(x, err)
	}
	by := map[string]string{}
	for _, said := range x.Records[0].Says {
		by[said.Attr] += said.Mapping + "=" + said.New + " " + said.Target
	}
	for attr, want := range map[string]string{"labels.Clientes": "clientes=sim ", "labels.Avisos": "avisos=sim ", "fields.origem": "avisos=loja weni",
		"name": "clientes=Ana Lima avisos=Ana Lima "} {
		if by[attr] != want {
			t.Errorf("%s is said by %q, want %q", attr, by[attr], want)
		}
	}
	if x.Zone != "America/Sao_Paulo" || x.Targets[0].State != "como desejado" || x.Records[0].State != "vivo" {
		t.Errorf("%+v", x)
	}
}
