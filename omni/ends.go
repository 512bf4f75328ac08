package omni

import (
	"context"
	"io"
	"iter"
)

// Source is what a Producer reads from. Users meet Producer; a Source is for
// those who build an endpoint of their own: a network stream, a codec, a
// stage. All methods are safe for concurrent use.
//
// A Source that keeps items requested by itself also has a method
// Prefetch() int that returns how many, in items; All then adds none.
type Source[T any] interface {
	// Request lets n more items come. It never blocks; totals saturate.
	Request(n uint32)
	// Next waits for the next item. With ask, it requests one if nothing
	// is outstanding; without, it only waits. A clean end is io.EOF. When
	// it returns the stream's end, clean or not, Done is closed already,
	// unless another reader holds items that it has not taken yet.
	// If ctx ends first it returns the cause, and no item is lost; an item
	// that is here already is handed out even if ctx has ended.
	Next(ctx context.Context, ask bool) (T, error)
	// Cancel drops what is buffered and tells the writer why. The first
	// call wins; nil is ErrCanceled. It never blocks.
	Cancel(err error)
	// Done is closed when the reader took the end or canceled.
	Done() <-chan struct{}
	// Err is nil until Done and after a clean end, else the cause.
	Err() error
}

// Sink is what a Consumer writes to, the counterpart of Source. All methods
// are safe for concurrent use.
type Sink[T any] interface {
	// Write waits for credit and sends v. If ctx ends first, nothing was
	// sent.
	Write(ctx context.Context, v T) error
	// Credit waits until more than after items were asked for since the
	// stream began, and returns how many were asked for and how many were
	// written. It spends nothing. If ctx ends first it returns the cause.
	Credit(ctx context.Context, after uint64) (asked, written uint64, err error)
	// End completes the stream. It needs no credit and returns at once.
	End() error
	// Cancel breaks the stream off: what was written still arrives, then
	// the reader gets the cause. The first call wins; nil is ErrCanceled.
	// It never blocks.
	Cancel(err error)
	// Done is closed when the reader took everything, or when either side
	// canceled; if a goroutine of this package reads, when that returned.
	Done() <-chan struct{}
	// Err is nil until Done and after a clean end, else the cause.
	Err() error
}

// Producer is the end of a stream that you read from. It is safe for
// concurrent use; each item goes to exactly one reader.
type Producer[T any] struct {
	src  Source[T]
	join func(ctx context.Context) // waits for this chain's goroutines; nil if there are none
}

// Consumer is the end of a stream that you write to. It is safe for
// concurrent use; each writer's items keep their order.
type Consumer[T any] struct {
	sink   Sink[T]
	stream *stream[T] // behind sink, if it is one: to be called directly
}

// NewProducer returns the reading end of src.
func NewProducer[T any](src Source[T]) *Producer[T] {
	if src == nil {
		panic("omni: NewProducer with a nil Source")
	}
	return &Producer[T]{src: src}
}

// NewConsumer returns the writing end of sink.
func NewConsumer[T any](sink Sink[T]) *Consumer[T] {
	if sink == nil {
		panic("omni: NewConsumer with a nil Sink")
	}
	c := &Consumer[T]{sink: sink}
	if w, ok := sink.(streamWriter[T]); ok {
		c.stream = w.stream
	}
	return c
}

// Source returns what p reads from, for code that wraps it.
func (p *Producer[T]) Source() Source[T] { return p.src }

// Sink returns what c writes to, for code that wraps it.
func (c *Consumer[T]) Sink() Sink[T] { return c.sink }

// Request lets n more items come. It never blocks, adds
// up and saturates; Request(0) does nothing, and so does any Request after
// the stream's end.
func (p *Producer[T]) Request(n uint32) {
	if n > 0 {
		p.src.Request(n)
	}
}

// Next returns the next item, asking for one if nothing is outstanding. After
// a clean end it returns io.EOF, after any other the cause, then and ever
// after. If ctx ends first it returns the cause of that; no item is lost and
// the stream goes on. An item that is here already is handed out even if ctx
// has ended.
func (p *Producer[T]) Next(ctx context.Context) (v T, err error) {
	checkContext(ctx, "Next")
	if p.join == nil {
		return p.src.Next(ctx, true)
	}
	got := false
	defer func() {
		// Also when the func of a stage panics: that cancels the stage.
		if !got && isDone(p.src.Done()) {
			p.join(ctx)
		}
	}()
	v, err = p.src.Next(ctx, true)
	got = err == nil
	return v, err
}

