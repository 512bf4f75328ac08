package harness

import (
	"strings"
	"testing"
	"time"
)

func TestRunInterleavesAndRotates(t *testing.T) {
	var order strings.Builder
	w := Workload{Group: "G", Name: "W"}
	for _, name := range []string{"a", "b", "c"} {
		w.Cases = append(w.Cases, Case{Name: name, Bench: func(b *testing.B) { order.WriteString(name) }})
	}
	var log strings.Builder
	r := RunOps(w, 3, 1, &log)
	if got := order.String(); got != "abcbcacab" {
		t.Fatalf("order %q", got)
	}
	for _, c := range r.Cases {
		if len(c.Samples) != 3 || c.Failed != "" {
			t.Fatalf("%s: %+v", c.Name, c)
		}
	}
	if got := strings.Count(log.String(), "G/W: round"); got != 3 {
		t.Fatalf("%d lines of progress: %q", got, log.String())
	}
}

func TestRunCountsWhatACaseReports(t *testing.T) {
	var sink []byte
	w := Workload{Cases: []Case{{Name: "c", Bench: func(b *testing.B) {
		for range b.N {
			sink = make([]byte, 1<<16)
		}
		b.ReportMetric(7, "p50-ns")
	}}}}
	r := RunOps(w, 1, 100, nil)
	_ = sink
	c := r.Cases[0]
	if got, ok := c.Median("p50-ns"); got != 7 || !ok {
		t.Fatalf("p50 %v", got)
	}
	if got, _ := c.Median("allocs/op"); got < 1 {
		t.Fatalf("%v allocations", got)
	}
	if got, _ := c.Median("B/op"); got < 1<<16 {
		t.Fatalf("%v bytes", got)
	}
}

// A failure is a result with its reason, whenever it comes and however, and
// the others go on.
func TestRunReportsFailures(t *testing.T) {
	calls := map[string]int{}
	w := Workload{Cases: []Case{
		{Name: "fatal", Bench: func(b *testing.B) { calls["fatal"]++; b.Fatal("no such", "thing") }},
		{Name: "panic", Bench: func(b *testing.B) { calls["panic"]++; panic("oh") }},
		{Name: "late", Bench: func(b *testing.B) {
			if calls["late"]++; b.N > 1 {
				b.Fatalf("only at N=%d", b.N)
			}
		}},
		{Name: "skip", Bench: func(b *testing.B) { b.Skip("not today") }},
		{Name: "absent", Absent: "cannot be had", Published: 5},
		{Name: "fine", Bench: func(b *testing.B) { calls["fine"]++ }},
	}}
	r := RunOps(w, 2, 50, nil)
	for name, want := range map[string]string{
		"fatal": "no such thing", "panic": "panic: oh", "late": "only at N=50", "skip": "skipped:", "absent": "cannot be had",
	} {
		if got := r.Find(name).Failed; !strings.Contains(got, want) {
			t.Errorf("%s: failed %q, want %q", name, got, want)
		}
	}
	if got := r.Find("fine"); got.Failed != "" || len(got.Samples) != 2 {
		t.Errorf("fine: %+v", got)
	}
	if calls["fatal"] != 1 || calls["panic"] != 1 {
		t.Errorf("what failed was tried again: %v", calls)
	}
}

// A case that hangs keeps the testing package's lock: the rest is not run, and
// says so.
func TestRunGivesUpOnACaseThatHangs(t *testing.T) {
	release, returned := make(chan struct{}), make(chan struct{})
	defer func(p time.Duration) { Patience, hung = p, "" }(Patience)
	Patience = 10 * time.Millisecond
	w := Workload{Cases: []Case{
		{Name: "stuck", Bench: func(b *testing.B) { defer close(returned); <-release }},
		{Name: "next", Bench: func(b *testing.B) {}},
	}}
	r := RunOps(w, 1, 1, nil)
	close(release)
	<-returned
	if got := r.Find("stuck").Failed; !strings.Contains(got, "hangs") {
		t.Errorf("stuck: %q", got)
	}
	if got := r.Find("next").Failed; !strings.Contains(got, "stuck hangs") {
		t.Errorf("next: %q", got)
	}
}
