package inprocess

import (
	"context"
	"fmt"
	"sync"

	"omnistreams.dev/bench/harness"
	"omnistreams.dev/omni"
)

// mergeScale shows what an item costs when many streams become one.
func mergeScale() harness.Workload {
	w := harness.Workload{
		Group: growth, Name: "merge of 1 to 1,000",
		About: "As many writers, each with a stream of its own, and the reader of their merge.",
	}
	counts := []int{1, 4, 16, 64, 250, 1000}
	for _, k := range counts {
		w.Cases = append(w.Cases, harness.Case{Name: fmt.Sprintf("Merge of %d", k), Kind: harness.Ours, Bench: bench(oursMerge(k))})
	}
	for _, k := range counts {
		w.Cases = append(w.Cases, harness.Case{Name: fmt.Sprintf("goroutines and chan 256: %d", k), Kind: harness.Peer, Source: sourceChan, Aside: true, Bench: bench(chanMerge(k))})
	}
	return w
}

func oursMerge(k int) mover {
	return func(ctx context.Context, n int) (int, error) {
		var ps []*omni.Producer[int]
		for _, share := range shares(n, k) {
			p, c := omni.NewStream[int](&omni.Options{Prefetch: window})
			go feed(ctx, c, share)
			ps = append(ps, p)
		}
		return drain(ctx, omni.Merge(ctx, ps...))
	}
}

// chanMerge has a channel per writer and a goroutine per channel that moves
// its items to the one that is read.
func chanMerge(k int) mover {
	return func(_ context.Context, n int) (got int, err error) {
		out := make(chan int, window)
		var wg sync.WaitGroup
		for _, share := range shares(n, k) {
			in := make(chan int, window)
			go func() {
				defer close(in)
				for i := range share {
					in <- i
				}
			}()
			wg.Go(func() {
				for v := range in {
					out <- v
				}
			})
		}
		go func() { wg.Wait(); close(out) }()
		var last int
		for last = range out {
			got++
		}
		keep(last)
		return got, nil
	}
}
