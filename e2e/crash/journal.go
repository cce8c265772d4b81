package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"syncer/internal/sandbox"
)

// history is what Weni was told, in the order in which it was told: the newest version that every contact has shown.
type history struct {
	seq     int64
	calls   int
	shown   map[string]map[string]int // contact -> field -> version
	made    map[string]int            // number -> how many contacts were made with it
	refused int                       // creates for which there was a contact already
}

// read takes what the simulator's journal holds, and empties it. Nothing may write meanwhile.
func (h *history) read(w *world) (backwards []string, err error) {
	entries, err := w.weni.Journal(w.ctx)
	if err != nil {
		return nil, err
	}
	if err := w.weni.Control(w.ctx, http.MethodDelete, "journal", nil, nil); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if h.seq++; e.Seq != h.seq {
			return nil, fmt.Errorf("the simulator's journal has forgotten %d calls; fewer events must come between two kills", e.Seq-h.seq)
		}
		h.calls++
		line, err := h.enter(e)
		if err != nil {
			return nil, err
		}
		if line != "" {
			backwards = append(backwards, line)
		}
	}
	return backwards, nil
}

// enter notes one call, and says so when it put something older over something newer.
func (h *history) enter(e sandbox.Entry) (backwards string, err error) {
	address, err := url.Parse(e.Path)
	if err != nil || e.Method != http.MethodPost || !strings.HasSuffix(address.Path, "/contacts.json") || !e.Ran {
		return "", err
	}
	var said struct {
		URNs   []string
		Fields map[string]string
	}
	if err := json.Unmarshal([]byte(e.Request), &said); err != nil {
		return "", fmt.Errorf("a write that cannot be read: %w", err)
	}
	id := address.Query().Get("uuid")
	switch {
	case e.Status/100 != 2 && id == "":
		h.refused++
		return "", nil
	case e.Status/100 != 2:
		return "", nil
	case id == "":
		var answer struct{ UUID string }
		if err := json.Unmarshal([]byte(e.Response), &answer); err != nil {
			return "", fmt.Errorf("an answer that cannot be read: %w", err)
		}
		id = answer.UUID
		for _, urn := range said.URNs {
			h.made[urn]++
		}
	}
	if h.shown[id] == nil {
		h.shown[id] = map[string]int{}
	}
	for field, value := range said.Fields {
		n := version(value)
		if n < h.shown[id][field] {
			backwards += fmt.Sprintf("%s of contact %s went from v%d to v%d; ", field, id, h.shown[id][field], n)
		}
		h.shown[id][field] = n
	}
	return backwards, nil
}