// All returns an iterator over the items for one for loop, with a window of
// items kept requested: the stream's prefetch, or DefaultPrefetch if it has
// none. The loop ends after a clean end; any other end is one last pair with
// a non-nil error. Leaving the loop, and ctx when it ends, cancel the stream;
// either way the loop is left only when the goroutines that this package
// started upstream have returned (a Produce func that ignores its ctx makes
// it wait).
//
// A loop takes what is here at once and hands it out one by one, so several
// loops share a stream in runs of items, and a Next inside the body gets a
// later item than the loop's next. A loop over a stage does not run ahead.
func (p *Producer[T]) All(ctx context.Context) iter.Seq2[T, error] {
	checkContext(ctx, "All")
	return func(yield func(T, error) bool) {
		over := false // the stream has ended by itself
		// Also when the body leaves by break, return or panic. At the end
		// there is nothing to cancel but what other loops hold.
		defer func() {
			if !over {
				p.src.Cancel(nil)
			}
			p.wait(context.Background())
		}()
		var err error
		switch src := p.src.(type) {
		case *stage[T]:
			over, err = src.each(ctx, yield)
		case ChunkSource[T]:
			over, err = eachOfChunks(ctx, src, yield)
		default:
			over, err = p.each(ctx, yield)
		}
		if err == nil || err == io.EOF {
			return
		}
		if !over {
			p.src.Cancel(err)
		}
		p.wait(context.Background())
		var zero T
		yield(zero, err)
	}
}

// each calls yield with every item. It returns nil if yield said stop, else
// how the stream, which is over then, or ctx ended.
func (p *Producer[T]) each(ctx context.Context, yield func(T, error) bool) (over bool, err error) {
	w := newWindow(p.src)
	for {
		w.keep()
		if ctx.Err() != nil {
			return false, causeOf(ctx)
		}
		v, err := p.src.Next(ctx, true)
		if err != nil {
			return isDone(p.src.Done()), err
		}
		w.taken++
		if !yield(v, nil) {
			return false, nil
		}
	}
}

// prefetchOf returns how many items src keeps requested by itself.
func prefetchOf(src any) int {
	if k, ok := src.(interface{ Prefetch() int }); ok {
		return k.Prefetch()
	}
	return 0
}

// wait waits for the goroutines of p's chain, or for ctx.
func (p *Producer[T]) wait(ctx context.Context) {
	if p.join != nil {
		p.join(ctx)
	}
}

// Cancel says that no more items are wanted: what is buffered is dropped and
// the writer learns the cause at once. The first Cancel or the stream's end
// wins; nil is ErrCanceled, and io.EOF, which would pass for a clean end,
// io.ErrUnexpectedEOF. It does not wait for upstream goroutines: the
// Next after it does.
func (p *Producer[T]) Cancel(err error) { p.src.Cancel(cancelCause(err)) }

// Done is closed when this end is finished: the clean end or an error was
// handed out by Next and no other reader holds items of it, or the stream was
// canceled.
func (p *Producer[T]) Done() <-chan struct{} { return p.src.Done() }

// Err is nil until Done and after a clean end, else the cause.
func (p *Producer[T]) Err() error { return p.src.Err() }

// Write sends one item, as soon as the reader has asked for it. If ctx ends
// first, nothing was sent and the stream goes on; the same holds for a ctx
// that has ended before. After End it returns ErrEnded, after a Cancel of
// either side the cause.
func (c *Consumer[T]) Write(ctx context.Context, v T) error {
	checkContext(ctx, "Write")
	if c.stream != nil {
		return c.stream.Write(ctx, v)
	}
	return c.sink.Write(ctx, v)
}

// Demand waits until the reader has asked for items that are not written yet
// and returns how many, at most math.MaxUint32. It spends nothing, so other
// writers may be faster. If ctx ends first it returns the cause.
func (c *Consumer[T]) Demand(ctx context.Context) (uint32, error) {
	checkContext(ctx, "Demand")
	var after uint64
	for {
		asked, written, err := c.sink.Credit(ctx, after)
		if err != nil {
			return 0, err
		}
		if asked > written {
			return uint32(min(asked-written, 1<<32-1)), nil
		}
		after = max(asked, written)
	}
}

// End completes the stream: the reader gets what was written, then io.EOF.
// It needs no credit and returns at once; Done tells when the reader has
// taken everything. A second End does nothing; after a Cancel it returns the
// cause.
func (c *Consumer[T]) End() error { return c.sink.End() }

// Cancel breaks the stream off: what was written still arrives, then the
// reader gets the cause. The first End or Cancel wins; nil is ErrCanceled,
// and io.EOF, which would pass for a clean end, io.ErrUnexpectedEOF.
func (c *Consumer[T]) Cancel(err error) { c.sink.Cancel(cancelCause(err)) }

// Done is closed when this end is finished: the reader took everything that
// was written before End, or one side canceled (with Consume: and its func
// returned). A writer that ended its stream can wait for it to know that all
// of it was received; on a stream that is being answered that may come late,
// so do not wait for it there.
func (c *Consumer[T]) Done() <-chan struct{} { return c.sink.Done() }

// Err is nil until Done and after a clean end, else the cause.
func (c *Consumer[T]) Err() error { return c.sink.Err() }

func checkContext(ctx context.Context, call string) {
	if ctx == nil {
		panic("omni: " + call + " with a nil context")
	}
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
