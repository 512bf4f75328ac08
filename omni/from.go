package omni

import (
	"context"
	"io"
	"iter"
)

// FromSlice returns the stream of vs, without a goroutine. vs is read while
// the stream lives and must not be changed meanwhile. If ctx ends first, the
// stream is canceled with its cause.
func FromSlice[T any](ctx context.Context, vs []T) *Producer[T] {
	checkContext(ctx, "FromSlice")
	s := newStage[T](ctx)
	d := newDemand()
	s.cancel = func(error) {}
	s.request = d.add
	s.pull = func(call context.Context, ask bool) (v T, err error) {
		if len(vs) == 0 {
			return v, s.end(io.EOF)
		}
		if err := d.spend(call, s.done, ask); err != nil {
			return v, err
		}
		v, vs = vs[0], vs[1:]
		return v, nil
	}
	return s.start(nil)
}

// FromSeq returns the stream of seq's items. seq runs on a goroutine of its
// own, up to a default window ahead of the reader; when the stream is
// canceled it is stopped at its next item, and whoever leaves the stream
// waits for that. If ctx ends first, the stream is canceled with its cause.
func FromSeq[T any](ctx context.Context, seq iter.Seq[T]) *Producer[T] {
	checkContext(ctx, "FromSeq")
	if seq == nil {
		panic("omni: FromSeq of a nil iterator")
	}
	return produce(ctx, nil, nil, func(ctx context.Context, c *Consumer[T]) error {
		for v := range seq {
			if err := c.Write(ctx, v); err != nil {
				return err
			}
		}
		return nil
	})
}
