package omni_test

import (
	"context"
	"runtime"
	"testing"

	"omnistreams.dev/omni"
)

// TestP18RequestInTheLoop: whoever requests the next item while it deals with
// the last, a million times, is no deeper in the end than at first.
func TestP18RequestInTheLoop(t *testing.T) {
	const many = 1_000_000
	ctx := t.Context()
	src := omni.Produce(ctx, func(ctx context.Context, out *omni.Consumer[int]) error {
		for i := range many {
			if err := out.Write(ctx, i); err != nil {
				return err
			}
		}
		return nil
	})
	depth := func() int { return runtime.Callers(0, make([]uintptr, 1000)) }
	var mapped *omni.Producer[int]
	first, deepest := 0, 0
	note := func() {
		d := depth()
		if first == 0 {
			first = d
		}
		deepest = max(deepest, d)
	}
	mapped = omni.Map(ctx, src, func(n int) (int, error) {
		mapped.Request(1)
		if n%1000 == 0 {
			note()
		}
		return n, nil
	})
	n := 0
	for _, err := range mapped.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		mapped.Request(1)
		n++
	}
	if n != many || deepest != first {
		t.Fatalf("%d items; %d calls deep at first, %d in the end", n, first, deepest)
	}
}
