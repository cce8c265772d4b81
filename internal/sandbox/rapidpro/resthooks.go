package rapidpro

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	tableResthooks   = "resthooks"
	tableSubscribers = "resthook_subscribers"
)

// resthook is an event that flows can send to whoever has subscribed to it. Nothing is ever sent from here.
type resthook struct {
	slug              string
	created, modified time.Time
}

type subscriber struct {
	id      int
	slug    string
	target  string
	created time.Time
}

func (h *resthook) createdOn() time.Time   { return h.modified } // what the list is sorted by
func (s *subscriber) createdOn() time.Time { return s.created }

// AddResthook makes a resthook, as an administrator would.
func (s *Server) AddResthook(slug string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	slug = strings.ToLower(strip(slug))
	switch {
	case slug == "":
		return errors.New("a resthook needs a slug")
	case s.findResthook(slug) != nil:
		return errors.New("there is a resthook " + strconv.Quote(slug) + " already")
	}
	now := s.transaction()
	s.commit(func(st *store) { st.append(tableResthooks, &resthook{slug, now, now}) })
	return nil
}

func (s *Server) findResthook(slug string) *resthook {
	for _, r := range s.primary.extra[tableResthooks] {
		if h := r.(*resthook); h.slug == slug {
			return h
		}
	}
	return nil
}

func (s *subscriber) append(b []byte) []byte {
	o := &object{b: b}
	o.int("id", s.id)
	o.str("resthook", s.slug)
	o.str("target_url", s.target)
	o.time("created_on", s.created)
	return o.end()
}

func listResthooks(rq *request) *response {
	return rq.listRecords(tableResthooks, nil, func(b []byte, _ *store, r record) []byte {
		h, o := r.(*resthook), &object{b: b}
		o.str("resthook", h.slug)
		o.time("modified_on", h.modified)
		o.time("created_on", h.created)
		return o.end()
	})
}

func listSubscribers(rq *request) *response {
	id, given := rq.params.lookup("id")
	n, ok := pyInteger(id)
	if rq.format != "" && given && !ok {
		return detail(http.StatusBadRequest, "Value for id must be an integer")
	}
	slug := rq.params.get("resthook")
	return rq.listRecords(tableSubscribers,
		func(r record) bool {
			s := r.(*subscriber)
			return (n == 0 || int64(s.id) == n) && (slug == "" || s.slug == slug)
		},
		func(b []byte, _ *store, r record) []byte { return r.(*subscriber).append(b) })
}

func postSubscriber(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	p, refusal := rq.begin()
	if refusal != nil {
		return refusal
	}
	failed := &failures{}
	slug, _, _, problem := text{required: true}.read(p, "resthook")
	hook := rq.findResthook(slug)
	if problem == "" && hook == nil {
		problem = messages("No resthook with slug: " + slug)
	}
	failed.add("resthook", problem)
	target, _, _, problem := text{required: true}.read(p, "target_url")
	if problem == "" && !validURL(target) {
		problem = messages("Enter a valid URL.")
	}
	failed.add("target_url", problem)
	if refusal := failed.response(); refusal != nil {
		return refusal
	}
	if slices.ContainsFunc(rq.primary.extra[tableSubscribers], func(r record) bool {
		s := r.(*subscriber)
		return s.slug == slug && s.target == target
	}) {
		return fieldError("non_field_errors", "URL is already subscribed to this event.")
	}
	rq.lastHook++
	row := &subscriber{rq.lastHook, slug, target, rq.transaction()}
	rq.commit(func(st *store) { st.append(tableSubscribers, row) })
	rq.touchResthook(hook)
	return jsonResponse(http.StatusCreated, row.append(nil))
}

func deleteSubscriber(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	id, given := rq.params.lookup("id")
	if !given {
		return missingLookup("id")
	}
	n, ok := pyInteger(id)
	for _, r := range rq.primary.extra[tableSubscribers] {
		if s := r.(*subscriber); ok && int64(s.id) == n {
			rq.commit(func(st *store) { st.remove(tableSubscribers, r) })
			rq.touchResthook(rq.findResthook(s.slug))
			return noContent()
		}
	}
	return notFound()
}

// touchResthook moves modified_on, as every change of the subscribers does.
func (s *Server) touchResthook(h *resthook) {
	row := &resthook{h.slug, h.created, s.transaction()}
	s.commit(func(st *store) {
		st.remove(tableResthooks, h)
		st.append(tableResthooks, row)
	})
}

// remove takes a row out of a table that has no logic here.
func (st *store) remove(table string, row record) {
	st.extra[table] = slices.DeleteFunc(slices.Clone(st.extra[table]), func(r record) bool { return r == row })
}

var hostName = regexp.MustCompile(`(?i)^([a-z0-9¡-￿]([a-z0-9¡-￿-]{0,61}[a-z0-9¡-￿])?\.)+([a-z¡-￿-]{2,63}|xn--[a-z0-9]{1,59})\.?$`)

// validURL is the framework's rule for addresses, but for its rarest corners.
func validURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains([]string{"http", "https", "ftp", "ftps"}, u.Scheme) || strings.ContainsAny(s, " \t\r\n") {
		return false
	}
	host := u.Hostname()
	_, err = netip.ParseAddr(host)
	return err == nil || host == "localhost" || hostName.MatchString(host)
}
