package app

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// Quarantined lists the webhooks that could not be read, newest first.
func (a *App) Quarantined(_ context.Context, limit int) (out []console.QuarantineItem, err error) {
	err = a.store.View(func(tx state.Tx) error {
		out = nil
		for id, q := range state.Quarantine.All(tx, nil, nil) {
			out = append(out, isolated(id, &q))
		}
		return nil
	})
	slices.Reverse(out)
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, err
}

func isolated(id uint64, q *state.Quarantined) console.QuarantineItem {
	return console.QuarantineItem{ID: id, Source: q.Source, At: contact.FromMicros(q.At), Reason: q.Reason, Bytes: len(q.Body)}
}

// QuarantineBody shows one of them. What it holds is whole only on demand: it is about people.
func (a *App) QuarantineBody(_ context.Context, id uint64, show bool) (out console.QuarantineBody, err error) {
	err = a.store.View(func(tx state.Tx) error {
		q, ok := state.Quarantine.Get(tx, id)
		if !ok {
			return a.noBody(id)
		}
		out = console.QuarantineBody{QuarantineItem: isolated(id, &q), Header: q.Header, Cut: len(q.Body) >= state.QuarantineBodySize}
		if show {
			out.Body = string(q.Body)
		}
		return nil
	})
	return out, err
}

func (a *App) noBody(id uint64) error {
	return a.wrong("there is no webhook %d in quarantine; `syncer quarantine list` shows them", "não há webhook %d em quarentena; `syncer quarantine list` os mostra", id)
}

// RetryQuarantined decodes webhooks again, as the mapping file says now, one by its id or all of them for 0. What can be
// read is accepted, unless something newer is known; what cannot stays, with the newest reason.
func (a *App) RetryQuarantined(ctx context.Context, id uint64) (out console.Requeued, err error) {
	ids, err := a.quarantinedIDs(id)
	if err != nil {
		return out, err
	}
	for _, id := range ids {
		reason, err := a.again(ctx, id)
		switch {
		case err != nil:
			return out, err
		case reason != "":
			out.Left++
			out.Reason = reason
		default:
			out.Read++
		}
	}
	g := a.gen.Load()
	if out.Read > 0 && !a.serving.Load() {
		err = a.deliverAll(ctx, g)
	}
	return out, err
}

func (a *App) quarantinedIDs(id uint64) (ids []uint64, err error) {
	err = a.store.View(func(tx state.Tx) error {
		ids = nil
		for n := range state.Quarantine.All(tx, nil, nil) {
			if id == 0 || n == id {
				ids = append(ids, n)
			}
		}
		if id != 0 && len(ids) == 0 {
			return a.noBody(id)
		}
		return nil
	})
	return ids, err
}

// again takes one webhook the way that it would take at the door. reason says why it still cannot be read.
func (a *App) again(ctx context.Context, id uint64) (reason string, err error) {
	var q state.Quarantined
	known := false
	if err := a.store.View(func(tx state.Tx) error {
		q, known = state.Quarantine.Get(tx, id)
		return nil
	}); err != nil || !known {
		return "", err // somebody else has just seen to it
	}
	src, ok := a.gen.Load().sources[q.Source]
	if !ok {
		return a.say("the mapping file has no source %q any more", "o arquivo de mapeamento não tem mais a fonte %q", q.Source), nil
	}
	header := http.Header{}
	for name, value := range q.Header {
		header.Set(name, value)
	}
	events, strange := src.Decode(header, q.Body)
	if events, err = a.overtaken(events, q.At); err != nil {
		return "", err
	}
	if len(events) > 0 {
		_, err := a.keep(ctx, q.Source, events)
		var failure *contact.Error
		if errors.As(err, &failure) && failure.Kind == contact.Invalid {
			strange = failure
		} else if err != nil {
			return "", err
		}
	}
	return reasonOf(strange), a.store.Update(ctx, func(tx state.Tx) error {
		if strange == nil {
			state.Quarantine.Delete(tx, id)
		} else if now, ok := state.Quarantine.Get(tx, id); ok {
			now.Reason = strange.Error()
			state.Quarantine.Put(tx, id, now)
		}
		return nil
	})
}

// overtaken leaves out states that say no time of their own and whose record has had news since they came.
func (a *App) overtaken(events []contact.Event, at int64) (news []contact.Event, err error) {
	err = a.store.View(func(tx state.Tx) error {
		news = nil
		for _, e := range events {
			rec, _ := state.Records.Get(tx, e.Key)
			timeless := (e.Kind == contact.Upsert || e.Kind == contact.Delete) && e.Version.Source == 0 && e.Version.Event == 0
			if !timeless || rec.Arrived <= at {
				news = append(news, e)
			}
		}
		return nil
	})
	return news, err
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// DropQuarantined forgets webhooks that could not be read, one by its id or all of them for 0.
func (a *App) DropQuarantined(ctx context.Context, id uint64) (int, error) {
	ids, err := a.quarantinedIDs(id)
	if err != nil {
		return 0, err
	}
	return len(ids), a.store.Update(ctx, func(tx state.Tx) error {
		for _, id := range ids {
			state.Quarantine.Delete(tx, id)
		}
		return nil
	})
}
