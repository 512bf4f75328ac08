package omni

import (
	"context"
	"io"
	"slices"
	"sync"
)

// Pipe moves every item to c until the stream ends, and asks upstream for
// exactly what c was asked for (a stream that keeps a prefetch asks for its
// window by itself). The end, an error and a cancel cross in both directions.
// It returns nil after a clean end, without waiting for c's reader, else the
// cause. If ctx ends first, both sides are canceled with its cause.
func (p *Producer[T]) Pipe(ctx context.Context, c *Consumer[T]) error {
	checkContext(ctx, "Pipe")
	if c == nil {
		panic("omni: Pipe to a nil Consumer")
	}
	return p.pipe(ctx, []*Consumer[T]{c})
}

// Tee returns two streams that both get every item of p. It asks p for the
// lesser demand of the two, so one that never asks holds up the other, until
// it cancels; p is canceled when both have. Items are not copied: if they
// hold pointers, the two readers share what those point to. If ctx ends
// first, all is canceled with its cause. It starts three goroutines.
func Tee[T any](ctx context.Context, p *Producer[T]) (*Producer[T], *Producer[T]) {
	checkProducers(ctx, "Tee", []*Producer[T]{p})
	// Pure pull: a window would be demand that nobody spoke of.
	p1, c1 := NewStream[T](&Options{Prefetch: -1})
	p2, c2 := NewStream[T](&Options{Prefetch: -1})
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		_ = p.pipe(ctx, []*Consumer[T]{c1, c2}) // each end has it as its Err
	}()
	// Whoever leaves first must not wait for the other.
	join := joinAll(joined, p.join)
	joinAfter := func(other *Producer[T]) func(context.Context) {
		return func(ctx context.Context) {
			if isDone(other.Done()) {
				join(ctx)
			}
		}
	}
	p1.join, p2.join = joinAfter(p2), joinAfter(p1)
	return p1, p2
}

// pipe moves every item to all of cs. A consumer whose reader cancels drops
// out; the last one's cause cancels p. It has two goroutines beside it and
// waits for them.
func (p *Producer[T]) pipe(ctx context.Context, cs []*Consumer[T]) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	shares := make([]share[T], len(cs))
	for i, c := range cs {
		_, written, _ := c.sink.Credit(endedContext, 0)
		shares[i] = share[T]{c.sink, written}
	}
	var beside sync.WaitGroup
	beside.Go(func() { p.passDemand(ctx, shares) })
	beside.Go(func() {
		// A cancel of p must not wait until a Write has credit.
		select {
		case <-p.src.Done():
			if err := p.src.Err(); err != nil {
				cancel(err)
			}
		case <-ctx.Done():
		}
	})
	err = errPanicked // stays if a func of p's panics
	defer func() {
		if err != nil {
			p.Cancel(err)
			for _, c := range cs {
				c.Cancel(err)
			}
		}
		cancel(nil)
		beside.Wait()
		p.wait(context.Background())
	}()
	live := slices.Clone(cs)
	for {
		// Waiting without asking: the end needs no demand.
		v, err := p.src.Next(ctx, false)
		if err == io.EOF {
			return endAll(live)
		}
		if err != nil {
			return err
		}
		if live, err = writeAll(ctx, live, v); len(live) == 0 {
			return err
		}
	}
}

// writeAll writes v to each of live and returns those that took it. If none
// did, the error says why the last one did not.
func writeAll[T any](ctx context.Context, live []*Consumer[T], v T) (took []*Consumer[T], err error) {
	took = live[:0]
	for _, c := range live {
		if werr := c.Write(ctx, v); werr != nil {
			err = werr
		} else {
			took = append(took, c)
		}
	}
	return took, err
}

// endAll ends all of live; the error says why the last one could not.
func endAll[T any](live []*Consumer[T]) (err error) {
	failed := 0
	for _, c := range live {
		if e := c.End(); e != nil {
			err, failed = e, failed+1
		}
	}
	if failed < len(live) {
		return nil
	}
	return err
}

// A share is one consumer's part in what a stream is asked for.
type share[T any] struct {
	sink   Sink[T]
	before uint64 // what others wrote to it before is not ours to ask for
}

// passDemand asks p for the least of what live are asked for, and cancels p
// when the last of their readers has canceled. It returns then, or when ctx
// ends.
func (p *Producer[T]) passDemand(ctx context.Context, live []share[T]) {
	kept := prefetchOf(p.src) > 0
	passed := uint64(0)
	for len(live) > 0 {
		least, gone := uint64(maxTotal), -1
		var err error
		for i, s := range live {
			var asked uint64
			if asked, _, err = s.sink.Credit(ctx, s.before+passed); err != nil {
				gone = i
				break
			}
			least = min(least, asked-s.before)
		}
		switch {
		case gone < 0:
			n := min(least-passed, 1<<32-1)
			passed += n
			if !kept {
				p.src.Request(uint32(n))
			}
		case ctx.Err() != nil:
			return
		case len(live) == 1:
			p.Cancel(err)
			return
		default:
			live = slices.Delete(live, gone, gone+1)
		}
	}
}
