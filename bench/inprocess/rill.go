package inprocess

import (
	"context"

	"github.com/destel/rill"
)

const (
	moduleRill = "github.com/destel/rill"
	sourceRill = "https://github.com/destel/rill"
)

// rillZeros is a stream of n items. A stream is a channel, so it may as well
// have a buffer; rill.Generate makes one without.
func rillZeros[T any](n int) <-chan rill.Try[T] {
	c := make(chan rill.Try[T], window)
	go func() {
		defer close(c)
		for range n {
			c <- rill.Try[T]{}
		}
	}()
	return c
}

// rillInts is rillZeros with the numbers from 0 on.
func rillInts(n int) <-chan rill.Try[int] {
	c := make(chan rill.Try[int], window)
	go func() {
		defer close(c)
		for i := range n {
			c <- rill.Try[int]{Value: i}
		}
	}()
	return c
}

func rillDrain[T any](from <-chan rill.Try[T]) (got int, err error) {
	var last T
	err = rill.ForEach(from, 1, func(v T) error {
		last = v
		got++
		return nil
	})
	keep(last)
	return got, err
}

func rillForEach[T any](_ context.Context, n int) (int, error) {
	return rillDrain(rillZeros[T](n))
}

// rillMap is the parallel map with that many workers.
func rillMap(ordered bool, workers int, f func(int) (int, error)) mover {
	return func(_ context.Context, n int) (int, error) {
		in := rillInts(n)
		if ordered {
			return rillDrain(rill.OrderedMap(in, workers, f))
		}
		return rillDrain(rill.Map(in, workers, f))
	}
}
