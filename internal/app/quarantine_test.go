package app

import (
	"net/http"
	"strings"
	"testing"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// TestQuarantineIsReadAgain: a webhook that the mapping file could not read is read once the file is right.
//
// At first the quarantine could only be listed: what lay in it was lost, although it was all there.
func TestQuarantineIsReadAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.mappings = strings.Replace(stageFile, "at: data", "at: dados", 1)
	a := s.open()
	body := []byte(`{"tipo":"mudou","data":{"id":7,"nome":"Ana Lima","celular":"84 99000-0101","cidade":"Natal"}}`)
	for _, b := range [][]byte{body, []byte(`{"tipo":`)} {
		if err := a.Quarantine(t.Context(), "loja", b, http.Header{"Content-Type": {"application/json"}}, "there is no record in it"); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := a.RetryQuarantined(t.Context(), 1); err != nil || r.Left != 1 || r.Reason == "" {
		t.Fatalf("with the wrong file: %+v %v", r, err)
	}
	shown, err := a.QuarantineBody(t.Context(), 1, false)
	if err != nil || shown.Body != "" || shown.Bytes != len(body) {
		t.Errorf("%+v %v", shown, err)
	}
	if shown, err = a.QuarantineBody(t.Context(), 1, true); err != nil || shown.Body != string(body) {
		t.Errorf("%+v %v", shown, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}

	s.mappings = stageFile
	a = s.open()
	r, err := a.RetryQuarantined(t.Context(), 0)
	if err != nil || r.Read != 1 || r.Left != 1 {
		t.Fatalf("with the right file: %+v %v", r, err)
	}
	if contacts := s.weni.Contacts(); len(contacts) != 1 || contacts[0].Name != "Ana Lima" {
		t.Errorf("at Weni: %+v", contacts)
	}
	left, err := a.Quarantined(t.Context(), 0)
	if err != nil || len(left) != 1 || left[0].ID != 2 {
		t.Fatalf("left: %+v %v", left, err)
	}
	if _, err := a.RetryQuarantined(t.Context(), 1); err == nil {
		t.Error("one that is gone was read again")
	}
	if n, err := a.DropQuarantined(t.Context(), 2); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// TestQuarantineIsNoNews: what was kept does not stand over what came later.
func TestQuarantineIsNoNews(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a := s.open()
	before := contact.Micros(a.now()) - 60_000_000
	if err := a.store.Update(t.Context(), func(tx state.Tx) error {
		state.Isolate(tx, state.Quarantined{Source: "loja", At: before, Reason: "x", Body: []byte(`{"data":{"id":7,"nome":"Ana Velha","celular":"84 99000-0101"}}`),
			Header: map[string]string{"Content-Type": "application/json"}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	events, err := a.gen.Load().sources["loja"].Decode(http.Header{"Content-Type": {"application/json"}}, []byte(`{"data":{"id":7,"nome":"Ana Nova","celular":"84 99000-0101"}}`))
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	events[0].Version.Arrival = contact.Micros(a.now())
	if _, err := a.Accept(t.Context(), "loja", nil, events); err != nil {
		t.Fatal(err)
	}
	if r, err := a.RetryQuarantined(t.Context(), 0); err != nil || r.Read != 1 {
		t.Fatal(r, err)
	}
	if contacts := s.weni.Contacts(); len(contacts) != 1 || contacts[0].Name != "Ana Nova" {
		t.Errorf("at Weni: %+v", contacts)
	}
}
