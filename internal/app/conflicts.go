package app

import (
	"context"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// Conflicts lists the questions that only people can answer.
func (a *App) Conflicts(_ context.Context, show bool) (out []console.Conflict, err error) {
	err = a.store.View(func(tx state.Tx) error {
		out = nil
		for id, c := range state.Conflicts.All(tx, nil, nil) {
			if !show {
				c.Identity = contact.Identity(contact.MaskIdentity(c.Identity))
			}
			out = append(out, console.Conflict{ID: id, Conflict: c})
		}
		return nil
	})
	return out, err
}

// lookFor is how long somebody who settles a conflict waits for its records to be looked at again.
const lookFor = 5 * time.Second

// ResolveConflict takes a question off the list, looks at its records again, and says what came of it: when the cause
// still stands, so does the question.
func (a *App) ResolveConflict(ctx context.Context, id string) (console.Resolved, error) {
	g := a.gen.Load()
	var was state.Conflict
	var links []state.LinkKey
	err := a.store.Update(ctx, func(tx state.Tx) error {
		var ok bool
		if was, ok = state.Conflicts.Get(tx, id); !ok {
			return a.wrong("there is no conflict %q; `syncer conflicts list` shows them", "não há conflito %q; `syncer conflicts list` os mostra", id)
		}
		state.Conflicts.Delete(tx, id)
		links = nil
		for _, k := range was.Records {
			g.engine.Recheck(tx, k)
			rec, _ := state.Records.Get(tx, k)
			for _, part := range rec.Parts {
				for _, target := range g.engine.Targets() {
					if was.Target == "" || was.Target == target {
						links = append(links, state.LinkKey{Target: target, Person: part.Person})
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return console.Resolved{}, err
	}
	a.wakeTargets()
	looked, why, err := a.lookedAt(ctx, g, links)
	if err != nil {
		return console.Resolved{}, err
	}
	back := false
	err = a.store.Update(ctx, func(tx state.Tx) error {
		var again state.Conflict
		if again, back = state.Conflicts.Get(tx, id); back {
			again.At, why = was.At, again.Message // it stands since it was first seen
			state.Conflicts.Put(tx, id, again)
		}
		return nil
	})
	switch {
	case err != nil:
		return console.Resolved{}, err
	case back || why != "":
		return console.Resolved{State: console.Standing, Message: a.say("the cause still stands: %s", "a causa permanece: %s", a.words().Told(why))}, nil
	case !looked:
		return console.Resolved{State: console.Looking, Message: a.say("the conflict is off the list; its records are still to be looked at, and it comes back if the cause stands",
			"o conflito saiu da lista; seus registros ainda serão revistos, e ele volta se a causa permanecer")}, nil
	}
	return console.Resolved{State: console.Settled, Message: a.say("the conflict is settled; its records were looked at again", "o conflito está resolvido; seus registros foram revistos")}, nil
}

// lookedAt waits until people have been compared with their targets, and says what conflict they ended in.
func (a *App) lookedAt(ctx context.Context, g *generation, links []state.LinkKey) (done bool, why string, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(lookFor); ; {
		if !a.serving.Load() {
			if err := a.deliverAll(ctx, g); err != nil {
				return false, "", err
			}
		}
		done, why = true, ""
		putOff := false
		if err := a.store.View(func(tx state.Tx) error {
			for _, k := range links {
				l, _ := state.Links.Get(tx, k)
				done = done && l.Due == 0 && l.Hold == "" // a run that holds them may still be comparing them
				// Whoever waits a moment for something else, as for the contacts to be read, is looked at after that.
				putOff = putOff || l.Due > contact.Micros(a.now().Add(lookFor))
				if l.Waiting != nil && l.Waiting.Kind == contact.Conflict {
					why = l.Waiting.Message
				}
			}
			return nil
		}); err != nil {
			return false, "", err
		}
		if done {
			return true, why, nil
		}
		if putOff || time.Now().After(until) {
			return false, "", nil
		}
		select {
		case <-ctx.Done():
			return false, "", ctx.Err()
		case <-tick.C:
		}
	}
}
