// Package consoletest has a fake of the admin door's operations, for tests of the door and of the commands.
package consoletest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// Now is the moment at which everything in a Fake is looked at.
var Now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// Fake is a small syncer that is always in the same state. It remembers what it was asked to do.
type Fake struct {
	// Err, when set, is what every operation fails with.
	Err error
	// States are what a run that was started shows each time it is looked at; the last one stays.
	States []state.Run
	// BreakBackup lets a backup break off in the middle.
	BreakBackup bool
	// Moved are those whom an apply leaves out.
	Moved []console.PlanRow
	// Edit changes what Status says.
	Edit func(*console.Status)

	mu    sync.Mutex
	calls []string
}

var _ console.Operations = (*Fake)(nil)

// Calls are the operations that were asked for, with their arguments, in order.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *Fake) call(name string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.TrimSpace(name+" "+strings.TrimSuffix(fmt.Sprintln(args...), "\n")))
	return f.Err
}

func ago(d time.Duration) time.Time { return Now.Add(-d) }
func us(d time.Duration) int64      { return contact.Micros(ago(d)) }

// Held is the run that waits for somebody.
func Held() state.Run {
	return state.Run{ID: "crm-full-12", Source: "crm", Kind: "full", State: "held", Started: us(14 * time.Minute), Ended: us(12 * time.Minute),
		Pages: 13, Records: 1240, Unchanged: 1187, Missing: 3, Unannounced: 50, Held: 3,
		Why: "weni: 53 people would be changed, more than 20 (20 % of 100)",
		Plan: map[string]state.PlanSums{
			"weni":        {People: 3, Calls: 3, Other: 2, Linked: 1204, Counts: contact.Counts{Creates: 1, Changes: 1, Unlabels: 1}},
			"atendimento": {People: 1, Calls: 1, Linked: 310, Counts: contact.Counts{Changes: 1}},
		}}
}

// Status implements console.Operations.
func (f *Fake) Status(context.Context) (console.Status, error) {
	if err := f.call("status"); err != nil {
		return console.Status{}, err
	}
	s := console.Status{
		Version: "v1.2.0", Started: ago(76 * time.Hour), Records: 1240, People: 1204, Mapless: 4, Conflicts: 2,
		Mapping: console.MappingStatus{File: "mappings.yaml", Hash: "5d41402abc4b", Since: ago(50 * time.Hour)},
		Store:   state.Stats{Bytes: 41_800_000, Free: 2_100_000, Max: 2_000_000_000},
		Sources: []console.SourceStatus{
			{Name: "crm", Kind: "pipedrive", Records: 1180, LastWebhook: ago(40 * time.Second), NextRun: ago(-9 * time.Minute),
				Events: map[string]int{"accepted": 8123, "duplicate": 41, "stale": 3}, Budget: []console.Budget{{Scope: "contacts", Used: 120, Left: 880, Limit: 1000}}},
			{Name: "loja", Kind: "generic", Records: 60, LastWebhook: ago(3 * time.Hour), NextRun: ago(-15 * time.Hour), Quarantined: 1,
				Events: map[string]int{"accepted": 77}},
		},
		Targets: []console.TargetStatus{
			{Name: "weni", Kind: "weni", Place: "Acme Atendimento", Doing: "delivering to 120 people, done about in 2m52s", Due: map[string]int{"consent": 0, "live": 2, "bulk": 118},
				Held: 3, Oldest: ago(95 * time.Second), Done: ago(-172 * time.Second), Linked: 1204, Waiting: map[string]int{"no_address": 12, "conflict": 2}, Left: 1, Dead: 2,
				Mirror: ago(70 * time.Second), Contacts: 15230, Budget: []console.Budget{{Scope: "contacts", Used: 1311, Left: 1189, Limit: 2500}, {Scope: "other", Used: 14, Left: 2486, Limit: 2500}},
				Delivered: map[string]int{"written": 4120, "unchanged": 3990}},
			{Name: "atendimento", Kind: "omnichannel", Doing: "paused: the credentials are refused; set OMNI_TOKEN and resume", Due: map[string]int{"bulk": 4},
				Paused: &state.Paused{Why: "the credentials are refused; set OMNI_TOKEN and resume", How: contact.Auth, At: us(2 * time.Hour)},
				Oldest: ago(2 * time.Hour), Linked: 310, Mirror: ago(2 * time.Hour), Contacts: 312},
		},
		Runs: []state.Run{Held(),
			{ID: "crm-changes-311", Source: "crm", Kind: "changes", State: "released", Started: us(6 * time.Minute), Ended: us(6 * time.Minute), Pages: 1, Records: 9, Unchanged: 7},
			{ID: "loja-full-9", Source: "loja", Kind: "full", State: "failed", Started: us(9 * time.Hour), Ended: us(9 * time.Hour), Err: "list page 3: the source answers 502"}},
		Attention: []string{"atendimento is paused: the credentials are refused; set OMNI_TOKEN and resume",
			"run crm-full-12 holds 3 people back: look with `syncer plan crm-full-12`, then `syncer apply crm-full-12` or `syncer discard crm-full-12`",
			"weni: 2 dead letters: look with `syncer dead list`"},
	}
	if f.Edit != nil {
		f.Edit(&s)
	}
	return s, nil
}

