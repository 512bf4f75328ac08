package adapters

import (
	"context"

	"omnistreams.dev/omni"
)

// FromChan returns the stream of what is received from ch; closing ch ends it.
// An item is received from ch only when the stream has room for it, up to a
// default window ahead of the reader; what was received when the stream is
// canceled is dropped with it, and what was not stays in ch. A channel cannot
// say why it was closed: whoever has an error to tell uses omni.Produce.
//
// It starts a goroutine, which ends with the stream. If ctx ends first, the
// stream is canceled with its cause, after the items that it had.
func FromChan[T any](ctx context.Context, ch <-chan T) *omni.Producer[T] {
	checkContext(ctx, "FromChan")
	if ch == nil {
		panic("adapters: FromChan of a nil channel")
	}
	return omni.Produce(ctx, func(ctx context.Context, c *omni.Consumer[T]) error {
		for {
			// The stream's window makes that there is demand whenever the
			// reader has taken everything, so the end needs none of its own.
			if _, err := c.Demand(ctx); err != nil {
				return err
			}
			select {
			case v, ok := <-ch:
				if !ok {
					return nil
				}
				if err := c.Write(ctx, v); err != nil {
					return err
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
}

// ToChan returns a channel that gets p's items and is closed when p is over,
// for any reason: a channel cannot say why, so stop does. Call it when the
// channel was closed or is not read any more:
//
//	ch, stop := adapters.ToChan(ctx, p)
//	for v := range ch { … }
//	if err := stop(); err != nil { … } // not all of it
//
// stop cancels p unless it is over, waits for the goroutine that ToChan
// starts and for those upstream, and returns nil after a clean end, else the
// cause. One item is taken from p before somebody receives it, and is lost if
// nobody does. If ctx ends first, p is canceled with its cause and the channel
// is closed. If neither happens and the channel is not read to its end, the
// goroutine stays.
func ToChan[T any](ctx context.Context, p *omni.Producer[T]) (ch <-chan T, stop func() error) {
	checkContext(ctx, "ToChan")
	if p == nil {
		panic("adapters: ToChan of a nil Producer")
	}
	out := make(chan T)
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		defer close(out)
		for v, err := range p.All(ctx) {
			if err != nil {
				return
			}
			select {
			case out <- v:
			case <-p.Done(): // by stop, or another Cancel
				return
			case <-ctx.Done():
				p.Cancel(context.Cause(ctx))
				return
			}
		}
	}()
	return out, func() error {
		p.Cancel(nil)
		<-joined
		return p.Err()
	}
}
