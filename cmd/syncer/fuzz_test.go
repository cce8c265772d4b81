package main

import (
	"encoding/json"
	"testing"
	"time"

	"syncer/internal/console"
	"syncer/internal/state"
)

// FuzzPlanFile reads files that `syncer apply` might be given: what is taken for a plan fits the run that it was made of
// and no other.
func FuzzPlanFile(f *testing.F) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	made, err := json.Marshal(newSavedPlan(state.Run{ID: "crm-full-3", State: "held"}, []console.PlanRow{{}}, console.Status{}, now))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made)
	f.Add([]byte(`{"format":1,"run":{"id":"x","state":"held"},"people":[null,{"person":18446744073709551615}],"made":"9999-12-31T23:59:59Z"}`))
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := readPlan(data)
		if err != nil {
			return
		}
		if p.Run.ID == "" {
			t.Fatal("the plan of no run")
		}
		if p.fits(state.Run{ID: p.Run.ID, State: "done"}, p.People, console.Status{}, p.Made) == nil {
			t.Fatal("it fits a run that is over")
		}
		if p.fits(state.Run{ID: p.Run.ID, State: "held"}, p.People, console.Status{}, p.Made.Add(25*time.Hour)) == nil {
			t.Fatal("it fits after a day")
		}
		if err := p.fits(state.Run{ID: p.Run.ID, State: "held"}, nil, console.Status{}, p.Made); err == nil && p.Mapping == "" && len(p.People) > 0 {
			t.Fatal("it fits a run that holds nobody")
		}
	})
}