// mask shows a value, or its first character.
func mask(s string, show bool) string {
	if show {
		return s
	}
	return contact.MaskText(s)
}

func number(digits string, show bool) string {
	if show {
		return "whatsapp:" + digits
	}
	return contact.MaskURN(contact.URN("whatsapp:" + digits))
}

// Explain implements console.Operations. It knows the record crm/4821 and its number.
func (f *Fake) Explain(_ context.Context, what string, show bool) (console.Explanation, error) {
	if err := f.call("explain", what, show); err != nil {
		return console.Explanation{}, err
	}
	if what != "crm/4821" && what != "+55 84 99000-0101" {
		return console.Explanation{}, console.Errorf(console.NotFound, "nothing is known of %q", contact.MaskText(what))
	}
	key := contact.Key{Source: "crm", ID: "4821"}
	return console.Explanation{
		Person: 17, Others: []state.PersonID{18},
		Records: []console.ExplainRecord{{Key: key.String(), Arrived: ago(40 * time.Second), State: "live",
			Version:  contact.Version{Source: us(time.Minute), Arrival: us(40 * time.Second)},
			Says:     []console.Said{{Step: contact.Step{Attr: "name", New: mask("Maria das Dores", show)}, Mapping: "customers"}, {Step: contact.Step{Attr: "urns", New: number("5584990000101", show)}, Mapping: "customers"}, {Step: contact.Step{Attr: "fields.cidade", New: mask("Natal", show)}, Mapping: "customers"}, {Step: contact.Step{Attr: "labels.VIP", New: "VIP"}, Mapping: "customers"}},
			Problems: []contact.Problem{{Attr: "fields.ultima_compra", Where: "mappings.yaml:41:24", Message: "this is not a date: it must be dd/mm/yyyy"}}}},
		Targets: []console.ExplainTarget{
			{Target: "weni", Contact: "0a52c0f2-7a44-4b0e-9a63-1f1a9c3d3b11", How: "adopted", State: "due", Due: ago(-3 * time.Second),
				Pending: []contact.Step{{Attr: "fields.cidade", Old: mask("Parnamirim", show), New: mask("Natal", show)},
					{Attr: "name", Old: mask("Dona Maria", show), New: mask("Maria das Dores", show), Kept: contact.KeptEdit}}},
			{Target: "atendimento", How: "none", State: "waiting: the target is paused"}},
		Consent: map[string]bool{"crm": false, "whatsapp": true},
		Notes:   []string{"two of the numbers are landlines, which identify nobody"},
		Journal: []state.Entry{
			{At: us(26 * time.Hour), What: "received", Record: &key, Text: "upsert"},
			{At: us(26*time.Hour - 2*time.Second), What: "written", Target: "weni", Calls: 2, Millis: 412, Steps: []contact.Step{{Attr: "labels.VIP", New: "VIP"}}},
			{At: us(14 * time.Minute), What: "held", Target: "weni", Run: "crm-full-12", Text: "53 people would be changed"},
			{At: us(40 * time.Second), What: "received", Record: &key, Text: "upsert"}},
	}, nil
}

