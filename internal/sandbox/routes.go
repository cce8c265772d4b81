package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func (c *Control) routes() {
	c.Handle("GET "+Prefix+"{$}", "this text", c.serveHelp)
	c.Handle("POST "+Prefix+"advance", "moves the clock on: ?seconds=5.5", c.serveAdvance)
	c.Handle("POST "+Prefix+"reset", "back to the beginning: state, faults, journal, counts; the clock keeps running", func(w http.ResponseWriter, _ *http.Request) {
		c.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	c.Handle("GET "+Prefix+"journal", "the last requests with their answers, oldest first", func(w http.ResponseWriter, _ *http.Request) {
		WriteJSON(w, http.StatusOK, map[string]any{"entries": c.Journal()})
	})
	c.Handle("DELETE "+Prefix+"journal", "forgets them; the counts stay", func(w http.ResponseWriter, _ *http.Request) {
		c.ClearJournal()
		w.WriteHeader(http.StatusNoContent)
	})
	c.Handle("GET "+Prefix+"calls", "how many calls, by scope, endpoint, method, parameters and status", c.serveCalls)
	c.Handle("DELETE "+Prefix+"calls", "sets the counts to zero", func(w http.ResponseWriter, _ *http.Request) {
		c.ClearCalls()
		w.WriteHeader(http.StatusNoContent)
	})
	c.Handle("GET "+Prefix+"faults", "the fault plan", func(w http.ResponseWriter, _ *http.Request) {
		WriteJSON(w, http.StatusOK, map[string]any{"faults": c.Faults()})
	})
	c.Handle("POST "+Prefix+"faults", "adds a rule or a list of rules, such as {\"path\":\"/api\",\"times\":2,\"action\":\"status\",\"status\":502}", c.serveAddFaults)
	c.Handle("DELETE "+Prefix+"faults", "drops all rules, or the one of ?id=", c.serveDropFaults)
}

func (c *Control) serveHelp(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	text := strings.Join(c.help, "\n")
	c.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "This is a simulator. Its control API:\n\n"+text+"\n")
}

func (c *Control) serveAdvance(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	// A day short of what a time.Duration can hold.
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > 9e9 {
		WriteError(w, http.StatusBadRequest, errors.New("seconds must be a number that is not negative"))
		return
	}
	WriteJSON(w, http.StatusOK, map[string]any{"now": c.Advance(time.Duration(seconds * float64(time.Second)))})
}

func (c *Control) serveCalls(w http.ResponseWriter, _ *http.Request) {
	calls := c.Calls()
	scopes := map[string]int{}
	for _, call := range calls {
		scopes[call.Scope] += call.Count
	}
	WriteJSON(w, http.StatusOK, map[string]any{"total": calls.Count(nil), "scopes": scopes, "calls": calls})
}

func (c *Control) serveAddFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		WriteError(w, http.StatusBadRequest, err)
		return
	}
	var rules []Fault
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		err = unmarshal(body, &rules)
	} else {
		rules = make([]Fault, 1)
		err = unmarshal(body, &rules[0])
	}
	for i := 0; err == nil && i < len(rules); i++ {
		err = rules[i].check()
	}
	if err != nil {
		WriteError(w, http.StatusBadRequest, err)
		return
	}
	ids := []string{}
	for _, rule := range rules {
		id, err := c.AddFault(rule)
		if err != nil {
			WriteError(w, http.StatusBadRequest, err)
			return
		}
		ids = append(ids, id)
	}
	WriteJSON(w, http.StatusCreated, map[string]any{"ids": ids})
}

func (c *Control) serveDropFaults(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if id == "" {
		c.ClearFaults()
	} else if !c.RemoveFault(id) {
		WriteError(w, http.StatusNotFound, errors.New("no such rule"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// ReadJSON decodes a request to the control API. Unknown keys are errors, because a misspelt key in a
// test would otherwise prove nothing; an empty body leaves v as it is.
func ReadJSON(r *http.Request, v any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	return unmarshal(body, v)
}

func unmarshal(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("one JSON value only, please")
	}
	return nil
}

// WriteJSON answers a request to the control API.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// WriteError answers a request to the control API that cannot be done.
func WriteError(w http.ResponseWriter, status int, err error) {
	WriteJSON(w, status, map[string]string{"error": err.Error()})
}
