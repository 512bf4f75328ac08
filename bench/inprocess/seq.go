package inprocess

import (
	"context"
	"iter"
)

const sourceIter = "https://go.dev/src/iter/iter.go"

func zeros[T any](n int) iter.Seq[T] {
	return func(yield func(T) bool) {
		var v T
		for range n {
			if !yield(v) {
				return
			}
		}
	}
}

// seqPush ranges over an iterator: function calls on one goroutine.
func seqPush[T any](_ context.Context, n int) (got int, err error) {
	var last T
	for v := range zeros[T](n) {
		last = v
		got++
	}
	keep(last)
	return got, nil
}

// seqPull takes the items one by one from a coroutine. Writer and reader never
// run at the same time.
func seqPull[T any](_ context.Context, n int) (got int, err error) {
	next, stop := iter.Pull(zeros[T](n))
	defer stop()
	var last T
	for {
		v, ok := next()
		if !ok {
			keep(last)
			return got, nil
		}
		last = v
		got++
	}
}
