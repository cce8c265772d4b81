package weni_test

import (
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
)

const (
	getAna  = "GET contacts.json?uuid=" + ana
	postAna = "POST contacts.json?uuid=" + ana
	askNew  = "GET contacts.json?urn=whatsapp%3A5584993200022"
	askSame = "GET contacts.json?after=2026-11-20T11%3A45%3A14.574733Z&before=2026-11-20T11%3A45%3A14.574733Z"
)

func moving(drop ...contact.URN) *contact.Change {
	return &contact.Change{AddURNs: []contact.URN{"whatsapp:5584993200022"}, DropURNs: drop}
}

func move(t *testing.T, c *contact.Change, steps ...step) (*rig, contact.Observed, error) {
	t.Helper()
	r := newRig(t, mapping.Target{}, steps...)
	o, err := r.Update(t.Context(), &contact.Observed{ID: ana, URNs: []contact.URN{"whatsapp:5584993100011"}}, c)
	return r, o, err
}

// The new address goes first; what WhatsApp taught since the mirror was read stays, with its display and in its
// order; only what syncer itself added is dropped.
func TestPhoneChange(t *testing.T) {
	c := moving("whatsapp:5584993100011")
	c.Fields = map[string]string{"cidade": "Natal"}
	_, o, err := move(t, c,
		step{request: askNew, answer: page()},
		step{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011","whatsapp:558493100011","telegram:123#ana"`))},
		step{request: postAna, body: `{"fields":{"cidade":"Natal"},"urns":["whatsapp:5584993200022","whatsapp:558493100011","telegram:123#ana"]}`,
			answer: row(ana, `"whatsapp:5584993200022","whatsapp:558493100011","telegram:123#ana"`)},
		step{request: askSame, answer: page(row(ana, `"whatsapp:5584993200022"`))})
	if err != nil || len(o.URNs) != 3 {
		t.Error(o, err)
	}
}

func TestPhoneChangeConflict(t *testing.T) {
	_, _, err := move(t, moving(), step{request: askNew, answer: page(row(bia, `"whatsapp:5584993200022"`))})
	if e := asError(t, err); e.Kind != contact.Conflict || len(e.Names) != 1 || e.Names[0] != bia {
		t.Errorf("%+v", e)
	}
}

// WhatsApp taught the number in its other form meanwhile: it moves to the front as it is, and no twin is added.
func TestPhoneChangeAlreadyTaught(t *testing.T) {
	_, _, err := move(t, moving(),
		step{request: askNew, answer: page()},
		step{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011","whatsapp:558493200022"`))},
		step{request: postAna, body: `{"urns":["whatsapp:558493200022","whatsapp:5584993100011"]}`,
			answer: row(ana, `"whatsapp:558493200022","whatsapp:5584993100011"`)})
	if err != nil {
		t.Error(err)
	}
	// In its place already: nothing is written, since even the same list moves modified_on.
	_, o, err := move(t, moving(),
		step{request: askNew, answer: page(row(ana, `"whatsapp:5584993200022","tel:+551133334444"`))},
		step{request: getAna, answer: page(row(ana, `"whatsapp:5584993200022","tel:+551133334444"`))})
	if err != nil || len(o.URNs) != 2 {
		t.Error(o, err)
	}
	c := moving()
	c.Name = new("Ana")
	_, _, err = move(t, c,
		step{request: askNew, answer: page(row(ana, `"whatsapp:5584993200022"`))},
		step{request: getAna, answer: page(row(ana, `"whatsapp:5584993200022"`))},
		step{request: postAna, body: `{"name":"Ana"}`, answer: row(ana, `"whatsapp:5584993200022"`)})
	if err != nil {
		t.Error(err)
	}
}

func TestPhoneChangeOfAGoneContact(t *testing.T) {
	_, _, err := move(t, moving(), step{request: askNew, answer: page()}, step{request: getAna, answer: page()})
	if contact.KindOf(err) != contact.Gone {
		t.Error(err)
	}
}

// A list made from an old copy would drop what the contact has got since.
func TestPhoneChangeBehind(t *testing.T) {
	r := newRig(t, mapping.Target{}, step{request: askNew, answer: page()}, step{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011"`))})
	_, err := r.Update(t.Context(), &contact.Observed{ID: ana, Modified: start}, moving())
	if e := asError(t, err); e.Kind != contact.Unready || !e.Until.After(start) {
		t.Error(e)
	}
}

// Weni drops an address of a kind that its engine does not know when a list that holds it is posted.
func TestPhoneChangeWouldLoseAnAddress(t *testing.T) {
	_, _, err := move(t, moving(), step{request: askNew, answer: page()},
		step{request: getAna, answer: page(row(ana, `"weniwebchat:1234@5678","whatsapp:5584993100011"`))})
	if e := asError(t, err); e.Kind != contact.Invalid || !strings.Contains(e.Message, "weniwebchat") || strings.Contains(e.Message, "1234") {
		t.Error(e)
	}
}

// Another writer's list was in the answer: what vanished is put back once, behind what is there now, unless
// somebody else owns it.
func TestPhoneChangePutsBack(t *testing.T) {
	_, o, err := move(t, moving(),
		step{request: askNew, answer: page()},
		step{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011","telegram:123","ext:crm-1"`))},
		step{request: postAna, body: `{"urns":["whatsapp:5584993200022","whatsapp:5584993100011","telegram:123","ext:crm-1"]}`,
			answer: row(ana, `"whatsapp:5584993100011","tel:+551133334444"`)},
		step{request: askNew, answer: page()},
		step{request: "GET contacts.json?urn=telegram%3A123", answer: page()},
		step{request: "GET contacts.json?urn=ext%3Acrm-1", answer: page(row(bia, `"ext:crm-1"`))},
		step{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011","tel:+551133334444"`))},
		step{request: postAna, body: `{"urns":["whatsapp:5584993200022","whatsapp:5584993100011","tel:+551133334444","telegram:123"]}`,
			answer: row(ana, `"whatsapp:5584993200022","whatsapp:5584993100011","tel:+551133334444","telegram:123"`)},
		step{request: askSame, answer: page(row(ana, ``))})
	if err != nil || len(o.URNs) != 4 {
		t.Error(o, err)
	}
}

// Newer engines do not take an address from another contact: they answer 200 without it.
func TestPhoneChangeSkippedByTheEngine(t *testing.T) {
	_, _, err := move(t, moving(),
		step{request: askNew, answer: page()},
		step{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011"`))},
		step{request: postAna, body: `{"urns":["whatsapp:5584993200022","whatsapp:5584993100011"]}`, answer: row(ana, `"whatsapp:5584993100011"`)},
		step{request: askNew, answer: page(row(bia, `"whatsapp:5584993200022"`))})
	if e := asError(t, err); e.Kind != contact.Conflict || e.Names[0] != bia {
		t.Error(e)
	}
	// It is nobody's and still not taken: an end, not a loop.
	once := []step{
		{request: askNew, answer: page()},
		{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011"`))},
		{request: postAna, body: `{"urns":["whatsapp:5584993200022","whatsapp:5584993100011"]}`, answer: row(ana, `"whatsapp:5584993100011"`)},
	}
	_, _, err = move(t, moving(), append(once, once...)...)
	if e := asError(t, err); e.Kind != contact.Invalid || e.Names[0] != ana {
		t.Error(e)
	}
}

// Somebody wrote to the new number's owner-to-be between the look-up and the write. Weni then takes the number
// from the contact that the message made, and stamps both with one instant.
func TestPhoneChangeGivesBack(t *testing.T) {
	stolen := func(created string) []step {
		loser := strings.Replace(row(bia, ``), "2026-11-20T11:44:36.308108Z", created, 1)
		return []step{
			{request: askNew, answer: page()},
			{request: getAna, answer: page(row(ana, `"whatsapp:5584993100011"`))},
			{request: postAna, body: `{"urns":["whatsapp:5584993200022"]}`, answer: row(ana, `"whatsapp:5584993200022"`)},
			{request: askSame, answer: page(row(ana, `"whatsapp:5584993200022"`), loser)},
			{request: postAna, body: `{"urns":["whatsapp:5584993100011"]}`, answer: row(ana, `"whatsapp:5584993100011"`)},
		}
	}
	young := append(stolen("2026-11-20T11:45:14.574733Z"),
		step{request: "POST contacts.json?uuid=" + bia, body: `{"urns":["whatsapp:5584993200022"]}`, answer: row(bia, `"whatsapp:5584993200022"`)})
	r, _, err := move(t, moving("whatsapp:5584993100011"), young...)
	if e := asError(t, err); e.Kind != contact.Conflict || e.Names[0] != bia || !strings.Contains(e.Message, "undone") {
		t.Error(e)
	}
	leaks(t, err, r.logs.String())
	// What cannot be undone is said, not lost.
	failed := append(stolen("2026-11-20T11:45:14.574733Z"), step{request: "POST contacts.json?uuid=" + bia, body: `{"urns":["whatsapp:5584993200022"]}`, status: 502})
	_, _, err = move(t, moving("whatsapp:5584993100011"), failed...)
	if e := asError(t, err); e.Kind != contact.Conflict || e.Names[0] != bia || !strings.Contains(e.Message, "failed (unavailable)") {
		t.Error(e)
	}
	// An older contact may have got another of the addresses: it is named, not written.
	_, _, err = move(t, moving("whatsapp:5584993100011"), stolen("2026-11-19T00:00:00Z")...)
	if e := asError(t, err); e.Kind != contact.Conflict || e.Names[0] != bia || !strings.Contains(e.Message, "cannot be told") {
		t.Error(e)
	}
}

// The write has been made: a check that fails is logged and no error.
func TestPhoneChangeUnchecked(t *testing.T) {
	r, o, err := move(t, moving(),
		step{request: askNew, answer: page()},
		step{request: getAna, answer: page(row(ana, ``))},
		step{request: postAna, body: `{"urns":["whatsapp:5584993200022"]}`, answer: row(ana, `"whatsapp:5584993200022"`)},
		step{request: askSame, status: 429, answer: `{"detail":"Request was throttled."}`})
	if err != nil || len(o.URNs) != 1 || !strings.Contains(r.logs.String(), "kind=throttled") {
		t.Error(err, r.logs)
	}
	leaks(t, nil, r.logs.String())
	if until := r.meter.refused[contact.ScopeContacts]; !until.Equal(start.Add(time.Minute)) {
		t.Error(until)
	}
}
