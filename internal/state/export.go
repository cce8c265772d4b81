package state

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"syncer/internal/contact"
)

// exported is one line of an export. Exactly one of the parts is set.
type exported struct {
	Format  int              `json:"format,omitempty"`
	Secret  []byte           `json:"secret,omitempty"`
	Consent *exportedConsent `json:"consent,omitempty"`
	Erased  []byte           `json:"erased,omitempty"` // keyed hash of an identity or record
	At      int64            `json:"at,omitempty"`
	Contact *exportedContact `json:"contact,omitempty"`
}

type exportedConsent struct {
	Identity contact.Identity `json:"identity"`
	Said     Consent          `json:"said"`
}

type exportedContact struct {
	Target string `json:"target"`
	ID     string `json:"id"`
	Kept
}

// Export writes, a line each, what cannot be found again from sources and targets when the state is lost:
// what people said about being written to, whom syncer must not make again, and for every contact what
// syncer wrote last. It holds numbers of people.
func Export(s Store, w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	err := s.View(func(tx Tx) error {
		if err := enc.Encode(exported{Format: Format, Secret: Secret(tx)}); err != nil {
			return err
		}
		for id, c := range Consents.All(tx, nil, nil) {
			if err := enc.Encode(exported{Consent: &exportedConsent{id, c}}); err != nil {
				return err
			}
		}
		for k, v := range tx.Scan(forgotten, nil, nil) {
			if err := enc.Encode(exported{Erased: bytes.Clone(k), At: int64(parseNumber(v))}); err != nil {
				return err
			}
		}
		for k, l := range Links.All(tx, nil, nil) {
			if l.Contact == "" {
				continue
			}
			if err := enc.Encode(exported{Contact: &exportedContact{k.Target, l.Contact, Kept{l.Created, l.Base}}}); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, out.Flush())
}

// importBatch is how many lines are stored in one transaction.
const importBatch = 500

// Import reads an export back. What the state already knows is kept: an import fills gaps, it overrides
// nothing. It returns how many lines were taken over.
func Import(ctx context.Context, s Store, r io.Reader) (n int, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 4<<20)
	var batch []exported
	flush := func() error {
		taken := 0
		if err := s.Update(ctx, func(tx Tx) error {
			taken = 0
			for i := range batch {
				if importLine(tx, &batch[i]) {
					taken++
				}
			}
			return nil
		}); err != nil {
			return err
		}
		n += taken
		batch = batch[:0]
		return nil
	}
	for line := 1; in.Scan(); line++ {
		var e exported
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			return n, fmt.Errorf("line %d is no line of an export: %w", line, err)
		}
		if line == 1 {
			if e.Format == 0 || e.Format > Format {
				return n, fmt.Errorf("this is no export that this version of syncer can read")
			}
			// Hashes of erased people can be compared only under the key they were made with.
			if err := adoptSecret(ctx, s, e.Secret); err != nil {
				return n, err
			}
			continue
		}
		if batch = append(batch, e); len(batch) == importBatch {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	if err := in.Err(); err != nil {
		return n, err
	}
	return n, flush()
}

// adoptSecret takes the exported key over. What is mirrored is indexed under the key that was in force, so it is
// forgotten: whoever imports reads the targets again.
func adoptSecret(ctx context.Context, s Store, secret []byte) error {
	for more := true; more; {
		if err := s.Update(ctx, func(tx Tx) error {
			more = false
			if len(secret) == 0 || bytes.Equal(secret, Secret(tx)) {
				return nil
			}
			for range tx.Scan(forgotten, nil, nil) {
				return fmt.Errorf("this state knows of erased people by a key of its own, and the export by another: it can be read only " +
					"into a state in which nobody was erased yet. Stop syncer, move the state file away, import, start")
			}
			var some []At
			for at := range Mirror.Keys(tx, nil) {
				if some = append(some, at); len(some) == importBatch {
					break
				}
			}
			if more = len(some) > 0; !more {
				tx.Put(Meta, secretKey, secret)
			}
			for _, at := range some {
				Unreflect(tx, at.Place, at.ID)
				WriteMirrorMark(tx, at.Place, MirrorMark{})
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func importLine(tx Tx, e *exported) bool {
	switch {
	case e.Consent != nil:
		taken := false
		for origin, said := range e.Consent.Said {
			_, newer := setConsent(tx, e.Consent.Identity, origin, said, true)
			taken = newer || taken
		}
		return taken
	case len(e.Erased) > 0:
		if tx.Get(forgotten, e.Erased) != nil {
			return false
		}
		tx.Put(forgotten, e.Erased, number(uint64(e.At)))
		return true
	case e.Contact != nil:
		k := At{e.Contact.Target, e.Contact.ID}
		p := PersonAt(tx, k.Place, k.ID)
		if p == 0 {
			Keeps.Put(tx, k, e.Contact.Kept)
			return true
		}
		lk := LinkKey{k.Place, p}
		l, ok := Links.Get(tx, lk)
		if !ok || l.At != 0 {
			return false // what was written since is known better here
		}
		l.Created, l.Base = e.Contact.Created, e.Contact.Base
		Links.Put(tx, lk, l)
		return true
	}
	return false
}
