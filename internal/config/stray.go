package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// prefix is that of all variables that are ours.
const prefix = "SYNCER_"

// orchestrated are variables that Kubernetes sets for a Service whose name begins with "syncer". They are
// nobody's mistake.
var orchestrated = regexp.MustCompile(`^SYNCER_(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$`)

// strays reports variables that look like ours and are not: a mistyped name would otherwise be a setting that
// is silently not in force.
func strays(environ map[string]string) (errs []error) {
	known := names()
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		switch {
		case !strings.HasPrefix(name, prefix) || slices.Contains(known, name):
		case orchestrated.MatchString(name):
		case strings.HasSuffix(name, "_PORT") && strings.Contains(environ[name], "://"): // Kubernetes again: tcp://10.0.0.1:80
		default:
			hint := "`syncer env` lists all of them"
			if near := nearest(name, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			errs = append(errs, fmt.Errorf("%s: there is no such variable; %s", name, hint))
		}
	}
	return errs
}

// nearest is the name that was probably meant; empty when none is near.
func nearest(name string, known []string) (near string) {
	best := 4
	name = strings.TrimPrefix(name, prefix)
	for _, k := range known {
		short, ours := strings.CutPrefix(k, prefix)
		if !ours {
			continue
		}
		d := distance(name, short)
		if len(name) >= 5 && strings.Contains(short, name) || len(short) >= 5 && strings.Contains(name, short) {
			d = min(d, 3)
		}
		if d < best && 2*d < max(len(name), len(short)) {
			near, best = k, d
		}
	}
	return near
}

// distance is the number of insertions, deletions and replacements between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
