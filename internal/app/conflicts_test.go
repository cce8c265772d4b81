package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/reconcile"
	"syncer/internal/state"
)

// read has the shop read and what differs written, whatever it is.
func (s *stage) read(a *App) {
	s.t.Helper()
	run, err := a.Reconcile(s.t.Context(), console.RunAsk{Source: "loja", Kind: reconcile.Full, Yes: true})
	if err != nil {
		s.t.Fatal(err)
	}
	if run.Err != "" {
		s.t.Fatal(run.Err)
	}
}

// shared are two people of one number.
func shared() []map[string]any {
	return []map[string]any{somebody(1, "Ana Lima", "84 99000-0101"), somebody(2, "Rui Melo", "84 99000-0101")}
}

func (s *stage) conflicts(a *App) []console.Conflict {
	s.t.Helper()
	list, err := a.Conflicts(s.t.Context(), true)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

func (s *stage) theConflict(a *App) console.Conflict {
	s.t.Helper()
	list := s.conflicts(a)
	if len(list) == 0 {
		s.t.Fatal("there is no conflict")
	}
	return list[0]
}

// again is the next command.
func (s *stage) again(a *App) *App {
	s.t.Helper()
	if err := a.Close(); err != nil {
		s.t.Fatal(err)
	}
	return s.open()
}

// TestResolveSaysWhatStands: a conflict whose cause is still there is not called settled.
//
// At first `conflicts resolve` said that it was settled, and two seconds later it was listed again, as new.
func TestResolveSaysWhatStands(t *testing.T) {
	t.Parallel()
	s := newStage(t, shared()...)
	a := s.open()
	s.read(a)
	c := s.theConflict(a)
	if len(c.Records) != 2 || c.Records[0] == c.Records[1] {
		t.Errorf("its records are %v", c.Records)
	}
	a = s.again(a)
	r, err := a.ResolveConflict(t.Context(), c.ID)
	if err != nil || r.State != console.Standing || !strings.HasPrefix(r.Message, "the cause still stands: ") {
		t.Fatalf("%+v %v", r, err)
	}
	if again := s.theConflict(a); again.ID != c.ID || again.At != c.At {
		t.Errorf("it was %+v and is %+v", c, again)
	}

	s.records.Store([]map[string]any{somebody(1, "Ana Lima", "84 99000-0101"), somebody(2, "Rui Melo", "84 99000-0102")})
	if err := a.store.Update(t.Context(), func(tx state.Tx) error { // as if the correction had not been noticed
		state.Conflicts.Put(tx, c.ID, c.Conflict)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	a = s.again(a)
	s.read(a)
	a = s.again(a)
	for _, c := range s.conflicts(a) {
		if r, err := a.ResolveConflict(t.Context(), c.ID); err != nil || r.State != console.Settled {
			t.Errorf("%+v %v", r, err)
		}
		a = s.again(a)
	}
	if n := len(s.weni.Contacts()); n != 2 {
		t.Errorf("%d contacts", n)
	}
	if _, err := a.ResolveConflict(t.Context(), "no/such"); err == nil || !strings.Contains(err.Error(), "conflicts list") {
		t.Error(err)
	}
}

// TestResolveInADaemon waits for the daemon to look again before it says anything.
func TestResolveInADaemon(t *testing.T) {
	t.Parallel()
	s := newStage(t, shared()...)
	s.language = "pt"
	a, err := New(t.Context(), s.served())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for !a.serving.Load() {
		time.Sleep(time.Millisecond)
	}
	s.read(a)
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if list, err := a.Conflicts(t.Context(), true); err == nil && len(list) > 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("no conflict was listed")
		}
	}
	r, err := a.ResolveConflict(t.Context(), s.theConflict(a).ID)
	if err != nil || r.State != console.Standing || !strings.HasPrefix(r.Message, "a causa permanece: registros de nomes diferentes") {
		t.Errorf("%+v %v", r, err)
	}
}

// TestSharedPhoneIsNotAdvised where it is set already, and nobody is named twice by two mappings of one record.
//
// At first the advice was always "or set shared_phone", and the records were "loja/1, loja/1".
func TestSharedPhoneIsNotAdvised(t *testing.T) {
	t.Parallel()
	s := newStage(t, shared()...)
	second := strings.Replace(stageFile[strings.Index(stageFile, "  - name:"):], "clientes", "avisos", 1)
	s.mappings = strings.Replace(stageFile+second, "    contact:", "    shared_phone: first\n    contact:", 2)
	a := s.open()
	s.read(a)
	c := s.theConflict(a)
	silent(t, c.Message, "or set shared_phone")
	says(t, c.Message, "(shared_phone: first)")
	if got := slices.Compact(slices.SortedFunc(slices.Values(c.Records), contact.Key.Compare)); len(got) != len(c.Records) {
		t.Errorf("its records are %v", c.Records)
	}
}
