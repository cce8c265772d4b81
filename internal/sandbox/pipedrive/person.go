package pipedrive

import (
	"cmp"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Row is one phone or e-mail address. Pipedrive keeps whatever people typed.
type Row struct {
	Label   string `json:"label"`
	Primary bool   `json:"primary"`
	Value   string `json:"value"`
}

// Person is a person as the simulator keeps it. LastName and the times follow from the rest.
type Person struct {
	ID              int            `json:"id"`
	Name            string         `json:"name"`
	Phones          []Row          `json:"phones"`
	Emails          []Row          `json:"emails"`
	OwnerID         int            `json:"owner_id"`
	OrgID           int            `json:"org_id"` // 0 is none
	LabelIDs        []int          `json:"label_ids"`
	Custom          map[string]any `json:"custom_fields"` // by code; see Field
	MarketingStatus string         `json:"marketing_status,omitempty"`
	VisibleTo       int            `json:"visible_to"`
	Added           time.Time      `json:"add_time"`
	Updated         time.Time      `json:"update_time"`
	Deleted         bool           `json:"is_deleted"`
	MergedInto      int            `json:"merged_into,omitempty"`
}

func (p *Person) clone() Person {
	q := *p
	q.Phones, q.Emails, q.LabelIDs, q.Custom = slices.Clone(p.Phones), slices.Clone(p.Emails), slices.Clone(p.LabelIDs), maps.Clone(p.Custom)
	return q
}

// names splits the name as Pipedrive does.
func (p *Person) names() (first, last string) {
	first, last, _ = strings.Cut(p.Name, " ")
	return first, last
}

// What an edit can fail with.
var (
	ErrNoPerson = errors.New("there is no such person")
	ErrNoName   = errors.New("a person needs a name")
)

// purgedAfter is how long a deleted person can be read and restored.
const purgedAfter = 30 * 24 * time.Hour

// Persons is the truth: everybody who is not deleted, by id.
func (s *Server) Persons() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Person, 0, len(s.inOrder))
	for _, p := range s.inOrder {
		if !p.Deleted {
			all = append(all, p.clone())
		}
	}
	return all
}

// Person returns one person, also when deleted.
func (s *Server) Person(id int) (Person, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(id); p != nil {
		return p.clone(), true
	}
	return Person{}, false
}

func (s *Server) find(id int) *Person {
	p := s.persons[id]
	if p != nil && p.Deleted && s.now().Sub(p.Updated) > purgedAfter {
		return nil
	}
	return p
}

// Create adds a person and tells the webhooks. ID and times are given by the simulator.
func (s *Server) Create(p Person) (Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added, err := s.add(p)
	if err != nil {
		return Person{}, err
	}
	s.emit(news{action: "create", now: added})
	return added.clone(), nil
}

// add puts a person there without a word to anybody.
func (s *Server) add(p Person) (*Person, error) {
	if strings.TrimSpace(p.Name) == "" {
		return nil, ErrNoName
	}
	s.lastID++
	p = p.clone()
	p.ID, p.Deleted, p.MergedInto = s.lastID, false, 0
	p.Added = s.now().Truncate(time.Second)
	p.Updated = p.Added
	p.OwnerID, p.VisibleTo = cmp.Or(p.OwnerID, adminID), cmp.Or(p.VisibleTo, 3)
	if p.Custom == nil {
		p.Custom = map[string]any{}
	}
	s.persons[p.ID] = &p
	s.inOrder = append(s.inOrder, &p)
	return &p, nil
}

// Update changes a person and tells the webhooks, if anything changed at all.
func (s *Server) Update(id int, change func(*Person)) (Person, error) {
	return s.update(id, change, false)
}

// UpdateAll changes several persons as one edit of a list does.
func (s *Server) UpdateAll(ids []int, change func(*Person)) error {
	for _, id := range ids {
		if _, err := s.update(id, change, true); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) update(id int, change func(*Person), bulk bool) (Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(id)
	if p == nil || p.Deleted {
		return Person{}, ErrNoPerson
	}
	before, after := p.clone(), p.clone()
	if after.Custom == nil {
		after.Custom = map[string]any{}
	}
	change(&after)
	if strings.TrimSpace(after.Name) == "" {
		return Person{}, ErrNoName
	}
	after.ID, after.Added, after.Updated, after.Deleted, after.MergedInto = before.ID, before.Added, before.Updated, false, 0
	if reflect.DeepEqual(before, after) {
		return before, nil
	}
	after.Updated = s.now().Truncate(time.Second)
	*p = after
	s.emit(news{action: "change", before: &before, now: p, bulk: bulk})
	return p.clone(), nil
}

// Delete moves a person to the bin, where it can be read for 30 days.
func (s *Server) Delete(id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(id)
	if p == nil || p.Deleted {
		return ErrNoPerson
	}
	s.remove(p, 0)
	return nil
}

func (s *Server) remove(p *Person, into int) {
	before := p.clone()
	p.Deleted, p.MergedInto, p.Updated = true, into, s.now().Truncate(time.Second)
	s.emit(news{action: "delete", before: &before, mergedTo: into})
}

// Restore takes a person out of the bin.
func (s *Server) Restore(id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(id)
	if p == nil || !p.Deleted {
		return ErrNoPerson
	}
	before := p.clone()
	p.Deleted, p.MergedInto, p.Updated = false, 0, s.now().Truncate(time.Second)
	s.emit(news{action: "change", before: &before, now: p})
	return nil
}

// Merge moves what the loser has and the winner lacks to the winner, and deletes the loser. Its two events are
// sent in no certain order.
func (s *Server) Merge(loser, winner int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to := s.find(loser), s.find(winner)
	if from == nil || to == nil || from == to || from.Deleted || to.Deleted {
		return ErrNoPerson
	}
	before := to.clone()
	to.Phones, to.Emails = joined(to.Phones, from.Phones), joined(to.Emails, from.Emails)
	for _, id := range from.LabelIDs {
		if !slices.Contains(to.LabelIDs, id) {
			to.LabelIDs = append(to.LabelIDs, id)
		}
	}
	for code, value := range from.Custom {
		if to.Custom[code] == nil {
			to.Custom[code] = value
		}
	}
	to.Updated = s.now().Truncate(time.Second)
	won := func() { s.emit(news{action: "change", before: &before, now: to, mergedFrom: loser}) }
	if s.rand.IntN(2) == 0 {
		won()
		s.remove(from, winner)
	} else {
		s.remove(from, winner)
		won()
	}
	return nil
}

func joined(to, from []Row) []Row {
	out := slices.Clone(to)
	for _, r := range from {
		if !slices.ContainsFunc(out, func(o Row) bool { return o.Value == r.Value }) {
			r.Primary = r.Primary && len(out) == 0
			out = append(out, r)
		}
	}
	return out
}
