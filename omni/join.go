package omni

import (
	"context"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Concat returns the items of all streams, one stream after the other. A
// stream is asked for items only when all before it have ended. The first
// error cancels all and is what the reader gets; so does ctx when it ends.
// It starts no goroutine.
func Concat[T any](ctx context.Context, ps ...*Producer[T]) *Producer[T] {
	ps = checkProducers(ctx, "Concat", ps)
	s := newStage[T](ctx)
	var (
		mu    sync.Mutex
		owed  uint64 // items asked for and not handed out
		asked uint64 // of those, asked of the stream being read
		at    int    // index of that stream
	)
	// settle notes what was asked for and what was handed out, and asks the
	// stream being read for what is owed, a few billion items at a time.
	settle := func(more, out uint64) {
		mu.Lock()
		owed = min(owed-min(owed, out)+more, maxTotal)
		asked -= min(asked, out)
		ask, now := min(owed, 1<<32-1)-asked, at
		asked += ask
		mu.Unlock()
		if ask > 0 && now < len(ps) {
			ps[now].src.Request(uint32(ask))
		}
	}
	s.request = func(n uint32) { settle(uint64(n), 0) }
	advance := func() {
		mu.Lock()
		at++
		asked = 0
		mu.Unlock()
		settle(0, 0)
	}
	s.cancel = func(err error) {
		for _, p := range ps {
			p.src.Cancel(err)
		}
	}
	s.pull = func(call context.Context, ask bool) (zero T, err error) {
		for at < len(ps) {
			p := ps[at]
			v, err := p.src.Next(call, ask)
			switch {
			case err == nil:
				settle(0, 1)
				return v, nil
			case err == io.EOF:
				advance()
			case isDone(p.src.Done()):
				return zero, s.end(endOf(p.src, err))
			default:
				return zero, err
			}
		}
		return zero, s.end(io.EOF)
	}
	return s.start(joinEvery(ps))
}

// Merge returns the items of all streams as they come; the items of one
// stream keep their order. It asks each for one item at a time and holds at
// most one item of each beyond its own window of DefaultPrefetch. The first
// error cancels all and is what the reader gets; so does ctx when it ends. It
// starts a goroutine per stream.
func Merge[T any](ctx context.Context, ps ...*Producer[T]) *Producer[T] {
	ps = checkProducers(ctx, "Merge", ps)
	return produce(ctx, nil, joinEvery(ps), func(ctx context.Context, c *Consumer[T]) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, p := range ps {
			g.Go(func() error { return forward(ctx, p, c) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, p := range ps {
			// A func of p's that exits its goroutine leaves no other trace.
			if err := p.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// forward writes p's items to c, and does not end c.
func forward[T any](ctx context.Context, p *Producer[T], c *Consumer[T]) error {
	defer p.wait(context.Background())
	in := newIntake(p.src)
	for {
		v, err := in.take(ctx, true, true)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = c.Write(ctx, v)
		}
		if err != nil {
			p.Cancel(err)
			return err
		}
	}
}

// checkProducers panics for arguments that cannot work, and returns a copy of
// ps that the caller's slice does not share.
func checkProducers[T any](ctx context.Context, name string, ps []*Producer[T]) []*Producer[T] {
	checkContext(ctx, name)
	for _, p := range ps {
		if p == nil {
			panic("omni: " + name + " of a nil Producer")
		}
	}
	return slices.Clone(ps)
}

// joinEvery waits for the goroutines of all streams, nil if there are none.
func joinEvery[T any](ps []*Producer[T]) func(context.Context) {
	var joins []func(context.Context)
	for _, p := range ps {
		if p.join != nil {
			joins = append(joins, p.join)
		}
	}
	if joins == nil {
		return nil
	}
	return func(ctx context.Context) {
		for _, join := range joins {
			join(ctx)
		}
	}
}
