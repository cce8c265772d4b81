package outbound_test

import (
	"context"
	"testing"

	"syncer/internal/contact"
	"syncer/internal/outbound"
)

// spent is a meter whose window is used up.
type spent struct{ outbound.Free }

func (spent) Spend(ctx context.Context, _ string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return &contact.Error{Kind: contact.Throttled, Op: "budget", Message: "used up"}
}

// TestACallThatIsNotMade: whoever reads of it must learn which call it was, and a stop is no fault of syncer's own. Two of
// four clients used to pass the meter's error on as it was, which named only the budget.
func TestACallThatIsNotMade(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	turn := outbound.NewTurn()
	done, err := turn.Take(t.Context(), "first")
	if err != nil {
		t.Fatal(err)
	}
	_, waited := turn.Take(stopped, "read tags")
	for name, c := range map[string]struct {
		err  error
		kind contact.ErrorKind
	}{
		"no budget":            {outbound.Spend(t.Context(), spent{}, "contacts", "read tags"), contact.Throttled},
		"a stop":               {outbound.Spend(stopped, spent{}, "contacts", "read tags"), contact.Unavailable},
		"a stop before a turn": {waited, contact.Unavailable},
	} {
		if e := contact.AsError(c.err); e.Kind != c.kind || e.Op != "read tags" || e.Uncertain {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if err := outbound.Spend(t.Context(), outbound.Free{}, "contacts", "read tags"); err != nil {
		t.Error(err)
	}
	done()
	if _, err := turn.Take(t.Context(), "next"); err != nil {
		t.Error(err)
	}
}
