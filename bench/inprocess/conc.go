package inprocess

import (
	"context"

	"github.com/sourcegraph/conc/stream"
)

const (
	moduleConc = "github.com/sourcegraph/conc"
	sourceConc = "https://github.com/sourcegraph/conc/blob/main/stream/stream.go"
)

// concStream runs a task per item and its callbacks in order, on a goroutine
// of their own.
func concStream(workers int, task func(int) int) mover {
	return func(_ context.Context, n int) (got int, err error) {
		var last int
		s := stream.New().WithMaxGoroutines(workers)
		for i := range n {
			s.Go(func() stream.Callback {
				v := task(i)
				return func() { last = v; got++ }
			})
		}
		s.Wait()
		keep(last)
		return got, nil
	}
}
