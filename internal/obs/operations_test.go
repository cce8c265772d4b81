package obs_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write docs/operations/metrics.md")

const operations = "../../docs/operations"

func document(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(operations, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	metric   = regexp.MustCompile(`\bsyncer_[a-z0-9_]+`)
	selector = regexp.MustCompile(`(syncer_[a-z0-9_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`([a-z]+)\s*(?:=~|!~|!=|=)\s*\\?"([^"\\]*)\\?"`)
)

// expressions are the queries of alerts and dashboard.
func expressions(t *testing.T) (out []string) {
	t.Helper()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(document(t, "alerts.yml")), &rules); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Syncer") || r.Expr == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" ||
				!slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
				t.Errorf("alert %q is twice there, or lacks something", r.Alert)
			}
			seen[r.Alert] = true
			out = append(out, r.Expr)
		}
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(document(t, "grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q is twice there, or has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			out = append(out, q.Expr)
		}
	}
	if len(out) < 40 {
		t.Fatalf("only %d expressions were found", len(out))
	}
	return out
}

func TestAlertsAndDashboardNameOnlyWhatExists(t *testing.T) {
	page := scrape(t, used())
	exists := metricNames(page)
	for _, text := range []string{document(t, "alerts.yml"), document(t, "grafana.json"), document(t, "README.md")} {
		for _, name := range metric.FindAllString(text, -1) {
			base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			if !exists[name] && !exists[base] && !strings.HasSuffix(name, "_") {
				t.Errorf("there is no metric %s", name)
			}
		}
	}
	for _, expr := range expressions(t) {
		if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") || !strings.Contains(expr, "syncer_") && !strings.Contains(expr, "node_filesystem_") {
			t.Errorf("%s is no expression", expr)
		}
		for _, s := range selector.FindAllStringSubmatch(expr, -1) {
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				series := regexp.MustCompile(`(?m)^`+s[1]+`\{[^}]*\b`+m[1]+`="([^"]*)"`).FindAllStringSubmatch(page, -1)
				if len(series) == 0 {
					t.Errorf("%s: %s has no label %s", expr, s[1], m[1])
				}
				// Values are checked where they are written out and where the metric shows all of them.
				if m[2] == "" || strings.ContainsAny(m[2], "$.") || s[1] == "syncer_calls_total" {
					continue
				}
				for value := range strings.SplitSeq(m[2], "|") {
					if !slices.ContainsFunc(series, func(s []string) bool { return s[1] == value }) {
						t.Errorf("%s: %s is never %q", expr, m[1], value)
					}
				}
			}
		}
	}
}

// process are metrics that depend on the operating system; the table leaves them out.
const process = "syncer_process_"

func TestMetricsAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\n`GET /metrics` at the admin door. This page is written by a test; do not edit it.\n\n| Metric | Labels | Meaning |\n| --- | --- | --- |\n")
	page := scrape(t, used())
	for _, m := range regexp.MustCompile(`(?m)^# HELP (\S+) (.+)$`).FindAllStringSubmatch(page, -1) {
		name, help := m[1], m[2]
		if strings.HasPrefix(name, process) {
			continue
		}
		var labels []string
		series := regexp.MustCompile(`(?m)^` + name + `(?:_count)?\{([^}]*)\}`).FindStringSubmatch(page)
		if series != nil {
			for _, l := range matcher.FindAllStringSubmatch(series[1], -1) {
				labels = append(labels, l[1])
			}
		}
		b.WriteString("| `" + name + "` | " + strings.Join(labels, ", ") + " | " + help + " |\n")
	}
	b.WriteString("\nBesides these there are `" + process + "…`: CPU time, memory, open files and start time of the process.\n")
	file := filepath.Join(operations, "metrics.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if document(t, "metrics.md") != b.String() {
		t.Error("docs/operations/metrics.md is out of date: go test ./internal/obs -update")
	}
}
