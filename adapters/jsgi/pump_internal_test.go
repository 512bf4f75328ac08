package jsgi

import "testing"

// A stream is held only while the one it is pumped into has a drain to come,
// which resumes it: on another queue the drain may have come before.
func TestHoldIsForADrainThatComes(t *testing.T) {
	from, to := NewStream[int](nil), NewStream[int](nil)
	hold(from, to)
	if from.paused {
		t.Error("held, and no drain comes")
	}
	if on, err := to.Write(1); on || err != nil { // nobody listens
		t.Fatal(on, err)
	}
	hold(from, to)
	if !from.paused {
		t.Error("not held")
	}
}
