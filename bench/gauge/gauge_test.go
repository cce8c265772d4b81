package gauge_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/bench/gauge"
)

func TestQuantiles(t *testing.T) {
	values := []int{9, 1, 5, 3, 7}
	if m := gauge.Median(values); m != 5 {
		t.Errorf("the middle of %v is %d", values, m)
	}
	if !slices.Equal(values, []int{9, 1, 5, 3, 7}) {
		t.Errorf("taking the middle has sorted the values: %v", values)
	}
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for share, want := range map[float64]int{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := gauge.Quantile(hundred, share); got != want {
			t.Errorf("quantile %v is %d, not %d", share, got, want)
		}
	}
	if gauge.Median([]float64{}) != 0 {
		t.Error("nothing has a middle")
	}
}

// A round that was slow for both sides says nothing about their ratio.
func TestRatiosPairRounds(t *testing.T) {
	if got := gauge.Ratios([]float64{10, 1, 4}, []float64{20, 2, 4}); !slices.Equal(got, []float64{0.5, 0.5, 1}) {
		t.Errorf("ratios: %v", got)
	}
}

func TestTableTellsMissedBars(t *testing.T) {
	print := func(ok bool) (string, error) {
		table := gauge.Table{Title: "speed", Heads: []string{"what", "measured", ""}}
		table.Row("a", 12, table.Verdict(true, "10"))
		table.Row("b", 8, table.Verdict(ok, "10"))
		var out bytes.Buffer
		err := table.Print(&out)
		return out.String(), err
	}
	if text, err := print(true); err != nil || !strings.Contains(text, "a     12        pass (10)") {
		t.Errorf("%v\n%s", err, text)
	}
	text, err := print(false)
	if !strings.Contains(text, "b     8         SHORT (10)") || !gauge.OnlyShort(err) {
		t.Errorf("%v\n%s", err, text)
	}
	if !gauge.OnlyShort(errors.Join(nil, err, fmt.Errorf("accept: %w", errors.Join(err)))) {
		t.Error("several missed bars are more than missed bars")
	}
	if gauge.OnlyShort(errors.Join(err, errors.New("no disk"))) || gauge.OnlyShort(nil) {
		t.Error("a failure passes for a missed bar")
	}
}

// What cannot be seen on this system is an error; what can is not nothing.
func TestOwnMemoryIsSeen(t *testing.T) {
	peak := gauge.Peak(os.Getpid())
	before, err := gauge.RssAnon(os.Getpid())
	if err != nil || before < 100_000 {
		t.Fatal(before, err)
	}
	large := bytes.Repeat([]byte{1}, 64<<20)
	time.Sleep(50 * time.Millisecond)
	if most := peak(); most < before+32<<20 {
		t.Errorf("from %d to %d with %d more", before, most, len(large))
	}
	if n, err := gauge.Files(os.Getpid()); err != nil || n < 3 {
		t.Error(n, err)
	}
	if _, err := gauge.RssAnon(1 << 30); err == nil {
		t.Error("a process that does not exist has memory")
	}
}

func TestMachine(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := gauge.Machine(&out, dir); err != nil || !strings.Contains(out.String(), "fdatasync of 4 KiB a second") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

func TestDropCache(t *testing.T) {
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := gauge.DropCache(path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || len(data) != 1<<20 {
		t.Error(len(data), err)
	}
	if err := gauge.DropCache(path + "-not"); err == nil {
		t.Error("a file that does not exist was dropped")
	}
}

func TestParse(t *testing.T) {
	if n, err := gauge.Parse("-n", "1,32,100_000"); err != nil || !slices.Equal(n, []int{1, 32, 100_000}) {
		t.Error(n, err)
	}
	for _, text := range []string{"", "0", "a", "1,,2", "-3"} {
		if n, err := gauge.Parse("-n", text); err == nil || !strings.Contains(err.Error(), "-n") {
			t.Errorf("%q is read as %v, %v", text, n, err)
		}
	}
}
