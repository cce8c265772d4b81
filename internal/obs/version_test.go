package obs

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	built := func(module string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: module}, Settings: settings}
	}
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	for _, tt := range []struct {
		set  string
		info *debug.BuildInfo
		want string
	}{
		{"v1.2.3", built("v0.0.0"), "v1.2.3"},
		{"", nil, "devel"},
		{"", built("(devel)"), "devel"},
		{"", built("v1.2.4"), "v1.2.4"},
		{"", built("(devel)", commit), "devel-0123456789ab"},
		{"", built("", commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "devel-0123456789ab-modified"},
	} {
		if got := describe(tt.set, tt.info); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if Version() == "" {
		t.Error("this build has no version")
	}
}
