package harness

import "testing"

func result(name string, kind Kind, ns ...float64) CaseResult {
	c := CaseResult{Case: Case{Name: name, Kind: kind}}
	for _, v := range ns {
		c.Samples = append(c.Samples, Sample{NsPerOp: v, AllocsPerOp: 2, Extra: map[string]float64{"p50-ns": v * 10}})
	}
	return c
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		vs   []float64
		want float64
		ok   bool
	}{
		{nil, 0, false},
		{[]float64{7}, 7, true},
		{[]float64{9, 1, 5}, 5, true},
		{[]float64{4, 1, 100, 2}, 3, true},
	} {
		if got, ok := median(tt.vs); got != tt.want || ok != tt.ok {
			t.Errorf("median(%v) = %v, %v", tt.vs, got, ok)
		}
	}
}

// The machine is twice as slow in round 2 for everyone: the ratio within each
// round is 3, while the ratio of the medians (20/9) is not.
func TestTimesAsFastIsWithinARound(t *testing.T) {
	ours, theirs := result("ours", Ours, 10, 20, 3), result("theirs", Peer, 30, 60, 9)
	if got, ok := ours.TimesAsFast(&theirs, ""); !ok || got != 3 {
		t.Fatalf("got %v, %v", got, ok)
	}
	drifting := result("drifting", Peer, 60, 30, 9)
	if got, _ := ours.TimesAsFast(&drifting, ""); got != 3 {
		t.Fatalf("median of 6, 1.5, 3 is %v", got)
	}
	if got, ok := ours.TimesAsFast(&theirs, "p50-ns"); !ok || got != 3 {
		t.Fatalf("by metric: %v, %v", got, ok)
	}
	if _, ok := ours.TimesAsFast(&theirs, "nobody reports this"); ok {
		t.Fatal("a ratio of figures that are not there")
	}
	short := result("short", Peer, 30)
	if _, ok := ours.TimesAsFast(&short, ""); ok {
		t.Fatal("a ratio with rounds missing")
	}
}

func TestFailedHasNoFigures(t *testing.T) {
	c := result("c", Peer, 1, 2)
	c.Failed = "it broke in round 3"
	if _, ok := c.Median(""); ok {
		t.Fatal("median of a failed case")
	}
	if _, _, ok := c.Spread(""); ok {
		t.Fatal("spread of a failed case")
	}
}

func TestSpreadAndPublished(t *testing.T) {
	c := result("c", Peer, 40, 20, 60)
	if lo, hi, ok := c.Spread(""); lo != 20 || hi != 60 || !ok {
		t.Fatalf("%v–%v", lo, hi)
	}
	if _, ok := c.OfPublished(); ok {
		t.Fatal("nothing was published")
	}
	c.Published = 30
	if got, ok := c.OfPublished(); got != 0.75 || !ok {
		t.Fatalf("got %v", got)
	}
}

func TestBestLeavesOutAsideAndFailed(t *testing.T) {
	aside, broken := result("aside", Peer, 1), result("broken", Peer, 2)
	aside.Aside, broken.Failed = true, "no"
	r := Result{Cases: []CaseResult{result("ours", Ours, 1), aside, broken, result("slow", Peer, 9), result("fast", Peer, 5)}}
	if got := r.Best(Peer, ""); got == nil || got.Name != "fast" {
		t.Fatalf("best peer: %+v", got)
	}
	if got := r.Best(Limit, ""); got != nil {
		t.Fatalf("there is no limit: %+v", got)
	}
}

func TestVerdicts(t *testing.T) {
	w := Workload{
		Cases: []Case{{Name: "peer", Kind: Peer}, {Name: "a", Kind: Ours}, {Name: "b", Kind: Ours}},
		Goals: []Goal{
			{Against: "peer", Reach: 2, Stretch: 5},
			{Case: "b", Against: BestPeer, Reach: 2, Stretch: 4},
			{Metric: "allocs/op", Reach: 2, Stretch: 1},
			{Metric: "allocs/op", Reach: 1},
			{Against: "not run", Reach: 1},
			{Case: "not run", Against: "peer", Reach: 1},
			{Against: "peer", Metric: "p50-ns", Reach: 6},
		},
	}
	r := Result{Workload: w, Cases: []CaseResult{result("peer", Peer, 40), result("a", Ours, 10), result("b", Ours, 5)}}
	want := []struct {
		subject, other        string
		measured              float64
		known, reach, stretch bool
	}{
		{"a", "peer", 4, true, true, false},
		{"b", "peer", 8, true, true, true},
		{"a", "", 2, true, true, false},
		{"a", "", 2, true, false, false},
		{"a", "not run", 0, false, false, false},
		{"not run", "peer", 0, false, false, false},
		{"a", "peer", 4, true, false, false},
	}
	for i, v := range r.Verdicts() {
		reach, stretch := v.Met()
		w := want[i]
		if v.Subject != w.subject || v.Other != w.other || v.Measured != w.measured || v.Known != w.known || reach != w.reach || stretch != w.stretch {
			t.Errorf("goal %d: %+v, reach %v, stretch %v", i, v, reach, stretch)
		}
	}
}
