package obs_test

import (
	"strings"
	"testing"

	"syncer/internal/obs"
)

// TestNamesWithCapitals: a mapping file may call its sources CRM and ERP. When both counted as "other", their gauges
// were one series twice, and the page of metrics showed neither.
func TestNamesWithCapitals(t *testing.T) {
	m := obs.NewMetrics()
	m.Set(obs.Gauges{Sources: []obs.SourceGauges{{Source: "CRM", Silent: 5e9}, {Source: "ERP_2", Silent: 7e9}},
		Targets: []obs.TargetGauges{{Target: "Weni", Linked: 3}, {Target: "Inbox", Linked: 4}}})
	page := scrape(t, m)
	for _, want := range []string{`syncer_source_silent_seconds{source="CRM"} 5`, `syncer_source_silent_seconds{source="ERP_2"} 7`,
		`syncer_linked{target="Weni"} 3`, `syncer_linked{target="Inbox"} 4`} {
		if !strings.Contains(page, "\n"+want+"\n") {
			t.Errorf("%s is missing:\n%s", want, page)
		}
	}
}
