package inprocess

import "context"

// The bare channels of the language.
const sourceChan = "https://go.dev/src/runtime/chan.go"

// chanOf moves the items over a channel of that many items of buffer, without
// a way to cancel.
func chanOf[T any](size int) mover {
	return func(_ context.Context, n int) (got int, err error) {
		c := make(chan T, size)
		go func() {
			defer close(c)
			var v T
			for range n {
				c <- v
			}
		}()
		var last T
		for v := range c {
			last = v
			got++
		}
		keep(last)
		return got, nil
	}
}

// chanSelect is chanOf as one writes it when either side can be canceled: a
// select with a done channel around every send and every receive.
func chanSelect[T any](size int) mover {
	return func(ctx context.Context, n int) (got int, err error) {
		c := make(chan T, size)
		done := ctx.Done()
		go func() {
			defer close(c)
			var v T
			for range n {
				select {
				case c <- v:
				case <-done:
					return
				}
			}
		}()
		var last T
		for {
			select {
			case v, ok := <-c:
				if !ok {
					keep(last)
					return got, nil
				}
				last = v
				got++
			case <-done:
				return got, context.Cause(ctx)
			}
		}
	}
}
