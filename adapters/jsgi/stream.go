package jsgi

import (
	"context"
	"errors"
	"io"
	"sync"

	"omnistreams.dev/omni"
)

// DefaultBuffer is the bound of a stream whose options do not say another, in
// items.
const DefaultBuffer = 1024

var (
	// ErrClosed is what a Write after Close returns.
	ErrClosed = errors.New("jsgi: write to a closed stream")
	// ErrFull is what a Write returns that did not wait for the drain event
	// and has filled the stream's buffer. The item was not taken.
	ErrFull = errors.New("jsgi: the stream's buffer is full: wait for drain after a write that returned false")
)

// Options are the settings of a Stream. A nil *Options means all defaults.
type Options struct {
	// Buffer is how many items may wait in the stream, beside the one that is
	// on its way after a Write that returned true. Zero means DefaultBuffer;
	// less is taken as one.
	Buffer int
	// Queue fires the stream's events. Nil means one of the stream's own.
	Queue *Queue
}

// Stream is an evented stream: what is written to it comes out as data events,
// later. All methods may be called from any goroutine, listeners included.
type Stream[T any] struct {
	q     *Queue
	bound int // of items

	mu        sync.Mutex
	listeners []*Listener[T] // in order of registration; replaced, never changed
	readers   int            // how many of them have Data
	late      []*Listener[T] // these are still to be told of the end; or of a drain that they came too late for
	tap       func(v T)      // hears what is written whatever is paused, in turns of its own; nil for none
	leave     func() bool    // stops watching what may cancel the stream; nil for nothing

	items  []T  // accepted, and not fired yet
	passed bool // items[0] was answered with true, so pause does not hold it
	owed   bool // a false was returned, and drain has not been fired since
	drains bool // drain has been fired at least once
	firing bool // a data event is being fired

	paused bool
	moves  int // pause and resume events that are not fired yet: they alternate, and paused is the last

	closed bool  // no more items
	over   bool  // nothing comes after the items that were fired
	err    error // how it ends; nil is a clean end

	scheduled bool          // turn is on the queue, or running
	changed   chan struct{} // closed when Ready must look again; nil if nobody waits
	done      chan struct{} // closed when over is set
}

// NewStream returns a new stream. It starts no goroutine.
func NewStream[T any](opt *Options) *Stream[T] {
	if opt == nil {
		opt = &Options{}
	}
	s := &Stream[T]{q: opt.Queue, bound: max(opt.Buffer, 1), done: make(chan struct{})}
	if s.q == nil {
		s.q = &Queue{}
	}
	if opt.Buffer == 0 {
		s.bound = DefaultBuffer
	}
	return s
}

// Write sends v down the stream. It returns true if v goes on at once: its data
// event is the next one, and comes even if the stream is paused before. (If the
// last data listener is removed before, it waits for the next one.) It returns
// false if v is buffered; a drain event then comes when the
// buffer has emptied. Until that event every Write returns false.
//
// An error says that v was not taken: ErrFull if the buffer is at its bound,
// ErrClosed after Close, and after a Cancel the cause. Write never blocks.
func (s *Stream[T]) Write(v T) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over && s.err != nil:
		return false, s.err
	case s.closed:
		return false, ErrClosed
	case s.idleLocked():
		s.passed = true
	case s.waitingLocked() >= s.bound:
		return false, ErrFull
	default:
		s.owed = true
	}
	s.items = append(s.items, v)
	if s.tap != nil {
		s.q.Go(func() { s.tap(v) })
	}
	s.scheduleLocked()
	return s.passed && len(s.items) == 1, nil
}

// waitingLocked returns how many items count against the bound: all but one that
// was answered with true. Nobody was told to stop for that.
func (s *Stream[T]) waitingLocked() int {
	if s.passed {
		return len(s.items) - 1
	}
	return len(s.items)
}

// idleLocked reports whether an item that is written now goes on at once.
func (s *Stream[T]) idleLocked() bool {
	return len(s.items) == 0 && !s.firing && !s.owed && !s.paused && s.readers > 0
}

// idle reports whether Ready would not wait.
func (s *Stream[T]) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.idleLocked()
}

// Close ends the stream: what was written still comes, then the end event.
// Writes after it return ErrClosed. A second Close does nothing.
func (s *Stream[T]) Close() { s.close(nil) }

// CloseWithError is Close for a writer that cannot go on: what was written
// still comes, then an error event instead of end. A nil err is
// omni.ErrCanceled. The first of the closing methods wins, but Cancel is
// stronger than an end that is still to come.
func (s *Stream[T]) CloseWithError(err error) { s.close(causeOf(err)) }

func (s *Stream[T]) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.err = err
	s.scheduleLocked()
	s.changedLocked()
}

// Cancel breaks the stream off, from either side: what is buffered is dropped,
// the next event is an error event with err, and Writes return it. A nil err
// is omni.ErrCanceled. On a stream that is over it does nothing.
func (s *Stream[T]) Cancel(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.closed, s.err = true, causeOf(err)
	s.items, s.passed, s.owed = nil, false, false
	s.overLocked()
}

// Pause holds back data events, save for an item whose Write returned true.
// Drain and end are not held back: they only come when there is nothing to
// hold. It does nothing on a paused stream, and on one that is over.
func (s *Stream[T]) Pause() { s.move(true) }

// Resume lets data events come again. It does nothing on a stream that is not
// paused, and on one that is over.
func (s *Stream[T]) Resume() { s.move(false) }

func (s *Stream[T]) move(pause bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.paused == pause {
		return
	}
	s.paused = pause
	for _, l := range s.listeners {
		if l.Pause != nil || l.Resume != nil {
			s.moves++
			break
		}
	}
	s.scheduleLocked()
	s.changedLocked()
}

// Ready waits until a Write would go on at once: somebody listens to data, the
// stream is not paused, its buffer is empty and no drain is due. It is the
// drain event for writers that have a goroutine. It returns ErrClosed after
// Close, the cause after a Cancel, and if ctx ends first, that of ctx.
func (s *Stream[T]) Ready(ctx context.Context) error {
	if ctx == nil {
		panic("jsgi: Ready with a nil context")
	}
	for {
		s.mu.Lock()
		switch {
		case s.over && s.err != nil:
			s.mu.Unlock()
			return s.err
		case s.closed:
			s.mu.Unlock()
			return ErrClosed
		case s.idleLocked():
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Done is closed when the stream is over: just before the end event, or an
// error event, is fired.
func (s *Stream[T]) Done() <-chan struct{} { return s.done }

// Err is nil until Done and after a clean end, else the cause.
func (s *Stream[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		return nil
	}
	return s.err
}

func (s *Stream[T]) changedLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// overLocked ends the stream. Each listener is told so in a turn of its own, so
// that a panic of one does not keep it from the others.
func (s *Stream[T]) overLocked() {
	s.over = true
	s.moves = 0
	s.late = nil
	for _, l := range s.listeners {
		s.lateLocked(l)
	}
	close(s.done)
	s.changedLocked()
	if s.leave != nil {
		s.leave()
	}
}

// causeOf is what a stream ends with that is broken off with err.
func causeOf(err error) error {
	switch err {
	case nil:
		return omni.ErrCanceled
	case io.EOF: // it would pass for a clean end
		return io.ErrUnexpectedEOF
	}
	return err
}
