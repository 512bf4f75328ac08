package transport

import (
	"context"
	"fmt"
	"sync/atomic"
)

// lifecycle is what all Conns have in common: they end once, by Close or by a ctx that ended inside
// a call. It holds no lock, so whoever waits for an end does so on a channel.
type lifecycle struct {
	closed   atomic.Bool           // Close was called
	broken   atomic.Pointer[error] // why it ended by itself; set before the end
	shutting atomic.Bool           // set by whoever ends it
	done     chan struct{}         // closed by the same when that is complete
}

func newLifecycle() lifecycle { return lifecycle{done: make(chan struct{})} }

// end runs kill, once: whoever comes second waits for the first.
func (l *lifecycle) end(kill func() error) error {
	if !l.shutting.CompareAndSwap(false, true) {
		<-l.done
		return nil
	}
	defer close(l.done)
	return kill()
}

func (l *lifecycle) close(kill func() error) error {
	l.closed.Store(true)
	return l.end(kill)
}

// state is nil while the Conn works. Close hides a break before it: who closes knows why.
func (l *lifecycle) state() error {
	if l.closed.Load() {
		return ErrClosed
	}
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// outcome is what a call returns for err: the errors that our own end causes are not worth telling.
func (l *lifecycle) outcome(err error) error {
	if err == nil {
		return nil
	}
	if mine := l.state(); mine != nil {
		return mine
	}
	return err
}

// enter begins a call. It fails without harm if ctx has ended already.
func (l *lifecycle) enter(ctx context.Context) error {
	if ctx == nil {
		panic("transport: nil context")
	}
	if err := l.state(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("transport: %w", context.Cause(ctx))
	}
	return nil
}

// breakOn has kill called if ctx ends before the returned function is called, which turns the
// call's error into what the caller is told. Calls with a ctx that cannot end go without.
func (l *lifecycle) breakOn(ctx context.Context, kill func() error) (leave func(error) error) {
	ran := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ran)
		// The caller is told that the Conn is broken, which says more than how its end went.
		_ = l.breakWith(brokenBy(ctx), kill)
	})
	return func(err error) error {
		if stop() {
			return l.outcome(err)
		}
		<-ran
		return l.state()
	}
}

// breakWith ends the Conn because of err, which every call returns from then on unless there was
// a break before.
func (l *lifecycle) breakWith(err error, kill func() error) error {
	l.broken.CompareAndSwap(nil, &err)
	return l.end(kill)
}

func brokenBy(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrBroken, context.Cause(ctx))
}

// gate lets one in at a time, a call or the end of the Conn: what the one has begun the other does
// not cut in two.
type gate chan struct{}

// pass enters a gate, or says why there is nothing to do behind it any more.
func (l *lifecycle) pass(g gate) error {
	select {
	case g <- struct{}{}:
	case <-l.done:
		return l.state()
	}
	if err := l.state(); err != nil {
		<-g
		return err
	}
	return nil
}

// limit is the longest message that a Conn accepts, zero for the default.
type limit struct{ n atomic.Int64 }

func (l *limit) SetReadLimit(n int) {
	if n < 1 {
		panic(fmt.Sprintf("transport: read limit of %d bytes", n))
	}
	l.n.Store(int64(n))
}

func (l *limit) bytes() int64 {
	if n := l.n.Load(); n > 0 {
		return n
	}
	return DefaultReadLimit
}
