package omni

import (
	"context"
	"time"
)

// Batch returns the stream of p's items in slices of n; the last may be
// shorter. With a positive wait a slice is handed out, full or not, when that
// long has passed since its first item came and somebody is reading. A slice
// is its reader's. For each slice that Batch is asked for, it asks p for n
// items, no more. n must be positive. If ctx ends first, p is canceled with
// its cause.
func Batch[T any](ctx context.Context, p *Producer[T], n int, wait time.Duration) *Producer[[]T] {
	s, up := over[T, []T](ctx, p, "Batch", false)
	if n <= 0 {
		panic("omni: Batch of a size that is not positive")
	}
	b := &batcher[T]{p: p, s: s, up: up, size: n, wait: wait, d: newDemand()}
	b.due = &StreamError{Code: CodeTimeout, Reason: "a batch is due"}
	s.request = func(n uint32) {
		b.d.add(n)
		b.askItems(false)
	}
	s.pull = b.pull
	return s.start(p.join)
}

// batcher is the state of one Batch. What d.mu does not guard belongs to
// whoever holds the stage's gate.
type batcher[T any] struct {
	p    *Producer[T]
	s    *stage[[]T]
	up   *upstream[T]
	size int
	wait time.Duration
	due  error // the cause of a wait that ends since buf is due; its own, for a Batch of a Batch

	buf   []T
	until time.Time // when buf is handed out though not full

	d     *demand // in slices
	asked uint64  // items asked of p and not handed out; guarded by d.mu
}

// askItems asks p for what the slices that are asked for need, with ask for
// one slice at least.
func (b *batcher[T]) askItems(ask bool) {
	size := uint64(b.size)
	b.d.mu.Lock()
	slices := b.d.n
	if ask {
		slices = max(slices, 1)
	}
	// A few billion items at a time will do: each slice asks again.
	need := min(slices, 1<<32/size+1) * size
	more := need - min(need, b.asked)
	b.asked += more
	b.d.mu.Unlock()
	for more > 0 {
		n := min(more, 1<<32-1)
		b.p.src.Request(uint32(n))
		more -= n
	}
}

// pull waits for one slice and for somebody to want it. If call ends first,
// what was collected stays for the next call.
func (b *batcher[T]) pull(call context.Context, ask bool) ([]T, error) {
	b.askItems(ask)
	if err := b.collect(call); err != nil {
		return nil, err
	}
	// A window that p keeps by itself makes slices that nobody spoke of.
	if err := b.d.spend(call, b.s.done, ask || b.s.kept > 0); err != nil {
		return nil, err
	}
	out := b.buf
	b.buf = nil
	b.d.mu.Lock()
	b.asked -= min(b.asked, uint64(len(out)))
	b.d.mu.Unlock()
	b.askItems(false)
	return out, nil
}

// collect fills buf until it is full or due, or p has ended behind it.
func (b *batcher[T]) collect(call context.Context) error {
	ctx, cancel := call, context.CancelFunc(nil)
	for len(b.buf) < b.size {
		if len(b.buf) > 0 && b.wait > 0 && cancel == nil {
			ctx, cancel = context.WithDeadlineCause(call, b.until, b.due)
			defer cancel()
		}
		v, err := b.up.next(ctx, false)
		switch {
		case err == nil:
			if len(b.buf) == 0 && b.wait > 0 {
				b.until = time.Now().Add(b.wait)
			}
			b.buf = append(b.buf, v)
		case err == b.due:
			return nil
		case !isDone(b.p.src.Done()):
			return err
		case len(b.buf) > 0 && !b.s.stopped.Load():
			return nil // what came before the end; that comes with the next call
		default:
			return b.s.end(endOf(b.p.src, err))
		}
	}
	return nil
}
