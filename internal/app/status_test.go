package app

import (
	"strings"
	"testing"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/state"
)

// TestStatusWithoutADaemon: who asks while nothing runs must see that first.
//
// At first a target was "delivering to 1 people, done about now" although no daemon ran, and `reload` said that the
// mapping file was in use.
func TestStatusWithoutADaemon(t *testing.T) {
	t.Parallel()
	s := newStage(t, somebody(1, "Ana Lima", "84 99000-0101"))
	a := s.open()
	events, err := a.gen.Load().sources["loja"].Decode(nil, []byte(`{"data":{"id":1,"nome":"Ana Lima","celular":"84 99000-0101"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Accept(t.Context(), "loja", nil, events); err != nil {
		t.Fatal(err)
	}
	st, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Attention) == 0 || !strings.HasPrefix(st.Attention[0], "no daemon runs: ") || st.Targets[0].Doing != "stands still: no daemon runs" || st.Zone != "America/Sao_Paulo" {
		t.Errorf("%+v", st)
	}
	r, err := a.Reload(t.Context())
	if err != nil || !strings.HasPrefix(r.Message, "no daemon runs") || r.Changed {
		t.Errorf("%+v %v", r, err)
	}
}

// TestStatusOfALostState: before anything is written from a new state, somebody who lost an earlier one can still bring
// back what cannot be found again.
func TestStatusOfALostState(t *testing.T) {
	t.Parallel()
	s := newStage(t, somebody(1, "Ana Lima", "84 99000-0101"))
	plan := func() string {
		t.Helper()
		a := s.open()
		defer a.Close()
		if _, err := a.Reconcile(t.Context(), console.RunAsk{Source: "loja", Kind: "full", Hold: true}); err != nil {
			t.Fatal(err)
		}
		st, err := a.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(st.Attention, "\n")
	}
	silent(t, plan(), "syncer import")
	other := newStage(t, somebody(1, "Ana Lima", "84 99000-0101"))
	if _, err := other.weni.Seed(3); err != nil {
		t.Fatal(err)
	}
	s = other
	says(t, plan(), "nothing was ever written from this state, and the targets have 3 contacts", "who was erased, who refused messages", "run `syncer import EXPORT` before you apply the first run")
	a := s.open()
	if _, err := a.Reconcile(t.Context(), console.RunAsk{Source: "loja", Kind: "full", Yes: true}); err != nil {
		t.Fatal(err)
	}
	st, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	silent(t, strings.Join(st.Attention, "\n"), "syncer import")
}

// TestAttentionCounts says one person and two people, in both languages, and moments in the zone of the mapping file.
func TestAttentionCounts(t *testing.T) {
	zone := time.FixedZone("BRT", -3*3600)
	now := time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC)
	st := &console.Status{Started: now, Conflicts: 1, Sources: []console.SourceStatus{{Name: "loja", Quarantined: 1}},
		Runs:    []state.Run{{ID: "loja-full-1", State: "held", Held: 1, Why: "it is the first run of this source"}, {ID: "loja-full-2", Source: "loja", Missing: 1}},
		Targets: []console.TargetStatus{{Name: "weni", Linked: 1, Dead: 1, Oldest: now.Add(-2 * time.Hour), Values: []console.LeftValue{{Attr: "cidade", People: 1, Example: "loja/1"}}}}}
	en := strings.Join(attention(st, console.WordsFor("en").In(zone), now), "\n")
	says(t, en, "holds 1 person back (it is the first run", "although 1 is known", "weni: 1 dead letter: look", "since 2026-03-01 10:00:00 BRT", "cidade of 1 person", "1 conflict: look", "loja: 1 webhook could not be read: look", "quarantine retry --all")
	silent(t, en, "1 people", "1 conflicts", "1 dead letters", "1 webhooks", "no daemon")
	pt := strings.Join(attention(st, console.WordsFor("pt_BR").In(zone), now), "\n")
	says(t, pt, "retém 1 pessoa (é a primeira execução desta fonte)", "embora 1 seja conhecido", "weni: 1 entrega não feita: veja", "desde 01/03/2026 10:00:00 BRT", "cidade de 1 pessoa", "1 conflito: veja", "loja: 1 webhook não pôde ser lido: veja")
	st.Conflicts, st.Runs[0].Held, st.Targets[0].Dead, st.Sources[0].Quarantined = 2, 2, 2, 2
	says(t, strings.Join(attention(st, console.WordsFor("pt_BR").In(zone), now), "\n"), "retém 2 pessoas", "2 entregas não feitas", "2 conflitos", "2 webhooks não puderam ser lidos")
}

// TestDoingInWords: what a target is doing is said in the daemon's language, of one and of many.
func TestDoingInWords(t *testing.T) {
	now := time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		t      console.TargetStatus
		total  int
		again  retries
		en, pt string
	}{
		{console.TargetStatus{}, 0, retries{}, "nothing to do", "nada a fazer"},
		{console.TargetStatus{Held: 1}, 0, retries{}, "1 person is held back, see runs", "1 pessoa está retida, veja as execuções"},
		{console.TargetStatus{Paused: &state.Paused{Why: byHand}}, 0, retries{}, "paused by hand", "pausado à mão"},
		{console.TargetStatus{Paused: &state.Paused{Why: "férias"}}, 0, retries{}, "paused by hand: férias", "pausado à mão: férias"},
		{console.TargetStatus{Paused: &state.Paused{How: contact.Auth, Why: "it refuses the credentials (HTTP 401)"}}, 0, retries{}, "paused: it refuses the credentials (HTTP 401)", "pausado: recusa as credenciais (HTTP 401)"},
	} {
		for lang, want := range map[string]string{"en": c.en, "pt": c.pt} {
			v := view{Words: console.WordsFor(lang), now: now}
			if got := v.doing(&c.t, engine.Status{}, nil, c.total, c.again); got != want {
				t.Errorf("%s: %q, want %q", lang, got, want)
			}
		}
	}
}
