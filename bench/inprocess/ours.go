package inprocess

import (
	"context"
	"errors"
	"io"

	"omnistreams.dev/omni"
)

// feed writes n zero items and ends the stream. An error needs no report from
// here: the reader gets fewer items then.
func feed[T any](ctx context.Context, c *omni.Consumer[T], n int) {
	defer c.End()
	var v T
	for range n {
		if c.Write(ctx, v) != nil {
			return
		}
	}
}

// feedInts is feed with the numbers from 0 on.
func feedInts(ctx context.Context, c *omni.Consumer[int], n int) {
	defer c.End()
	for i := range n {
		if c.Write(ctx, i) != nil {
			return
		}
	}
}

// drain reads p in a loop until it ends.
func drain[T any](ctx context.Context, p *omni.Producer[T]) (got int, err error) {
	var last T
	for v, err := range p.All(ctx) {
		if err != nil {
			return got, err
		}
		last = v
		got++
	}
	keep(last)
	return got, nil
}

// oursAll writes with Write and reads with All.
func oursAll[T any](ctx context.Context, n int) (int, error) {
	p, c := omni.NewStream[T](&omni.Options{Prefetch: window})
	go feed(ctx, c, n)
	return drain(ctx, p)
}

// oursNext reads with Next instead.
func oursNext[T any](ctx context.Context, n int) (got int, err error) {
	p, c := omni.NewStream[T](&omni.Options{Prefetch: window})
	go feed(ctx, c, n)
	var last T
	for {
		v, err := p.Next(ctx)
		if errors.Is(err, io.EOF) {
			keep(last)
			return got, nil
		}
		if err != nil {
			return got, err
		}
		last = v
		got++
	}
}
