package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// verdict is what a fault must lead to, where it is not that everybody is there by itself.
type verdict struct {
	faults *regexp.Regexp
	on     []string
	ends   []string
}

var live = []string{weni, flow, inbox}

// verdicts are read from the top; the first that fits counts.
var verdicts = []verdict{
	// The credentials are refused: nothing is tried until somebody says so, or ten minutes later.
	{regexp.MustCompile(`^401`), live, []string{resumed}},
	{regexp.MustCompile(`^403`), []string{weni}, []string{resumed}},
	{regexp.MustCompile(`^403`), []string{crm}, []string{waits}},
	// The content is refused: a dead letter, once.
	{regexp.MustCompile(`^409 JSON`), []string{weni, flow}, []string{retried}},
	{regexp.MustCompile(`^409 JSON`), []string{inbox}, []string{nextWord}},
	{regexp.MustCompile(`^413`), live, []string{retried}},
	{regexp.MustCompile(`^405`), []string{weni}, []string{retried}},
	// The source says that they are gone, or that there is nobody: the next word of it counts.
	{regexp.MustCompile(goneAtSource), []string{fetch}, []string{nextWord}},
	{regexp.MustCompile(`^204`), []string{list}, []string{nextWord}},
	// A run that is refused ends, and says why; what passes by itself it waits out.
	{regexp.MustCompile(`^(4[01]|200 with (null|{}|\[\])|204|next is|the same cursor|cursors|always)`), []string{crm, list}, []string{nextRun, byItself}},
	{regexp.MustCompile(``), []string{mirror}, []string{nextRun, byItself}},
	// Who refuses a notice is not told it again; the next one is sent. A page that says 404 may be that of a server which is
	// just being replaced.
	{regexp.MustCompile(`^4(0[0135]|09|1)`), []string{operator}, []string{"next notice"}},
}

// words are what syncer must have said of a fault: in status, in explain, of a run, of a dead letter or in the log. A
// fault that only takes time needs none.
var words = []struct{ faults, says *regexp.Regexp }{
	{regexp.MustCompile(`^(latency|jitter|bandwidth|answer in slices|slow close|the right JSON)`), nil},
	{regexp.MustCompile(`^(reset|answer cut|closed after|connection cut)`), regexp.MustCompile(`the connection broke`)},
	{regexp.MustCompile(`^(half-open|a body that drips)`), regexp.MustCompile(`no answer in time|the connection broke`)},
	{regexp.MustCompile(`^down`), regexp.MustCompile(`it cannot be reached`)},
	{regexp.MustCompile(`^401`), regexp.MustCompile(`it refuses the credentials \(HTTP 401\)`)},
	{regexp.MustCompile(`^403`), regexp.MustCompile(`it refuses the credentials \(HTTP 403\)|its firewall blocks|something in front of it refuses`)},
	{regexp.MustCompile(`^404`), regexp.MustCompile(`check (api\.)?base_url|does not know|check the address`)},
	{regexp.MustCompile(`^409`), regexp.MustCompile(`HTTP 409|it reports a conflict|conflict$`)},
	{regexp.MustCompile(`^(400|405|413)`), regexp.MustCompile(`\(HTTP 4(00|05|13)\b`)},
	{regexp.MustCompile(`^429`), regexp.MustCompile(`it asks to slow down|waits? for the call budget|the burst limit is used up|the budget of scope`)},
	{regexp.MustCompile(`^50[023]`), regexp.MustCompile(`it failed \(HTTP 50[023]\)`)},
	{regexp.MustCompile(`^30[27]`), regexp.MustCompile(`it answered with a redirect \(HTTP 30[27]\), which is never followed`)},
	{regexp.MustCompile(`^next is on another host`), regexp.MustCompile(`is on another host|no end|twice|do not end`)},
	{regexp.MustCompile(`cursor`), regexp.MustCompile(`no end|do not end|would never end`)},
	{regexp.MustCompile(`^(100 MB|a body without end|gzip bomb)`), regexp.MustCompile(`its answer is larger than syncer reads`)},
	{regexp.MustCompile(`^(JSON cut|20[04])`), regexp.MustCompile(`its answer (is|has|holds) |something else than its API|there is nothing at list|ok statuses|the source returned no record|a record has no id|an earlier create`)},
}

// goneAtSource is how an API says that a record is gone.
const goneAtSource = "404 JSON"

const (
	// mostCalls is what a fault may cost, with the three customers who are written afterwards.
	mostCalls = 32
	// mostMemory is what a syncer may need while three of its servers send all they can, in MB.
	mostMemory = 400
)

// judge compares a result with what it should be.
func (c *cell) judge(r *result, memory int) {
	wrong := func(format string, args ...any) { r.wrong = append(r.wrong, fmt.Sprintf(format, args...)) }
	ends := []string{byItself}
	for _, v := range verdicts {
		if v.faults.MatchString(c.f.name) && (v.on == nil || slices.Contains(v.on, c.column)) {
			ends = v.ends
			break
		}
	}
	if !slices.Contains(ends, r.ends) {
		wrong("it ends %s, not %s", r.ends, strings.Join(ends, " or "))
	}
	if r.calls > mostCalls {
		wrong("%d calls", r.calls)
	}
	if c.f.heavy && memory > mostMemory {
		wrong("%d MB", memory)
	}
	if strings.Contains(c.d.Stderr(), c.phone(0)[:7]) || strings.Contains(strings.Join(r.words, " "), c.phone(0)[:7]) {
		wrong("a number can be read in what syncer says")
	}
	for _, w := range words {
		if !w.faults.MatchString(c.f.name) {
			continue
		}
		silent := c.column == operator && r.ends == byItself || // a notice says so only when it is given up
			c.column == fetch && c.f.name == goneAtSource // that is no failure
		if w.says == nil || silent {
			return
		}
		i := slices.IndexFunc(r.words, w.says.MatchString)
		if i < 0 {
			wrong("no word of it that fits %s", w.says)
			return
		}
		r.says = r.words[i]
		return
	}
	wrong("nobody has said what syncer should say")
}
