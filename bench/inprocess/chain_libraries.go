package inprocess

import (
	"context"

	"github.com/destel/rill"
	"github.com/samber/ro"
)

// roChain is ro's operators, which are function calls on one goroutine. With
// apart, the writer has one of its own, as in the others.
func roChain(stages []stage, apart bool) mover {
	return func(ctx context.Context, n int) (int, error) {
		from := roInts(n)
		if apart {
			from = ro.Pipe1(from, ro.SubscribeOn[int](window))
		}
		for _, s := range stages {
			if s.apply != nil {
				from = ro.Pipe1(from, ro.MapErr(s.apply))
				continue
			}
			from = ro.Pipe1(from, ro.Filter(func(v int) bool {
				ok, err := s.keep(v) // ro's Filter has no error
				return ok && err == nil
			}))
		}
		return roDrain(ctx, from)
	}
}

// rillChain has one goroutine per stage, as many as keep the order. The
// channels between them are rill's own, without a buffer: a rill.Buffer after
// each is one more goroutine and hop, and gains nothing.
func rillChain(stages []stage) mover {
	return func(_ context.Context, n int) (int, error) {
		from := rillInts(n)
		for _, s := range stages {
			if s.apply != nil {
				from = rill.Map(from, 1, s.apply)
			} else {
				from = rill.Filter(from, 1, s.keep)
			}
		}
		return rillDrain(from)
	}
}
