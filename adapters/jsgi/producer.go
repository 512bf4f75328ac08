package jsgi

import (
	"context"
	"io"
	"sync"

	"omnistreams.dev/omni"
)

// FromStream returns s as a Producer: pause and resume become credit. s
// is paused while nothing is asked for, so that its writer is told false, and
// resumed by a Request, Next or a loop; no item comes out that nobody has
// asked for. (One that a Write has answered with true before is fired in spite of
// the pause; it waits in the Producer.) The end and an error cross, the error
// after the items before it. A Cancel of s drops what is still in s, and crosses
// behind what has been fired. A Cancel of the Producer cancels s. If ctx ends
// first, s is canceled with its cause.
//
// s belongs to the Producer from now on: nobody else may resume it, but other
// listeners get the items too. It starts no goroutine.
func FromStream[T any](ctx context.Context, s *Stream[T]) *omni.Producer[T] {
	if ctx == nil {
		panic("jsgi: FromStream with a nil context")
	}
	if s == nil {
		panic("jsgi: FromStream of a nil Stream")
	}
	p := &source[T]{s: s, done: make(chan struct{})}
	p.mu.Lock() // until leave is set
	defer p.mu.Unlock()
	s.Pause()
	s.AddListener(Listener[T]{
		Data:  p.data,
		End:   func() { p.end(io.EOF) },
		Error: func(err error) { p.end(err) },
	})
	p.leave = context.AfterFunc(ctx, func() { p.Cancel(context.Cause(ctx)) })
	return omni.NewProducer[T](p)
}

// source is the omni.Source over a Stream.
type source[T any] struct {
	s     *Stream[T]
	leave func() bool // stops watching ctx

	mu    sync.Mutex // taken before the stream's
	asked uint64     // items, since the beginning; saturates
	came  uint64     // of these, that s has fired
	taken uint64     // of these, that Next has handed out
	items []T        // came and are not taken
	last  error      // how s ended, io.EOF or the cause; nil while it goes on
	err   error      // how the Producer ended, once over
	over  bool
	wake  chan struct{} // closed when Next must look again; nil if nobody waits
	done  chan struct{} // closed when over is set
}

// data runs on the queue of s.
func (p *source[T]) data(v T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.items = append(p.items, v)
	p.came++
	if p.came >= p.asked {
		p.s.Pause() // under the lock, so that no Request comes between
	}
	p.wakeLocked()
}

func (p *source[T]) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = err
	p.wakeLocked()
}

func (p *source[T]) Request(n uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.askLocked(uint64(n))
	p.wakeLocked() // an item may be here that nobody has asked for, see FromStream
}

func (p *source[T]) askLocked(n uint64) {
	if p.asked += n; p.asked < n {
		p.asked = ^uint64(0)
	}
	if p.asked > p.came {
		p.s.Resume()
	}
}

func (p *source[T]) Next(ctx context.Context, ask bool) (v T, err error) {
	for {
		p.mu.Lock()
		switch {
		case p.over:
			if err = p.err; err == nil {
				err = io.EOF
			}
		case len(p.items) > 0 && (ask || p.taken < p.asked):
			v = p.popLocked()
		case p.last != nil && len(p.items) == 0:
			err = p.last
			p.overLocked(err)
		default:
			if ask && p.asked <= p.taken {
				p.askLocked(p.taken + 1 - p.asked)
			}
			if p.wake == nil {
				p.wake = make(chan struct{})
			}
			wake := p.wake
			p.mu.Unlock()
			select {
			case <-wake:
				continue
			case <-ctx.Done():
				return v, context.Cause(ctx)
			}
		}
		p.mu.Unlock()
		return v, err
	}
}

func (p *source[T]) popLocked() T {
	var zero T
	v := p.items[0]
	p.items[0] = zero
	if p.items = p.items[1:]; len(p.items) == 0 {
		p.items = nil
	}
	p.taken++
	p.asked = max(p.asked, p.taken)
	return v
}

func (p *source[T]) Cancel(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	err = causeOf(err)
	p.items = nil
	p.overLocked(err)
	p.s.Cancel(err)
}

func (p *source[T]) overLocked(err error) {
	p.over = true
	if err != io.EOF {
		p.err = err
	}
	p.leave()
	close(p.done)
	p.wakeLocked()
}

func (p *source[T]) wakeLocked() {
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
}

func (p *source[T]) Done() <-chan struct{} { return p.done }

func (p *source[T]) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
