package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// exodus says when a run would act for too many people on the word that their source no longer has them; empty when it
// would not. It looks at what is held and not at what the run itself found missing: a later run finds those records
// deleted already, and would let the people go whom the guard keeps back.
func (r *Runner) exodus(ctx context.Context, run string) (string, error) {
	gone, err := r.leavers(run)
	if err != nil {
		return "", err
	}
	for _, source := range slices.Sorted(maps.Keys(gone)) {
		n := contact.Counts{Deletes: gone[source]}
		if _, many := r.Guard.Judge(n, 0); !many {
			continue // they pass however few the source has, so that nobody need count those
		}
		known := gone[source]
		if err := r.eachLive(ctx, source, func(state.Tx, contact.Key, *state.Record) { known++ }); err != nil {
			return "", err
		}
		if why, held := r.Guard.Judge(n, known); held {
			return "too many records are missing from the source: " + why, nil
		}
	}
	return "", nil
}

// leavers counts, source by source, the people held back by a run who have left that source.
func (r *Runner) leavers(run string) (gone map[string]int, err error) {
	err = r.Store.View(func(tx state.Tx) error {
		gone = map[string]int{}
		counted := map[state.PersonID]bool{} // at another target
		for k := range state.Holds.Keys(tx, state.Prefix(run)) {
			if counted[k.Person] {
				continue
			}
			counted[k.Person] = true
			for source := range left(tx, k.LinkKey) {
				gone[source]++
			}
		}
		return nil
	})
	return gone, err
}

// longestRead is more than any reading of a source takes. A record's deletion is dated by the beginning of the reading
// that found it, what it makes due by the end.
const longestRead = 10 * time.Minute

// left are the sources that have no record of a person any more, where the target was not told yet.
func left(tx state.Tx, k state.LinkKey) map[string]bool {
	l, _ := state.Links.Get(tx, k)
	who, _ := state.Persons.Get(tx, k.Person)
	left, stays := map[string]bool{}, map[string]bool{}
	for _, key := range who.Records {
		switch rec, ok := state.Records.Get(tx, key); {
		case !ok:
		case !rec.Deleted:
			stays[key.Source] = true
		case rec.Arrived >= l.First-longestRead.Microseconds():
			left[key.Source] = true
		}
	}
	maps.DeleteFunc(left, func(source string, _ bool) bool { return stays[source] })
	return left
}
