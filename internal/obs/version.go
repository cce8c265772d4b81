// Package obs is how syncer is observed: logs in which nobody's data and no secret can be read, metrics, and
// which version runs. It watches and never decides.
package obs

import "runtime/debug"

// version is set by the release build: -ldflags "-X syncer/internal/obs.version=v1.2.3".
var version string

// Version names this build: the release, or the commit it was built from.
func Version() string {
	info, _ := debug.ReadBuildInfo()
	return describe(version, info)
}

func describe(version string, info *debug.BuildInfo) string {
	switch {
	case version != "":
		return version
	case info == nil:
		return "devel"
	case info.Main.Version != "" && info.Main.Version != "(devel)":
		return info.Main.Version
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	name := "devel"
	if commit := set["vcs.revision"]; commit != "" {
		name += "-" + commit[:min(12, len(commit))]
	}
	if set["vcs.modified"] == "true" {
		name += "-modified"
	}
	return name
}