var letters = []console.DeadLetter{
	{ID: "weni/17", DeadLetter: state.DeadLetter{Target: "weni", Person: 17, Records: []contact.Key{{Source: "crm", ID: "77"}}, Kind: contact.Invalid,
		Message: "weni: update contact: fields.cpf: the value is longer than 640 characters (request 8f1c)", At: us(50 * time.Minute), Seq: 4, Calls: 1}},
	{ID: "weni/210", DeadLetter: state.DeadLetter{Target: "weni", Person: 210, Records: []contact.Key{{Source: "crm", ID: "902"}, {Source: "loja", ID: "a-3"}}, Kind: contact.Rejected,
		Message: "weni: create contact: it answers 500 while others pass", At: us(26 * time.Hour), Seq: 1, Calls: 3}},
}

func chosen(flt console.DeadFilter) (out []console.DeadLetter) {
	for _, l := range letters {
		if (flt.ID == "" || flt.ID == l.ID) && (flt.Target == "" || flt.Target == l.Target) && (flt.Kind == "" || flt.Kind == string(l.Kind)) &&
			(flt.Limit == 0 || len(out) < flt.Limit) {
			out = append(out, l)
		}
	}
	return out
}

// DeadLetters implements console.Operations.
func (f *Fake) DeadLetters(_ context.Context, flt console.DeadFilter) ([]console.DeadLetter, error) {
	return chosen(flt), f.call("dead", fmt.Sprintf("%+v", flt))
}

// RetryDead implements console.Operations.
func (f *Fake) RetryDead(_ context.Context, flt console.DeadFilter) (int, error) {
	return len(chosen(flt)), f.call("dead retry", fmt.Sprintf("%+v", flt))
}

// DropDead implements console.Operations.
func (f *Fake) DropDead(_ context.Context, flt console.DeadFilter) (int, error) {
	return len(chosen(flt)), f.call("dead drop", fmt.Sprintf("%+v", flt))
}

// Quarantined implements console.Operations.
func (f *Fake) Quarantined(_ context.Context, limit int) ([]console.QuarantineItem, error) {
	return []console.QuarantineItem{{ID: 3, Source: "loja", At: ago(3 * time.Hour), Reason: "the body is not JSON: it ends too early", Bytes: 18344}}, f.call("quarantine", limit)
}

// QuarantineBody implements console.Operations.
func (f *Fake) QuarantineBody(_ context.Context, id uint64, show bool) (console.QuarantineBody, error) {
	if err := f.call("quarantine show", id, show); err != nil || id != 3 {
		return console.QuarantineBody{}, cmp.Or[error](err, console.Errorf(console.NotFound, "there is no webhook %d in quarantine", id))
	}
	b := console.QuarantineBody{QuarantineItem: console.QuarantineItem{ID: 3, Source: "loja", At: ago(3 * time.Hour), Reason: "the body is not JSON: it ends too early", Bytes: 18344},
		Header: map[string]string{"Content-Type": "application/json"}}
	if show {
		b.Body = `{"id":"a-3","nome":"João Câmara"`
	}
	return b, nil
}

// RetryQuarantined implements console.Operations.
func (f *Fake) RetryQuarantined(_ context.Context, id uint64) (console.Requeued, error) {
	if id == 0 {
		return console.Requeued{Read: 1, Left: 1, Reason: "the body is not JSON: it ends too early"}, f.call("quarantine retry", id)
	}
	return console.Requeued{Read: 1}, f.call("quarantine retry", id)
}

// DropQuarantined implements console.Operations.
func (f *Fake) DropQuarantined(_ context.Context, id uint64) (int, error) {
	return 1, f.call("quarantine drop", id)
}

