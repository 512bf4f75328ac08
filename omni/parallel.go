package omni

import (
	"context"
	"io"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// ParallelOptions are the settings of ParallelMap; nil means all defaults.
type ParallelOptions struct {
	// Workers is how many calls of f may run at a time. Zero or less means
	// runtime.GOMAXPROCS(0).
	Workers int
	// Unordered hands results out as they come instead of in the order of
	// the items.
	Unordered bool
	// Ahead is how many results may be made ahead of the reader, the larger
	// the busier the workers. Zero or less means DefaultPrefetch for each
	// worker. Set it to fewer if results are large.
	Ahead int
}

// endedContext makes a call that does not wait: it succeeds if it need not
// block.
var endedContext = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// ParallelMap returns the stream of f(v) for every v of p, with several calls
// of f at a time, in the order of p unless the options say otherwise. It runs
// ahead of its reader by a window of results, see ParallelOptions.Ahead.
//
// The first error of f (in order: that of the first item that failed, after
// the results before it) cancels p and is what the reader gets, and the ctx
// that f gets ends. If ctx ends first, p is canceled with its cause. It starts
// a goroutine per worker and two more; whoever leaves the stream waits for
// them, so an f that ignores its ctx makes it wait. A panic in f is not
// recovered and ends the process.
func ParallelMap[T, U any](ctx context.Context, p *Producer[T], opt *ParallelOptions, f func(context.Context, T) (U, error)) *Producer[U] {
	checkProducers(ctx, "ParallelMap", []*Producer[T]{p})
	if f == nil {
		panic("omni: ParallelMap with a nil func")
	}
	var o ParallelOptions
	if opt != nil {
		o = *opt
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Ahead <= 0 {
		o.Ahead = o.Workers * DefaultPrefetch
	}
	return produce(ctx, &Options{Prefetch: o.Ahead}, p.join, func(ctx context.Context, c *Consumer[U]) error {
		return (&parallel[T, U]{p: p, in: newIntake(p.src), c: c, f: f, opt: o}).run(ctx)
	})
}

// parallel is one run of ParallelMap. Items travel in jobs of several, since
// a channel operation costs more than a small f: a job goes from the feeder
// to a worker over work and, if ordered, to the emitter over order.
type parallel[T, U any] struct {
	p   *Producer[T]
	in  intake[T] // of p
	c   *Consumer[U]
	f   func(context.Context, T) (U, error)
	opt ParallelOptions

	work  chan *job[T, U]
	order chan *job[T, U] // nil if unordered
}

type job[T, U any] struct {
	in   []T
	out  []U           // results of in[:len(out)]
	err  error         // of in[len(out)]
	took time.Duration // all of it
	done chan struct{} // closed by the worker
}

func (x *parallel[T, U]) run(ctx context.Context) error {
	whole, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g, ctx := errgroup.WithContext(whole)
	x.work = make(chan *job[T, U], x.opt.Workers)
	if !x.opt.Unordered {
		x.order = make(chan *job[T, U], 2*x.opt.Workers)
		g.Go(func() error { return x.emit(ctx) })
	}
	for range x.opt.Workers {
		g.Go(func() error {
			returned := false
			defer func() {
				if !returned {
					cancel(errExited) // by f; errgroup does not see it
				}
			}()
			err := x.worker(ctx)
			returned = true
			return err
		})
	}
	err := x.feed(ctx)
	if err != nil {
		x.p.Cancel(err) // now: the workers may take long
	}
	if gerr := g.Wait(); gerr != nil {
		err = gerr // what f said, rather than that the feeder was stopped
	}
	if err == nil && whole.Err() != nil {
		err = causeOf(whole)
	}
	x.p.Cancel(err)
	x.p.wait(context.Background())
	return err
}

// feed reads p and deals out jobs, never more items than x.c was asked for.
func (x *parallel[T, U]) feed(ctx context.Context) error {
	defer func() {
		close(x.work)
		if x.order != nil {
			close(x.order)
		}
	}()
	size, dealt := 1, uint64(0)
	var last *job[T, U]
	for {
		asked, _, err := x.c.sink.Credit(ctx, dealt)
		if err != nil {
			return err
		}
		in, err := x.gather(ctx, min(size, int(min(asked-dealt, maxSpare))))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		dealt += uint64(len(in))
		j := &job[T, U]{in: in, done: make(chan struct{})}
		if err := x.deal(ctx, j); err != nil {
			return err
		}
		if last != nil && isDone(last.done) {
			size = nextSize(last, size)
		}
		last = j
	}
}

// maxJob bounds the size of a job, in items.
const maxJob = 64

// nextSize fits the size of a job to what f costs: about 50 µs of work
// outweigh a job's way, and more in one job would only make others wait.
func nextSize[T, U any](last *job[T, U], size int) int {
	const worth = 50 * time.Microsecond
	switch {
	case last.took > worth:
		return max(1, size/2)
	case last.took < worth/2 && len(last.in) == size:
		return min(2*size, maxJob)
	}
	return size
}

// gather waits for one item and takes what else is here, n in all at most.
func (x *parallel[T, U]) gather(ctx context.Context, n int) ([]T, error) {
	v, err := x.in.take(ctx, true, true)
	if err != nil {
		return nil, err
	}
	in := make([]T, 1, n)
	in[0] = v
	for len(in) < n {
		v, err := x.in.take(endedContext, false, true)
		if err != nil {
			break // nothing here, or the end: the next gather sees which
		}
		in = append(in, v)
	}
	return in, nil
}

func (x *parallel[T, U]) deal(ctx context.Context, j *job[T, U]) error {
	if x.order != nil {
		select {
		case x.order <- j:
		case <-ctx.Done():
			return causeOf(ctx)
		}
	}
	select {
	case x.work <- j:
		return nil
	case <-ctx.Done():
		return causeOf(ctx)
	}
}

// worker does jobs until there are none left or ctx ends.
func (x *parallel[T, U]) worker(ctx context.Context) error {
	for j := range x.work {
		x.do(ctx, j)
		close(j.done)
		if x.order == nil {
			if err := x.write(ctx, j); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *parallel[T, U]) do(ctx context.Context, j *job[T, U]) {
	start := time.Now()
	j.out = make([]U, 0, len(j.in))
	for _, v := range j.in {
		if ctx.Err() != nil {
			j.err = causeOf(ctx)
			return
		}
		u, err := x.f(ctx, v)
		if err != nil {
			j.err = err
			return
		}
		j.out = append(j.out, u)
	}
	j.took = time.Since(start)
}

// emit writes the results in the order of the items.
func (x *parallel[T, U]) emit(ctx context.Context) error {
	for j := range x.order {
		select {
		case <-j.done:
		case <-ctx.Done():
			return causeOf(ctx)
		}
		if err := x.write(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

func (x *parallel[T, U]) write(ctx context.Context, j *job[T, U]) error {
	for _, u := range j.out {
		if err := x.c.Write(ctx, u); err != nil {
			return err
		}
	}
	return j.err
}
