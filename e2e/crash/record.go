package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// epoch is the time that the records' versions are counted from, a second each.
var epoch = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// record is one row of a source with everything that was said of it. What it says in its nth version follows from n, so
// that a contact shows which version it was written from.
type record struct {
	source, id, name, digits string
	crm                      int       // its number in the CRM, once it is there
	edited                   time.Time // there, the last time
	said                     []*event
}

// event is one version of a record, or its end.
type event struct {
	rec    *record
	n      int
	gone   bool
	value  string // what the record's field says
	extra  bool   // whether it gives the label that comes and goes
	body   []byte
	sent   bool // it may have arrived
	acked  bool // it was answered with success
	within int  // the round in which it was answered
}

// next says the next version of a record.
func (r *record) next(gone bool) *event {
	n := len(r.said) + 1
	e := &event{rec: r, n: n, gone: gone, value: fmt.Sprintf("v%d", n), extra: n%2 == 0}
	r.said = append(r.said, e)
	return e
}

func (r *record) newest() *event { return r.said[len(r.said)-1] }

// row is a version as the record's source shows it.
func (r *record) row(e *event) map[string]any {
	return map[string]any{"id": r.id, "nome": r.name, "fone": "+" + r.digits, "versao": e.value, "extra": e.extra,
		"atualizado": epoch.Add(time.Duration(e.n) * time.Second).Format(time.RFC3339)}
}

// hook is a version as the shop's webhook tells it. Its id makes a repetition recognisable.
func (r *record) hook(e *event) []byte {
	kind := "cliente.salvo"
	if e.gone {
		kind = "cliente.apagado"
	}
	body, _ := json.Marshal(map[string]any{"id": fmt.Sprintf("%s/%d", r.id, e.n), "tipo": kind, "dados": r.row(e)})
	return body
}

// known is the newest version that was answered with success; 0 when none was.
func (r *record) known() int {
	for i := len(r.said) - 1; i >= 0; i-- {
		if r.said[i].acked {
			return i + 1
		}
	}
	return 0
}

// possible are the versions that may stand: the newest that was acknowledged, and later ones that may have arrived
// although no answer came.
func (r *record) possible() (out []*event) {
	known := r.known()
	for _, e := range r.said {
		if e.n == known || e.n > known && e.sent {
			out = append(out, e)
		}
	}
	return out
}

// version reads the number of a version from what a contact shows; 0 when it shows none.
func version(value string) int {
	digits, ok := strings.CutPrefix(value, "v")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return 0
	}
	return n
}
