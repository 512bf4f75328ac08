package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args      string
		rounds    int
		benchtime time.Duration
		out, plot string
	}{
		{"", 5, 300 * time.Millisecond, "RESULTS.md", "items-per-second.svg"},
		{"-quick", 5, 60 * time.Millisecond, "", ""},
		{"-run TCP", 5, 300 * time.Millisecond, "", ""},
		{"-quick -rounds 1 -benchtime 1s -out x.md", 1, time.Second, "x.md", ""},
		{"-run TCP -plot p.svg", 5, 300 * time.Millisecond, "", "p.svg"},
	} {
		s, err := parse(strings.Fields(tt.args))
		if err != nil || s.rounds != tt.rounds || s.benchtime != tt.benchtime || s.out != tt.out || s.plot != tt.plot {
			t.Errorf("%q: %+v, %v", tt.args, s, err)
		}
	}
	if _, err := parse([]string{"-run", "("}); err == nil {
		t.Error("a broken expression was taken")
	}
}

func TestChoose(t *testing.T) {
	all := []harness.Workload{
		{Group: "A", Name: "one", Quick: true, Cases: []harness.Case{{Name: "x"}, {Name: "slow", FullOnly: true}}},
		{Group: "A", Name: "two", Cases: []harness.Case{{Name: "x"}}},
	}
	for _, tt := range []struct {
		quick bool
		run   string
		want  string
	}{
		{false, "", "A/one/x A/one/slow A/two/x"},
		{true, "", "A/one/x"},
		{false, "two", "A/two/x"},
		{false, "/x$", "A/one/x A/two/x"},
		{false, "nothing", ""},
	} {
		var got []string
		for _, w := range choose(all, tt.quick, regexp.MustCompile(tt.run)) {
			for _, c := range w.Cases {
				got = append(got, w.Group+"/"+w.Name+"/"+c.Name)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("quick %v, run %q: %s", tt.quick, tt.run, s)
		}
	}
	if len(all[0].Cases) != 2 {
		t.Error("choosing changed the workload")
	}
}

func TestFailuresAreAnError(t *testing.T) {
	r := harness.Result{Cases: []harness.CaseResult{{}, {Case: harness.Case{Absent: "no"}, Failed: "no"}}}
	if err := failures([]harness.Result{r}); err != nil {
		t.Fatalf("absent is not failed: %v", err)
	}
	r.Cases[0].Failed = "it broke"
	if err := failures([]harness.Result{r}); err == nil || !strings.Contains(err.Error(), "it broke") {
		t.Fatalf("got %v", err)
	}
}
