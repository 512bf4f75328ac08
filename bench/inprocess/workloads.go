package inprocess

import (
	"context"
	"testing"

	"omnistreams.dev/bench/harness"
)

// window is how many items may be on their way in every contender that has
// such a number: enough that nobody waits for each item.
const window = 256

// batch is how many items a batch by hand holds. A quarter of the window, so
// that as many items are on their way as in the others.
const batch = 64

// Workloads returns all of this package.
func Workloads() []harness.Workload {
	return []harness.Workload{
		ints(), items64(),
		mapFilterMap(), fiveMaps(),
		parallel(true), parallel(false),
		latency(),
		stagesScale(), writersScale(), mergeScale(), coresScale(),
	}
}

// mover moves n items and returns how many arrived. ctx can be canceled, as in
// a program, and never is.
type mover func(ctx context.Context, n int) (got int, err error)

// bench makes a benchmark of one: an op is an item.
func bench(move mover) func(*testing.B) {
	return func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		got, err := move(ctx, b.N)
		if err != nil {
			b.Fatal(err)
		}
		if got != b.N {
			b.Fatalf("%d of %d items arrived", got, b.N)
		}
	}
}
