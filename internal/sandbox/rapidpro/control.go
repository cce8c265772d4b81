package rapidpro

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"syncer/internal/sandbox"
)

// routes adds to the control API what is special to this simulator.
func (s *Server) routes() {
	handle := func(pattern, help string, f func(*http.Request) (any, error)) {
		s.Control.Handle(pattern, help, func(w http.ResponseWriter, r *http.Request) {
			switch answer, err := f(r); {
			case err != nil:
				sandbox.WriteError(w, http.StatusBadRequest, err)
			case answer == nil:
				w.WriteHeader(http.StatusNoContent)
			default:
				sandbox.WriteJSON(w, http.StatusOK, answer)
			}
		})
	}
	p := sandbox.Prefix
	handle("GET "+p+"settings", "the switches of workspace and server", func(*http.Request) (any, error) { return s.Settings(), nil })
	handle("POST "+p+"settings", `flips some of them: {"suspended":true}`, s.postSettings)
	handle("GET "+p+"state", "everything there is", func(*http.Request) (any, error) { return s.Snapshot(), nil })
	handle("POST "+p+"seed", "makes many contacts: ?n=100000", s.postSeed)
	handle("GET "+p+"contacts", "contacts as they are; ?ref= one by uuid or URN, ?deleted=1 the deleted ones", s.getContacts)
	handle("POST "+p+"contacts", `makes one as an agent would: {"name":"Ana","urns":["ext:1"],"groups":["VIP"],"fields":{"cidade":"Natal"}}`, s.postContacts)
	handle("POST "+p+"contacts/{ref}", `changes one, by uuid or URN: {"name","language","fields","add_groups","remove_groups","status","urns","add_urns","remove_urns","delete"}`, s.postEdit)
	handle("POST "+p+"urns", `rewrites a URN in its place: {"from":"whatsapp:5500900000001","to":"whatsapp:550000000001"}`, s.postURN)
	handle("POST "+p+"inbound", `a message from somebody: {"urn":"whatsapp:5500900000001","name":"Ana"}`, s.postInbound)
	handle("POST "+p+"touch", `gives contacts one modified_on: {"at":"2026-01-01T00:00:00Z","uuids":[…]}; now and all when left out`, s.postTouch)
	handle("POST "+p+"fields", `makes a field: {"label":"Cidade","type":"text"}`, s.postNewField)
	handle("POST "+p+"groups", `makes a group, a smart one with "query": {"name":"Falantes","query":"language = \"spa\""}`, s.postNewGroup)
	handle("POST "+p+"resthooks", `makes a resthook that can be subscribed to: {"slug":"novo-lead"}`, func(r *http.Request) (any, error) {
		var in struct{ Slug string }
		if err := sandbox.ReadJSON(r, &in); err != nil {
			return nil, err
		}
		return nil, s.AddResthook(in.Slug)
	})
	handle("POST "+p+"campaigns", `makes a campaign: {"name":"Boas-vindas","group":"VIP","events":[{"relative_to":"created_on","offset":1,"unit":"days","message":"Oi"}]}`, s.postCampaign)
	handle("GET "+p+"fires", "campaign events that changes of contacts have scheduled: pending now, and all that ever were", func(*http.Request) (any, error) {
		pending, log := s.Fires()
		return map[string][]Fire{"pending": pending, "log": log}, nil
	})
}

func (s *Server) postSettings(r *http.Request) (any, error) {
	next := s.Settings()
	if err := sandbox.ReadJSON(r, &next); err != nil {
		return nil, err
	}
	if err := s.Change(func(set *Settings) { *set = next }); err != nil {
		return nil, err
	}
	return next, nil
}

func (s *Server) postSeed(r *http.Request) (any, error) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil {
		return nil, errors.New("n must be a number of contacts")
	}
	if _, err := s.Seed(n); err != nil {
		return nil, err
	}
	return map[string]int{"made": n}, nil
}

func (s *Server) getContacts(r *http.Request) (any, error) {
	q := r.URL.Query()
	if q.Has("ref") {
		c, ok := s.Contact(q.Get("ref"))
		if !ok {
			return nil, errors.New("no such contact")
		}
		return c, nil
	}
	if q.Get("deleted") != "" {
		return map[string]any{"contacts": s.DeletedContacts()}, nil
	}
	return map[string]any{"contacts": s.Contacts()}, nil
}

func (s *Server) postContacts(r *http.Request) (any, error) {
	var in NewContact
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	uuid, err := s.AddContact(in)
	if err != nil {
		return nil, err
	}
	return map[string]string{"uuid": uuid}, nil
}

func (s *Server) postEdit(r *http.Request) (any, error) {
	var in Edit
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	return nil, s.Edit(r.PathValue("ref"), in)
}

func (s *Server) postURN(r *http.Request) (any, error) {
	var in struct{ From, To string }
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	return nil, s.RewriteURN(in.From, in.To)
}

func (s *Server) postInbound(r *http.Request) (any, error) {
	var in struct{ URN, Name string }
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	uuid, created, err := s.Inbound(in.URN, in.Name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"uuid": uuid, "created": created}, nil
}

func (s *Server) postTouch(r *http.Request) (any, error) {
	var in struct {
		At    time.Time
		UUIDs []string
	}
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	at, err := s.Touch(in.At, in.UUIDs...)
	if err != nil {
		return nil, err
	}
	return map[string]time.Time{"at": at}, nil
}

func (s *Server) postNewField(r *http.Request) (any, error) {
	var in struct{ Label, Type string }
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	key, err := s.AddField(in.Label, in.Type)
	if err != nil {
		return nil, err
	}
	return map[string]string{"key": key}, nil
}

func (s *Server) postNewGroup(r *http.Request) (any, error) {
	var in struct{ Name, Query string }
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	uuid, err := s.AddGroup(in.Name, in.Query)
	if err != nil {
		return nil, err
	}
	return map[string]string{"uuid": uuid}, nil
}

func (s *Server) postCampaign(r *http.Request) (any, error) {
	var in Campaign
	if err := sandbox.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	uuid, err := s.AddCampaign(in)
	if err != nil {
		return nil, err
	}
	return map[string]string{"uuid": uuid}, nil
}
