package omni_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/omni"
	"syncer/internal/sandbox/omnichannel"
	"syncer/internal/sandbox/omniflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ engine.Target = (*omni.OmniFlow)(nil)
	_ engine.Target = (*omni.Omnichannel)(nil)
)

// start is the time of every test that looks at times.
var start = time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)

// meter counts calls by scope, notes refusals and refuses on demand.
type meter struct {
	mu      sync.Mutex
	spent   map[string]int
	refused map[string]time.Time
	err     error
}

func (m *meter) Spend(_ context.Context, scope string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.spent == nil {
		m.spent = map[string]int{}
	}
	m.spent[scope]++
	return nil
}

func (m *meter) Refused(scope string, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refused == nil {
		m.refused = map[string]time.Time{}
	}
	m.refused[scope] = until
}

func (m *meter) calls() int { return m.spent[contact.ScopeContacts] + m.spent[contact.ScopeOther] }

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// transport keeps no connections, so that tests leave no goroutines.
func transport(t *testing.T) http.RoundTripper {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// flow builds a target and a simulator that fit; the functions may change both.
func flow(t *testing.T, options omniflow.Options, change ...func(*mapping.Target)) (*omni.OmniFlow, *omniflow.Server, *meter) {
	t.Helper()
	sim := omniflow.New(options)
	spec := mapping.Target{Name: "omniflow", Kind: "omniflow", BaseURL: serve(t, sim), APIKey: sim.Token(),
		Update: options.Update, Operations: options.Operations}
	for _, c := range change {
		c(&spec)
	}
	m := &meter{}
	target, err := omni.NewOmniFlow(spec, omni.Deps{Meter: m, Transport: transport(t), Now: sim.Control.Now})
	if err != nil {
		t.Fatal(err)
	}
	return target, sim, m
}

// channel is flow for omnichannel.
func channel(t *testing.T, options omnichannel.Options, change ...func(*mapping.Target)) (*omni.Omnichannel, *omnichannel.Server, *meter) {
	t.Helper()
	sim := omnichannel.New(options)
	spec := mapping.Target{Name: "atendimento", Kind: "omnichannel", BaseURL: serve(t, sim), Token: sim.Token(), ClientIdentifier: sim.Client(),
		ChannelID: "689a05215b711247e8f54022", Operations: options.Operations, ArrayQuery: options.ArrayQuery}
	for _, c := range change {
		c(&spec)
	}
	m := &meter{}
	target, err := omni.NewOmnichannel(spec, omni.Deps{Meter: m, Transport: transport(t), Now: sim.Control.Now})
	if err != nil {
		t.Fatal(err)
	}
	return target, sim, m
}

// person is the desired state of one person, as a fold gives it.
func person(t *testing.T, name, phone string, labels ...string) *contact.Desired {
	t.Helper()
	p, err := contact.ParsePhone(phone, contact.PhoneRules{})
	if err != nil {
		t.Fatal(err)
	}
	d := &contact.Desired{Phone: &p, Numbers: []contact.Identity{p.Identity()}, Policy: contact.DefaultPolicy()}
	d.Labels = map[string]bool{}
	if name != "" {
		d.Name = contact.Attr{State: contact.Set, Value: name}
	}
	for _, l := range labels {
		wanted, rest := true, l
		if strings.HasPrefix(l, "-") {
			wanted, rest = false, l[1:]
		}
		d.Labels[rest] = wanted
	}
	return d
}

// settle is what the engine does for one person: look up, diff, deliver. It returns the contact as it is then.
func settle(t *testing.T, target engine.Target, d *contact.Desired, link contact.Link) (contact.Observed, error) {
	t.Helper()
	ctx := t.Context()
	found, err := target.Find(ctx, d.Phone.Candidates())
	if err != nil {
		return contact.Observed{}, err
	}
	var seen *contact.Observed
	if len(found) > 0 {
		seen = &found[0]
	}
	c := contact.Diff(d, false, seen, link, target.Rules())
	if c.Relabels() {
		if _, err := target.Define(ctx, c.AddLabels, nil); err != nil {
			return contact.Observed{}, err
		}
	}
	switch {
	case c.Create:
		var ids []string
		for _, name := range c.AddLabels {
			l, _ := target.Rules().Catalog.Label(name)
			ids = append(ids, l.ID)
		}
		return target.Create(ctx, &c, ids)
	case c.Empty():
		return *seen, nil
	}
	return target.Update(ctx, seen, &c)
}

// settled fails the test when a second look at the person would change anything.
func settled(t *testing.T, target engine.Target, d *contact.Desired) {
	t.Helper()
	found, err := target.Find(t.Context(), d.Phone.Candidates())
	if err != nil || len(found) != 1 {
		t.Fatalf("found %d, %v", len(found), err)
	}
	if c := contact.Diff(d, false, &found[0], contact.Link{}, target.Rules()); !c.Empty() {
		t.Errorf("it does not settle: %+v", c)
	}
}

func kind(t *testing.T, err error, want contact.ErrorKind) *contact.Error {
	t.Helper()
	if err == nil || contact.KindOf(err) != want {
		t.Fatalf("error %v (%v), want %v", err, contact.KindOf(err), want)
	}
	return contact.AsError(err)
}

func noted(can contact.Capabilities, note string) bool {
	return slices.ContainsFunc(can.Notes, func(n string) bool { return strings.Contains(n, note) })
}
