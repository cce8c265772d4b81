package app_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func packages(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,Standard", "-deps", "syncer/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// TestLayers keeps the direction of dependencies: the domain knows nothing, adapters know the domain and not each
// other, and only app knows everything.
func TestLayers(t *testing.T) {
	all := packages(t)
	in := func(path string, roots ...string) bool {
		return slices.ContainsFunc(roots, func(r string) bool {
			r = "syncer/internal/" + r
			return path == r || strings.HasPrefix(path, r+"/")
		})
	}
	// What a package may import of ours, directly.
	may := map[string][]string{
		"contact":   {},
		"state":     {"contact", "state"},
		"mapping":   {"contact", "mapping"},
		"outbound":  {"contact"},
		"budget":    {"contact", "state"},
		"source":    {"contact", "mapping", "outbound", "source"},
		"weni":      {"contact", "mapping", "outbound"},
		"omni":      {"contact", "mapping", "outbound", "omni"},
		"intake":    {"contact", "mapping", "source"},
		"engine":    {"contact", "mapping", "state", "source", "budget"},
		"reconcile": {"contact", "mapping", "state", "source", "engine"},
		"console":   {"contact", "state", "console"},
		"obs":       {"contact", "state"},
		"config":    {},
		"notify":    {"contact", "mapping", "outbound", "obs"},
		"sandbox":   {"contact", "mapping", "omni/table", "sandbox"},
	}
	for path, p := range all {
		for root, allowed := range may {
			if !in(path, root) {
				continue
			}
			for _, dep := range p.Imports {
				if !strings.HasPrefix(dep, "syncer/") {
					continue
				}
				if !in(dep, allowed...) {
					t.Errorf("%s must not import %s", path, dep)
				}
			}
		}
		// One kind of source must not know another; what they share is no kind.
		if in(path, "source") && path != "syncer/internal/source" {
			for _, dep := range p.Imports {
				if in(dep, "source") && dep != "syncer/internal/source" && dep != "syncer/internal/source/rawjson" && !strings.HasPrefix(dep, path+"/") && !strings.HasPrefix(path, dep+"/") {
					t.Errorf("%s must not import %s", path, dep)
				}
			}
		}
	}
	for _, dep := range all["syncer/internal/contact"].Imports {
		if !all[dep].Standard {
			t.Errorf("the domain imports %s; it may import the standard library only", dep)
		}
	}
	for _, dep := range all["syncer/internal/mapping"].Imports {
		if dep == "net" || dep == "net/http" || dep == "os" {
			t.Errorf("mapping imports %s; it does no input and output", dep)
		}
	}
	for path := range all {
		if strings.Contains(path, "nyaruka/gocommon") {
			t.Errorf("%s is linked; its licence (AGPL) does not allow that here", path)
		}
	}
}
