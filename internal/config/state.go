package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// StateFile takes SYNCER_STATE apart: the file, and how many bytes it may grow to (0: as many as the disk has).
func (c Config) StateFile() (path string, max int64, err error) {
	fail := func(format string, args ...any) (string, int64, error) {
		return "", 0, fmt.Errorf("SYNCER_STATE: "+format, args...)
	}
	kind, rest, ok := strings.Cut(c.State, ":")
	if !ok || kind != "bolt" {
		return fail("%q names no store that this syncer has; write bolt: and a file, such as bolt:data/syncer.db", redacted(c.State))
	}
	path, query, _ := strings.Cut(rest, "?")
	path = strings.TrimPrefix(path, "//") // written like an address: bolt:///var/lib/syncer.db
	if path == "" || strings.HasSuffix(path, "/") {
		return fail("%q names no file; write bolt:data/syncer.db", redacted(c.State))
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return fail("%q cannot be read behind the ?; the only option is max, as in ?max=2GB", redacted(c.State))
	}
	for name, values := range options {
		if name != "max" || len(values) != 1 {
			return fail("it has no option %q, or not twice; the only one is max, as in ?max=2GB", name)
		}
		if max, err = size(values[0]); err != nil {
			return fail("max: %w", err)
		}
	}
	return path, max, nil
}

// leastSize is what a store needs to hold anything at all.
const leastSize = 1 << 20

var sizes = regexp.MustCompile(`(?i)^\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*$`)

// size reads 2GB, 1.5GiB, 500MB or plain bytes.
func size(text string) (int64, error) {
	m := sizes.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size such as 500MB, 2GB or 2GiB", text)
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	step := 1000.0
	if m[3] != "" {
		step = 1024
	}
	for range strings.Index("_KMGT", strings.ToUpper(m[2] + "_")[:1]) {
		n *= step
	}
	if n < leastSize || n > 1<<60 {
		return 0, fmt.Errorf("%q is not a size between 1MiB and 1EiB", text)
	}
	return int64(n), nil
}
