package inprocess

import "context"

// byHand moves the items over a channel of slices, which the writer fills and
// the reader hands back when it is through: what one writes when a channel of
// items is too slow. Nothing is delivered before a batch is full, and nobody
// can cancel.
func byHand[T any](_ context.Context, n int) (got int, err error) {
	full, free := make(chan []T, window/batch), make(chan []T, window/batch+2)
	go func() {
		defer close(full)
		var v T
		out := make([]T, 0, batch)
		for range n {
			out = append(out, v)
			if len(out) == batch {
				full <- out
				out = emptyBatch(free)
			}
		}
		if len(out) > 0 {
			full <- out
		}
	}()
	var last T
	for in := range full {
		for _, v := range in {
			last = v
			got++
		}
		free <- in[:0]
	}
	keep(last)
	return got, nil
}

// emptyBatch returns a batch that was handed back, or a new one.
func emptyBatch[T any](free <-chan []T) []T {
	select {
	case b := <-free:
		return b
	default:
		return make([]T, 0, batch)
	}
}

// intBatches starts a goroutine that sends the numbers from 0 on in batches,
// for stages that work in place: the slices are never handed back.
func intBatches(n int) <-chan []int {
	full := make(chan []int, window/batch)
	go func() {
		defer close(full)
		for first := 0; first < n; first += batch {
			out := make([]int, min(n-first, batch))
			for i := range out {
				out[i] = first + i
			}
			full <- out
		}
	}()
	return full
}
