package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

// Records reads what a source sends (a webhook's body), or one of its records or a list of them, exactly as the
// daemon does. Where a source's API knows names that the records lack, it is asked if its credentials are
// there; note says when the names are missing.
func Records(ctx context.Context, o Options, plan *mapping.Plan, spec mapping.Source, body []byte) (records []map[string]any, note string, err error) {
	o.defaults()
	a := &App{opts: o, log: o.Logger, now: o.Now}
	bare := spec.API == nil || strings.Contains(spec.API.Token, "${")
	if bare { // a token that is not set is not sent
		spec.API = nil
	}
	src, err := newSource(spec, unmetered{}, a, plan.Location)
	if err != nil { // credentials that are not set make no client; what is sent can be read without one
		bare = true
		spec.API, spec.List, spec.Fetch, spec.Webhook = nil, nil, nil, &mapping.Webhook{Auth: "none"}
		if src, err = newSource(spec, unmetered{}, a, plan.Location); err != nil {
			return nil, "", err
		}
	}
	if named, ok := src.(source.Named); ok && !named.Ready() {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := src.Prepare(ctx); err != nil {
			note = a.say("the names of custom fields and options could not be read (%v); they stand under their codes", "os nomes de campos personalizados e opções não puderam ser lidos (%v); eles aparecem sob seus códigos", err)
		}
	} else if ok && bare {
		note = a.say("custom fields and options stand under their codes here: their names are known only with the API token of %s", "campos personalizados e opções aparecem aqui sob seus códigos: seus nomes só são conhecidos com o token da API de %s", spec.Name)
	}
	for _, payload := range payloads(src, body) {
		record, err := src.Record(payload)
		if err != nil {
			return nil, note, err
		}
		records = append(records, record)
	}
	return records, note, nil
}

// payloads finds the records in a text: those of a webhook, or the rows of a list, or the text itself.
func payloads(src source.Source, body []byte) (out [][]byte) {
	events, err := src.Decode(http.Header{"Content-Type": {"application/json"}}, body)
	if err == nil {
		for _, e := range events {
			if e.Kind == contact.Upsert && len(e.Payload) > 0 {
				out = append(out, e.Payload)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	body = bytes.TrimSpace(body)
	var envelope struct{ Data json.RawMessage }
	if json.Unmarshal(body, &envelope) == nil && len(envelope.Data) > 0 && (envelope.Data[0] == '{' || envelope.Data[0] == '[') {
		body = envelope.Data // as lists and single records of most APIs come
	}
	var rows []json.RawMessage
	if json.Unmarshal(body, &rows) != nil {
		return [][]byte{body}
	}
	for _, r := range rows {
		out = append(out, r)
	}
	return out
}
