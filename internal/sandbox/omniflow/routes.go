package omniflow

import (
	"net/http"

	"syncer/internal/sandbox"
)

// routes adds to the control API what an agent does by hand, and the truth.
func (s *Server) routes() {
	s.Control.Handle("GET /_sandbox/contacts", "all contacts", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.WriteJSON(w, http.StatusOK, map[string]any{"contacts": s.Contacts()})
	})
	s.Control.Handle("POST /_sandbox/contacts", "puts a contact there: {\"phoneNumber\":\"+5584990000101\",\"name\":\"Marina\"}", func(w http.ResponseWriter, r *http.Request) {
		var c Contact
		if err := sandbox.ReadJSON(r, &c); err != nil {
			sandbox.WriteError(w, http.StatusBadRequest, err)
			return
		}
		sandbox.WriteJSON(w, http.StatusCreated, s.Add(c))
	})
	s.Control.Handle("DELETE /_sandbox/contacts/{id}", "removes a contact; its number will do as id, here and below", func(w http.ResponseWriter, r *http.Request) {
		done(w, s.Remove(r.PathValue("id")))
	})
	s.Control.Handle("POST /_sandbox/contacts/{id}/rename", "an agent changes the name: {\"name\":\"Marina\"}", func(w http.ResponseWriter, r *http.Request) {
		var edit struct {
			Name string `json:"name"`
		}
		if err := sandbox.ReadJSON(r, &edit); err != nil {
			sandbox.WriteError(w, http.StatusBadRequest, err)
			return
		}
		done(w, s.Rename(r.PathValue("id"), edit.Name))
	})
	s.Control.Handle("POST /_sandbox/contacts/{id}/opt-out", "the person refuses messages; sends contact.opted_out", func(w http.ResponseWriter, r *http.Request) {
		sent(w, nil, s.OptOut(r.Context(), r.PathValue("id")))
	})
	s.Control.Handle("POST /_sandbox/contacts/{id}/conversation", "a conversation begins; sends conversation.created", func(w http.ResponseWriter, r *http.Request) {
		id, err := s.Converse(r.Context(), r.PathValue("id"))
		sent(w, map[string]any{"id": id}, err)
	})
	s.Control.Handle("POST /_sandbox/conversations/{id}/message", "a message arrives; sends message.received", func(w http.ResponseWriter, r *http.Request) {
		sent(w, nil, s.Receive(r.Context(), r.PathValue("id")))
	})
	s.Control.Handle("GET /_sandbox/deliveries", "all attempts to send events", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.WriteJSON(w, http.StatusOK, map[string]any{"deliveries": s.Deliveries()})
	})
	s.Control.Handle("POST /_sandbox/deliveries/{id}/again", "sends the same bytes once more", func(w http.ResponseWriter, r *http.Request) {
		sent(w, nil, s.Redeliver(r.Context(), r.PathValue("id")))
	})
	s.Control.Handle("DELETE /_sandbox/tokens", "revokes every OAuth token", func(w http.ResponseWriter, _ *http.Request) {
		s.RevokeTokens()
		w.WriteHeader(http.StatusNoContent)
	})
}

// done answers an edit.
func done(w http.ResponseWriter, found bool) {
	if !found {
		sandbox.WriteError(w, http.StatusNotFound, errNoContact)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// sent answers an edit that sends an event.
func sent(w http.ResponseWriter, body any, err error) {
	switch {
	case err != nil:
		sandbox.WriteError(w, http.StatusBadGateway, err)
	case body != nil:
		sandbox.WriteJSON(w, http.StatusCreated, body)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
