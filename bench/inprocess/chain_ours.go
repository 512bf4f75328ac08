package inprocess

import (
	"context"

	"omnistreams.dev/omni"
)

// oursChain puts the stages over a stream. They run on the reader's goroutine.
func oursChain(stages []stage) mover {
	return func(ctx context.Context, n int) (int, error) {
		p, c := omni.NewStream[int](&omni.Options{Prefetch: window})
		go feedInts(ctx, c, n)
		for _, s := range stages {
			if s.apply != nil {
				p = omni.Map(ctx, p, s.apply)
			} else {
				p = omni.Filter(ctx, p, s.keep)
			}
		}
		return drain(ctx, p)
	}
}
