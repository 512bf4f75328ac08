package inprocess

import (
	"context"
	"sync"
)

// job is a batch on its way through the workers.
type job struct {
	items []int
	done  chan struct{} // receives one value when the items are worked on
}

// batchParallel hands batches of 64 to the workers.
func batchParallel(ordered bool) func(func(int) int) mover {
	return func(f func(int) int) mover {
		if ordered {
			return func(_ context.Context, n int) (int, error) { return batchOrdered(f, n), nil }
		}
		return func(_ context.Context, n int) (int, error) { return batchUnordered(f, n), nil }
	}
}

// batchOrdered keeps the order by a second channel that has every job in the
// order of its making.
func batchOrdered(f func(int) int, n int) (got int) {
	jobs, order := make(chan job, workers), make(chan job, workers)
	go func() {
		defer close(jobs)
		defer close(order)
		for b := range intBatches(n) {
			j := job{b, make(chan struct{}, 1)}
			order <- j
			jobs <- j
		}
	}()
	for range workers {
		go func() {
			for j := range jobs {
				for i, v := range j.items {
					j.items[i] = f(v)
				}
				j.done <- struct{}{}
			}
		}()
	}
	var last int
	for j := range order {
		<-j.done
		for _, v := range j.items {
			last = v
			got++
		}
	}
	keep(last)
	return got
}

func batchUnordered(f func(int) int, n int) int {
	in, out := intBatches(n), make(chan []int, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for b := range in {
				for i, v := range b {
					b[i] = f(v)
				}
				out <- b
			}
		})
	}
	go func() { wg.Wait(); close(out) }()
	return countBatches(out)
}
