package engine

import "syncer/internal/state"

// RunOpen reports whether a run still holds people back on purpose: it is being made, or waits for somebody. A
// hold under any other run is left over, and the next run takes it over.
func RunOpen(tx state.Tx, id string) bool {
	if id == "" {
		return false
	}
	if id == DryRun {
		return true
	}
	r, ok := state.Runs.Get(tx, id)
	return ok && (r.State == RunWalking || r.State == RunPlanning || r.State == RunHeld)
}
