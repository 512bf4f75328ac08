package jsgi

import (
	"context"
	"errors"
	"sync"

	"omnistreams.dev/omni"
)

// ToStream returns s as a Consumer: drain becomes demand. A window of items may
// be written when s is ready for them (somebody listens to data, it is
// not paused, and its buffer is empty), and the next window when it is ready
// again; so a paused stream stops the writer. opt says how wide the window is,
// as Prefetch: zero means omni.DefaultPrefetch, negative one item; it is never
// more than the bound of s.
//
// End closes s, and a Cancel of the Consumer is CloseWithError: what was
// written still comes. A Cancel of s is what the writer gets. Done is closed
// when s is over. If ctx ends first, the Consumer is canceled with its cause.
// Others may write to s too. It starts no goroutine.
func ToStream[T any](ctx context.Context, s *Stream[T], opt *omni.Options) *omni.Consumer[T] {
	if ctx == nil {
		panic("jsgi: ToStream with a nil context")
	}
	if s == nil {
		panic("jsgi: ToStream of a nil Stream")
	}
	c := &sink[T]{s: s, window: omni.DefaultPrefetch, done: make(chan struct{})}
	if opt != nil && opt.Prefetch != 0 {
		c.window = uint64(max(opt.Prefetch, 1))
	}
	c.window = min(c.window, uint64(s.bound))
	c.mu.Lock() // until leave is set
	defer c.mu.Unlock()
	c.leave = context.AfterFunc(ctx, func() { c.Cancel(context.Cause(ctx)) })
	s.AddListener(Listener[T]{
		End:   func() { c.finish(nil) },
		Error: c.finish,
	})
	return omni.NewConsumer[T](c)
}

// sink is the omni.Sink over a Stream.
type sink[T any] struct {
	s      *Stream[T]
	window uint64
	leave  func() bool // stops watching ctx

	mu      sync.Mutex // taken before the stream's
	asked   uint64     // items, since the beginning
	written uint64
	ended   bool // End was called
	over    bool
	err     error         // why it broke off, once over
	wrote   chan struct{} // closed at the next write; nil if nobody waits for one
	done    chan struct{} // closed when over is set
}

func (c *sink[T]) Write(ctx context.Context, v T) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if sent, err := c.try(v); sent || err != nil {
			return err
		}
		if err := c.ready(ctx); err != nil {
			return err
		}
	}
}

// try writes v if there is credit.
func (c *sink[T]) try(v T) (sent bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failedLocked(); err != nil {
		return false, err
	}
	if c.written >= c.asked {
		return false, nil
	}
	switch _, err = c.s.Write(v); {
	case errors.Is(err, ErrFull): // others write too
		c.asked = c.written
		return false, nil
	case errors.Is(err, ErrClosed):
		return false, omni.ErrEnded
	case err != nil:
		return false, err
	}
	c.written++
	if c.wrote != nil {
		close(c.wrote)
		c.wrote = nil
	}
	return true, nil
}

// ready waits until s is, and opens the window.
func (c *sink[T]) ready(ctx context.Context) error {
	err := c.s.Ready(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if failed := c.failedLocked(); failed != nil {
		return failed
	}
	if errors.Is(err, ErrClosed) {
		return omni.ErrEnded
	}
	if err == nil {
		c.asked = max(c.asked, c.written+c.window)
	}
	return err
}

func (c *sink[T]) Credit(ctx context.Context, after uint64) (asked, written uint64, err error) {
	for {
		c.mu.Lock()
		asked, written, err = c.asked, c.written, c.failedLocked()
		if err != nil || asked > after {
			c.mu.Unlock()
			return asked, written, err
		}
		if written+c.window > after {
			c.mu.Unlock()
			err = c.ready(ctx)
		} else {
			// Even if s were ready, more would be asked for only after a write.
			err = c.awaitWriteAndUnlock(ctx)
		}
		if err != nil {
			return asked, written, err
		}
	}
}

func (c *sink[T]) awaitWriteAndUnlock(ctx context.Context) error {
	if c.wrote == nil {
		c.wrote = make(chan struct{})
	}
	wrote := c.wrote
	c.mu.Unlock()
	select {
	case <-wrote:
	case <-c.done: // the next look says why
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// failedLocked is what a writer gets that cannot write any more.
func (c *sink[T]) failedLocked() error {
	switch {
	case c.over && c.err != nil:
		return c.err
	case c.over || c.ended:
		return omni.ErrEnded
	}
	return c.s.Err() // before the error event has come
}

func (c *sink[T]) End() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over && c.err != nil {
		return c.err
	}
	c.ended = true
	c.s.Close()
	return nil
}

func (c *sink[T]) Cancel(err error) {
	err = causeOf(err)
	if c.finishWith(err, true) {
		c.s.CloseWithError(err)
	}
}

// finish runs on the queue of s, when that is over.
func (c *sink[T]) finish(err error) { c.finishWith(err, false) }

// finishWith ends the Consumer, once; a Cancel does not if End came first.
func (c *sink[T]) finishWith(err error, cancel bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || cancel && c.ended {
		return false
	}
	c.over, c.err = true, err
	c.leave()
	close(c.done)
	return true
}

func (c *sink[T]) Done() <-chan struct{} { return c.done }

func (c *sink[T]) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
