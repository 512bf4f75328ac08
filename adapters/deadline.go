package adapters

import (
	"net"
	"os"
	"sync"
	"time"
)

// side is one direction of a Conn: whose turn it is, and until when. Its
// deadline reaches calls that wait already, so it cannot be a ctx made by the
// call; it is a ctx that lives as long as the deadline has not passed.
type side struct {
	turn chan struct{} // one slot, filled by the one call that is inside

	mu     sync.Mutex
	limit  *limit      // of the calls that begin now; replaced after it has passed
	timer  *time.Timer // of the newest deadline, nil if there is none
	moves  int         // how often the deadline was set: an older timer means nothing
	closed bool
}

func newSide() side {
	return side{turn: make(chan struct{}, 1), limit: newLimit()}
}

// enter waits for the turn, and returns the ctx of this call. If that ends
// first, the call has no turn and must not leave.
func (s *side) enter() (*limit, error) {
	s.mu.Lock()
	l := s.limit
	s.mu.Unlock()
	if err := l.Err(); err != nil {
		return nil, err // even if there is something to read
	}
	select {
	case s.turn <- struct{}{}:
		return l, nil
	case <-l.done:
		return nil, l.err
	}
}

func (s *side) leave() { <-s.turn }

func (s *side) setDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.stopTimerLocked()
	if s.limit.Err() != nil {
		s.limit = newLimit()
	}
	if t.IsZero() {
		return nil
	}
	wait := time.Until(t)
	if wait <= 0 {
		s.limit.end(os.ErrDeadlineExceeded)
		return nil
	}
	move := s.moves
	s.timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.moves == move {
			s.limit.end(os.ErrDeadlineExceeded)
		}
	})
	return nil
}

// stopTimerLocked makes the timer's func, should it run still, do nothing.
func (s *side) stopTimerLocked() {
	s.moves++
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// close ends the calls that wait and all later ones, for good.
func (s *side) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.stopTimerLocked()
	if s.limit.Err() == nil {
		s.limit.end(net.ErrClosed)
	}
}

// limit is a context.Context that ends when a deadline passes, which may move
// until then, or at a Close. Its error is what the Conn's call returns.
type limit struct {
	done chan struct{}
	err  error // set before done is closed
}

func newLimit() *limit { return &limit{done: make(chan struct{})} }

// end is called once, with the side's mutex held.
func (l *limit) end(err error) {
	l.err = err
	close(l.done)
}

func (l *limit) Deadline() (time.Time, bool) { return time.Time{}, false }
func (l *limit) Done() <-chan struct{}       { return l.done }
func (l *limit) Value(any) any               { return nil }

func (l *limit) Err() error {
	if isDone(l.done) {
		return l.err
	}
	return nil
}
