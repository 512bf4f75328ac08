package inprocess

import (
	"context"
	"fmt"
	"sync"

	"omnistreams.dev/bench/harness"
	"omnistreams.dev/omni"
)

// shares splits n items among k writers.
func shares(n, k int) []int {
	s := make([]int, k)
	for i := range s {
		s[i] = n / k
		if i < n%k {
			s[i]++
		}
	}
	return s
}

// writersScale shows what an item costs when many write to one stream.
func writersScale() harness.Workload {
	w := harness.Workload{
		Group: growth, Name: "1 to 1,000 writers on one stream",
		About: "The items of all writers, one reader.",
	}
	counts := []int{1, 4, 16, 64, 250, 1000}
	for _, k := range counts {
		w.Cases = append(w.Cases, harness.Case{Name: fmt.Sprintf("writers: %d", k), Kind: harness.Ours, Bench: bench(oursWriters(k))})
	}
	for _, k := range counts {
		w.Cases = append(w.Cases, harness.Case{Name: fmt.Sprintf("chan 256, writers: %d", k), Kind: harness.Peer, Source: sourceChan, Aside: true, Bench: bench(chanWriters(k))})
	}
	return w
}

func oursWriters(k int) mover {
	return func(ctx context.Context, n int) (int, error) {
		p, c := omni.NewStream[int](&omni.Options{Prefetch: window})
		var wg sync.WaitGroup
		for _, share := range shares(n, k) {
			wg.Go(func() {
				for i := range share {
					if c.Write(ctx, i) != nil {
						return
					}
				}
			})
		}
		go func() { wg.Wait(); c.End() }()
		return drain(ctx, p)
	}
}

func chanWriters(k int) mover {
	return func(_ context.Context, n int) (got int, err error) {
		c := make(chan int, window)
		var wg sync.WaitGroup
		for _, share := range shares(n, k) {
			wg.Go(func() {
				for i := range share {
					c <- i
				}
			})
		}
		go func() { wg.Wait(); close(c) }()
		var last int
		for last = range c {
			got++
		}
		keep(last)
		return got, nil
	}
}
