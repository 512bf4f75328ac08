package inprocess

import (
	"context"
	"testing"

	"omnistreams.dev/bench/harness"
	"omnistreams.dev/omni"
)

// workers is how many calls may run at a time: more than there are cores, as
// one has it for work that waits now and then.
const workers = 8

// parallel is the map whose calls run side by side. Its goal is modest, and
// most miss it: not to be slower than no parallelism at all.
func parallel(ordered bool) harness.Workload {
	w := harness.Workload{
		Group: "In process", Name: "parallel map, in order", Quick: ordered,
		About: "8 workers with 0.4 µs of arithmetic per item, the same number of steps for everyone.",
		Cases: []harness.Case{
			{Name: "ParallelMap", Kind: harness.Ours, Bench: working(oursParallel(!ordered))},
			{Name: "batches of 64 by hand", Kind: harness.Peer, Bench: working(batchParallel(ordered))},
			{Name: "conc stream", Kind: harness.Peer, Source: sourceConc, Module: moduleConc, Bench: working(func(f func(int) int) mover { return concStream(workers, f) })},
			{Name: "rill", Kind: harness.Peer, Source: sourceRill, Module: moduleRill, Bench: working(rillParallel(ordered))},
			{Name: "alone in one goroutine", Kind: harness.Limit, Published: 402, Bench: working(alone)},
		},
		Goals: []harness.Goal{{Against: "alone in one goroutine", Reach: 1, Stretch: 1.5}},
	}
	if ordered {
		w.Cases[1].Published, w.Cases[2].Published, w.Cases[3].Published = 242, 1796, 1491
	} else {
		w.Name = "parallel map, in any order"
		w.About = "The same with results as they come. conc's stream has no such mode, and is as above."
		w.Goals = nil
	}
	return w
}

// working benchmarks what build makes of the work. The work is measured
// before the clock of the benchmark runs.
func working(build func(func(int) int) mover) func(*testing.B) {
	return func(b *testing.B) {
		move := bench(build(work()))
		b.ResetTimer()
		move(b)
	}
}

func oursParallel(unordered bool) func(func(int) int) mover {
	return func(f func(int) int) mover {
		return func(ctx context.Context, n int) (int, error) {
			p, c := omni.NewStream[int](&omni.Options{Prefetch: window})
			go feedInts(ctx, c, n)
			opt := &omni.ParallelOptions{Workers: workers, Unordered: unordered}
			return drain(ctx, omni.ParallelMap(ctx, p, opt, func(_ context.Context, v int) (int, error) { return f(v), nil }))
		}
	}
}

func rillParallel(ordered bool) func(func(int) int) mover {
	return func(f func(int) int) mover {
		return rillMap(ordered, workers, func(v int) (int, error) { return f(v), nil })
	}
}

// alone is what parallelism has to beat: a loop.
func alone(f func(int) int) mover {
	return func(_ context.Context, n int) (got int, err error) {
		var last int
		for i := range n {
			last = f(i)
			got++
		}
		keep(last)
		return got, nil
	}
}
