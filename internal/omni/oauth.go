package omni

import (
	"context"
	"errors"
	"net/http"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/omni/table"
	"syncer/internal/outbound"
)

// refreshEarly is how long before its end a token is replaced, so that none expires on its way.
const refreshEarly = time.Minute

// tokens keeps one OAuth token. Only one caller fetches at a time; the others wait for it or for their context.
type tokens struct {
	spec *mapping.Target
	turn outbound.Turn // who has it owns what follows

	value   string // the whole header value
	expires time.Time
}

func newTokens(spec *mapping.Target) *tokens {
	return &tokens{spec: spec, turn: outbound.NewTurn()}
}

// get returns the header value with a token that is good for a minute at least.
func (t *tokens) get(ctx context.Context, a *api) (string, error) {
	done, err := t.turn.Take(ctx, a.kind+": "+table.OAuthToken)
	if err != nil {
		return "", err
	}
	defer done()
	if t.value != "" && (t.expires.IsZero() || a.now().Before(t.expires)) {
		return t.value, nil
	}
	asked := a.now()
	answer, err := a.send(ctx, table.OAuthToken, params{"grant_type": "client_credentials",
		"client_id": t.spec.ClientID, "client_secret": t.spec.ClientSecret}, "", nil)
	if err != nil {
		var e *contact.Error
		if errors.As(err, &e) && e.Kind == contact.Invalid && e.Status == http.StatusBadRequest {
			e.Kind = contact.Auth // OAuth answers 400 to a client that it does not know
		}
		return "", err
	}
	token := a.at.text(answer, atToken)
	if token == "" {
		return "", a.misread(table.OAuthToken, atToken)
	}
	_, t.value = credential(t.spec, token)
	t.expires = time.Time{} // without a stated end it is used until it is refused
	if seconds, _, ok := find(a.at, answer, atExpiresIn, asInt); ok && seconds > 0 {
		life := time.Duration(seconds) * time.Second
		t.expires = asked.Add(life - min(refreshEarly, life/2))
	}
	return t.value, nil
}

// drop forgets a value that was refused, unless somebody has replaced it meanwhile.
func (t *tokens) drop(ctx context.Context, a *api, refused string) error {
	done, err := t.turn.Take(ctx, a.kind+": "+table.OAuthToken)
	if err != nil {
		return err
	}
	defer done()
	if t.value == refused {
		t.value = ""
	}
	return nil
}
