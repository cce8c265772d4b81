package contact_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"syncer/internal/contact"
)

func TestRecordKeysAsPeopleTypeThem(t *testing.T) {
	for text, want := range map[string]contact.Key{
		"crm/4821":   {Source: "crm", ID: "4821"},
		"crm/a/b":    {Source: "crm", ID: "a/b"},
		"loja/ x ":   {Source: "loja", ID: " x "},
		"crm/":       {},
		"/4821":      {},
		"4821":       {},
		"":           {},
		"crm/ção/12": {Source: "crm", ID: "ção/12"},
	} {
		got, err := contact.ParseKey(text)
		if got != want || (err != nil) != want.IsZero() {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
		if err == nil && got.String() != text {
			t.Errorf("%q renders as %q", text, got)
		}
	}
}

func TestKeysAreOrderedBySourceThenID(t *testing.T) {
	keys := []contact.Key{{"loja", "1"}, {"crm", "2"}, {"crm", "10"}, {"crm", "2"}}
	slices.SortFunc(keys, contact.Key.Compare)
	if want := []contact.Key{{"crm", "10"}, {"crm", "2"}, {"crm", "2"}, {"loja", "1"}}; !slices.Equal(keys, want) {
		t.Errorf("got %v", keys)
	}
}

func TestErrorsSayOperationMessageRequestAndCause(t *testing.T) {
	err := error(&contact.Error{Kind: contact.Unavailable, Op: "weni: update contact", Message: "it timed out", RequestID: "r-1", Err: io.ErrUnexpectedEOF})
	if got, want := err.Error(), "weni: update contact: it timed out (request r-1): unexpected EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	wrapped := errors.Join(errors.New("apply"), err)
	if contact.KindOf(wrapped) != contact.Unavailable || !errors.Is(contact.AsError(wrapped), err) {
		t.Error("the kind is lost in a wrapped error")
	}
	if got := contact.AsError(io.EOF); got.Kind != contact.Internal || !errors.Is(got, io.EOF) || contact.KindOf(io.EOF) != contact.Internal {
		t.Errorf("a foreign error became %+v", got)
	}
}
