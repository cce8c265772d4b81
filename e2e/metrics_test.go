package e2e

import (
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMetricsOfTheDocs: every metric that the documents, the alerts and the dashboard name is on the page of a syncer that
// has worked for a minute, with the labels that the documents say.
func TestMetricsOfTheDocs(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.env = w.env.With("SYNCER_STATE", w.env["SYNCER_STATE"]+"?max=1GB")
	w.define()
	w.start()
	w.firstRuns()
	w.ok("hooks", "install", "crm")
	w.must(w.pipedrive(http.MethodPost, "v2/persons", someone("MARINA QUARESMA", "(84) 99000-0101"), nil))
	w.await("the CRM has delivered", func() (bool, error) { return w.events()["accepted"] == 1, nil })
	w.settle()

	named := map[string][]string{} // labels, where the documents say them
	for _, name := range []string{"README.md", "install.md", "runbook.md", "metrics.md", "alerts.yml", "grafana.json"} {
		text, err := os.ReadFile("../docs/operations/" + name)
		w.must(err)
		for _, metric := range regexp.MustCompile(`\bsyncer_[a-z0-9_]+[a-z0-9]\b`).FindAllString(string(text), -1) {
			if metric = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(metric, ""); metric != "syncer_default" && metric != "syncer_state" && metric != "syncer_process" { // a network, a volume, and what depends on the system
				named[metric] = append(named[metric], "")
			}
		}
		for _, row := range regexp.MustCompile("(?m)^\\| `(syncer_\\w+)` \\| ([a-z, ]*) \\|").FindAllStringSubmatch(string(text), -1) {
			named[row[1]] = strings.FieldsFunc(row[2], func(r rune) bool { return r == ' ' || r == ',' })
		}
	}
	if len(named) < 30 {
		t.Fatalf("the documents name only %d metrics", len(named))
	}
	var missing []string
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) { // gauges are taken once a minute
		missing = nil
		series := seriesOf(w)
		for _, metric := range slices.Sorted(maps.Keys(named)) {
			labels, there := series[metric]
			if !there {
				missing = append(missing, metric)
			}
			for _, label := range named[metric] {
				if there && label != "" && !slices.Contains(labels, label) {
					t.Errorf("%s has no label %s, only %v", metric, label, labels)
				}
			}
		}
		if len(missing) == 0 || t.Failed() || time.Now().After(deadline) {
			break
		}
	}
	if len(missing) > 0 {
		t.Errorf("the documents name what is not there: %s", strings.Join(missing, ", "))
	}
}

// seriesOf are the metrics on the page, with the labels of one series each; the parts of a histogram count as it.
func seriesOf(w *world) map[string][]string {
	w.Helper()
	resp, err := http.Get(w.admin.Base + "/metrics")
	w.must(err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	w.must(err)
	out := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(syncer_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`).FindAllStringSubmatch(string(page), -1) {
		var labels []string
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		out[m[1]] = labels
	}
	return out
}