// Reconcile implements console.Operations.
func (f *Fake) Reconcile(_ context.Context, ask console.RunAsk) (state.Run, error) {
	if err := f.call("reconcile", fmt.Sprintf("%+v", ask)); err != nil {
		return state.Run{}, err
	}
	return state.Run{ID: "crm-full-12", Source: ask.Source, Kind: ask.Kind, State: "walking", Started: contact.Micros(Now)}, nil
}

// Runs implements console.Operations.
func (f *Fake) Runs(_ context.Context, limit int) ([]state.Run, error) {
	return []state.Run{Held()}, f.call("runs", limit)
}

// RunState implements console.Operations.
func (f *Fake) RunState(_ context.Context, id string) (state.Run, error) {
	if err := f.call("run", id); err != nil {
		return state.Run{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case id != "crm-full-12":
		return state.Run{}, console.Errorf(console.NotFound, "there is no run %q", id)
	case len(f.States) == 0:
		return Held(), nil
	}
	r := f.States[0]
	if len(f.States) > 1 {
		f.States = f.States[1:]
	}
	return r, nil
}

// Plan implements console.Operations: three people on two pages.
func (f *Fake) Plan(_ context.Context, run, after string, limit int, show bool) (console.PlanPage, error) {
	if err := f.call("plan", run, after, limit, show); err != nil {
		return console.PlanPage{}, err
	}
	rows := []console.PlanRow{
		{Target: "weni", Person: 17, Records: []string{"crm/4821"}, Contact: "0a52c0f2-7a44-4b0e-9a63-1f1a9c3d3b11", What: "update",
			Steps: []contact.Step{{Attr: "fields.cidade", Old: mask("Parnamirim", show), New: mask("Natal", show)},
				{Attr: "name", Old: mask("Dona Maria", show), New: mask("Maria das Dores", show), Kept: contact.KeptEdit}}},
		{Target: "weni", Person: 18, Records: []string{"crm/4822", "loja/a-3"}, What: "create",
			Steps: []contact.Step{{Attr: "contact", New: number("5584990000102", show)}, {Attr: "name", New: mask("João Câmara", show)}, {Attr: "labels.Clientes", New: "Clientes"}}},
		{Target: "weni", Person: 19, Records: []string{"crm/4823"}, Contact: "5b8c9d1e-1111-4222-8333-94a5b6c7d8e9", What: "label",
			Steps: []contact.Step{{Attr: "labels.VIP", Old: "VIP"}}},
	}
	if after != "" {
		return console.PlanPage{Rows: rows[2:]}, nil
	}
	return console.PlanPage{Rows: rows[:2], Next: "2"}, nil
}

// Apply implements console.Operations.
func (f *Fake) Apply(_ context.Context, run string, ask console.ApplyAsk) (console.Applied, error) {
	n := 3
	if len(ask.Only) > 0 {
		n = len(ask.Only)
	}
	return console.Applied{People: n, Moved: f.Moved}, f.call("apply", run, fmt.Sprintf("%+v", ask))
}

// Undo implements console.Operations.
func (f *Fake) Undo(_ context.Context, run string) (state.Run, error) {
	return state.Run{ID: "undo-" + run, Kind: "undo", State: "held", Held: 3, Why: "it takes back " + run}, f.call("undo", run)
}

// Discard implements console.Operations.
func (f *Fake) Discard(_ context.Context, run string) (int, error) { return 3, f.call("discard", run) }

// Pause implements console.Operations.
func (f *Fake) Pause(_ context.Context, target, why string) error {
	return f.call("pause", target, why)
}

// Resume implements console.Operations.
func (f *Fake) Resume(_ context.Context, target string) error { return f.call("resume", target) }

// Rebind implements console.Operations.
func (f *Fake) Rebind(_ context.Context, what string) error { return f.call("rebind", what) }

// Reload implements console.Operations.
func (f *Fake) Reload(context.Context) (console.ReloadResult, error) {
	return console.ReloadResult{Hash: "7ac66c0f148d", Changed: true, Run: "mapping-13", Message: "the mapping file is in use; what it changes is being computed and held as a plan, see status"}, f.call("reload")
}

// Conflicts implements console.Operations.
func (f *Fake) Conflicts(_ context.Context, show bool) ([]console.Conflict, error) {
	return []console.Conflict{
		{ID: "weni/shared/1", Conflict: state.Conflict{Kind: "shared_phone", Identity: contact.Identity(strings.Replace(number("5584990000103", show), "whatsapp", "phone", 1)),
			Records: []contact.Key{{Source: "crm", ID: "31"}, {Source: "crm", ID: "96"}}, Message: "two records with different names have this number; neither is written", At: us(30 * time.Hour)}},
		{ID: "weni/taken/2", Conflict: state.Conflict{Kind: "taken", Target: "weni", Contacts: []string{"0a52c0f2-7a44-4b0e-9a63-1f1a9c3d3b11"},
			Records: []contact.Key{{Source: "loja", ID: "a-9"}}, Message: "the number belongs to a contact of somebody else", At: us(2 * time.Hour)}},
	}, f.call("conflicts", show)
}

// ResolveConflict implements console.Operations.
func (f *Fake) ResolveConflict(_ context.Context, id string) (console.Resolved, error) {
	if id == "weni/shared/1" {
		return console.Resolved{State: console.Standing, Message: "the cause still stands: two records with different names have this number; neither is written"}, f.call("conflicts resolve", id)
	}
	return console.Resolved{State: console.Settled, Message: "the conflict is settled; its records were looked at again"}, f.call("conflicts resolve", id)
}

// Link implements console.Operations.
func (f *Fake) Link(_ context.Context, key, target, id string) error {
	return f.call("link", key, target, id)
}

// Unlink implements console.Operations.
func (f *Fake) Unlink(_ context.Context, key, target string) error {
	return f.call("unlink", key, target)
}

// Forget implements console.Operations.
func (f *Fake) Forget(_ context.Context, what string) (string, error) {
	return "1 person and 2 records are forgotten; erase the contact at atendimento by hand", f.call("forget", what)
}

// Hooks implements console.Operations.
func (f *Fake) Hooks(_ context.Context, source string) ([]console.Hook, error) {
	return []console.Hook{
		{Source: "crm", ID: "11", URL: "https://syncer.acme.com.br/hooks/…", Ours: true, Active: true, LastStatus: 202, LastTime: ago(40 * time.Second)},
		{Source: "crm", ID: "7", URL: "https://hooks.other.com/…", Active: false, LastStatus: 404, LastTime: ago(90 * 24 * time.Hour)},
	}, f.call("hooks", source)
}

// InstallHook implements console.Operations.
func (f *Fake) InstallHook(_ context.Context, source string) (console.InstalledHook, error) {
	return console.InstalledHook{Hook: console.Hook{Source: source, ID: "12", URL: "https://syncer.acme.com.br/hooks/…", Ours: true, Active: true}, New: true}, f.call("hooks install", source)
}

// BackupBytes is what a backup consists of.
var BackupBytes = []byte(strings.Repeat("syncer state ", 100_000))

// Backup implements console.Operations.
func (f *Fake) Backup(_ context.Context, w io.Writer) error {
	if err := f.call("backup"); err != nil {
		return err
	}
	if f.BreakBackup {
		_, err := w.Write(BackupBytes[:len(BackupBytes)/2])
		if err == nil {
			err = fmt.Errorf("the disk broke")
		}
		return err
	}
	_, err := w.Write(BackupBytes)
	return err
}

// Export implements console.Operations.
func (f *Fake) Export(_ context.Context, w io.Writer) error {
	if err := f.call("export"); err != nil {
		return err
	}
	_, err := io.WriteString(w, "{\"format\":1}\n")
	return err
}

// Compact implements console.Operations.
func (f *Fake) Compact(context.Context) (console.CompactResult, error) {
	return console.CompactResult{Before: 41_800_000, After: 12_300_000}, f.call("compact")
}
