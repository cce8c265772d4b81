package obs_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"syncer/internal/intake"
	"syncer/internal/obs"
)

var _ intake.Observer = (*obs.Metrics)(nil)

func scrape(t *testing.T, m *obs.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("HTTP %d, %v: %s", w.Code, err, body)
	}
	return string(body)
}

func full() obs.Gauges {
	return obs.Gauges{
		Targets: []obs.TargetGauges{
			{Target: "weni", Due: map[string]int{"live": 3, "bulk": 5}, OldestDue: 90 * time.Second, Held: 2, Dead: 1, Waiting: map[string]int{"no_address": 4, "strange": 1, "odd": 2}, Paused: true, Linked: 100, MirrorAge: time.Minute},
			{Target: "omni", OldestDue: -time.Minute},
		},
		Sources:    []obs.SourceGauges{{Source: "crm", Silent: time.Hour}, {Source: "loja"}},
		Budgets:    []obs.BudgetGauges{{Place: "target/weni", Scope: "contacts", Used: 40, Limit: 2500}, {Place: "source/crm", Scope: "other", Used: 3}},
		StoreBytes: 1000, StoreFree: 200, StoreMax: 1600, ChangesPerCommit: 2.5, Records: 7, People: 6, Conflicts: 1,
	}
}

func used() *obs.Metrics {
	m := obs.NewMetrics()
	m.Webhook("crm", "accepted", 3*time.Millisecond)
	m.Webhook("", "unknown_source", time.Millisecond)
	m.Event("crm", "stale")
	m.Delivered("weni", "written", "live", 20*time.Second, 300*time.Millisecond)
	m.Delivered("weni", "invented", "express", -time.Second, 0)
	m.Called("target/weni", http.MethodPost, 201, 40*time.Millisecond)
	m.Called("target/weni", "BREW", 418, 0)
	m.Called("source/crm", http.MethodGet, 0, 30*time.Second)
	m.Run("crm", "full", "done")
	m.Run("", "mapping", "held")
	m.Set(full())
	return m
}

func TestMetrics(t *testing.T) {
	page := scrape(t, used())
	for _, want := range []string{
		`syncer_webhooks_total{outcome="accepted",source="crm"} 1`,
		`syncer_webhooks_total{outcome="unknown_source",source="none"} 1`,
		`syncer_webhook_duration_seconds_bucket{source="crm",le="0.005"} 1`,
		`syncer_events_total{receipt="stale",source="crm"} 1`,
		`syncer_deliveries_total{lane="live",outcome="written",target="weni"} 1`,
		`syncer_deliveries_total{lane="other",outcome="other",target="weni"} 1`,
		`syncer_delivery_queued_seconds_sum{lane="live",target="weni"} 20`,
		`syncer_delivery_queued_seconds_sum{lane="other",target="weni"} 0`,
		`syncer_delivery_duration_seconds_count{target="weni"} 2`,
		`syncer_calls_total{method="POST",place="target/weni",status="201"} 1`,
		`syncer_calls_total{method="other",place="target/weni",status="4xx"} 1`,
		`syncer_calls_total{method="GET",place="source/crm",status="none"} 1`,
		`syncer_call_duration_seconds_sum{place="source/crm"} 30`,
		`syncer_runs_total{kind="full",source="crm",state="done"} 1`,
		`syncer_runs_total{kind="mapping",source="none",state="held"} 1`,
		`syncer_due{lane="bulk",target="weni"} 5`, `syncer_due{lane="consent",target="weni"} 0`,
		`syncer_oldest_due_seconds{target="weni"} 90`, `syncer_oldest_due_seconds{target="omni"} 0`,
		`syncer_held{target="weni"} 2`, `syncer_dead_letters{target="weni"} 1`,
		`syncer_waiting{kind="no_address",target="weni"} 4`, `syncer_waiting{kind="other",target="weni"} 3`,
		`syncer_paused{target="weni"} 1`, `syncer_paused{target="omni"} 0`, `syncer_linked{target="weni"} 100`,
		`syncer_mirror_age_seconds{target="weni"} 60`, `syncer_source_silent_seconds{source="crm"} 3600`,
		`syncer_budget_used{place="target/weni",scope="contacts"} 40`, `syncer_budget_limit{place="target/weni",scope="contacts"} 2500`,
		`syncer_store_bytes 1000`, `syncer_store_free_bytes 200`, `syncer_store_max_bytes 1600`, `syncer_store_fullness 0.5`,
		`syncer_changes_per_commit 2.5`, `syncer_records 7`, `syncer_people 6`, `syncer_conflicts 1`,
		// Counters that alerts look at exist before they count.
		`syncer_deliveries_total{lane="bulk",outcome="dead",target="omni"} 0`, `syncer_webhooks_total{outcome="unauthorized",source="loja"} 0`,
		`syncer_runs_total{kind="changes",source="loja",state="failed"} 0`,
	} {
		if !strings.Contains(page, "\n"+want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	if !regexp.MustCompile(`\nsyncer_build_info\{go="go1\.[^"]+",version="[^"]+"\} 1\n`).MatchString(page) {
		t.Error("build_info is missing")
	}
	for _, no := range []string{`syncer_mirror_age_seconds{target="omni"}`, `syncer_source_silent_seconds{source="loja"}`, `syncer_budget_limit{place="source/crm"`} {
		if strings.Contains(page, no) {
			t.Errorf("%s is there although nothing is known", no)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestMetricsAreNamedWell(t *testing.T) {
	page := scrape(t, used())
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for name := range metricNames(page) {
		if !strings.HasPrefix(name, "syncer_") {
			t.Errorf("%s does not begin with syncer_", name)
		}
	}
}

func TestGaugesOfWhatIsGoneAreGone(t *testing.T) {
	m := obs.NewMetrics()
	if page := scrape(t, m); strings.Contains(page, "syncer_due") || strings.Contains(page, "syncer_records") {
		t.Errorf("there are gauges before anything is known:\n%s", page)
	}
	m.Set(full())
	m.Set(obs.Gauges{Targets: []obs.TargetGauges{{Target: "weni"}}})
	page := scrape(t, m)
	for _, no := range []string{`syncer_due{lane="live",target="omni"}`, "syncer_source_silent_seconds{", "syncer_store_fullness", "syncer_budget_used{"} {
		if strings.Contains(page, no) {
			t.Errorf("%s is still there", no)
		}
	}
}

func TestMetricsAreSafeForConcurrentUse(t *testing.T) {
	m := obs.NewMetrics()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				m.Webhook("crm", "accepted", time.Millisecond)
				m.Set(full())
				w := httptest.NewRecorder()
				m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			}
		})
	}
	all.Wait()
	if page := scrape(t, m); !strings.Contains(page, `syncer_webhooks_total{outcome="accepted",source="crm"} 200`) {
		t.Error("webhooks were lost")
	}
}

// metricNames are the families on a page of metrics.
func metricNames(page string) map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(page, -1) {
		names[m[1]] = true
	}
	return names
}
