package jsgi

import "slices"

// Listener is what somebody wants to hear of a stream; what is nil is not
// heard. The funcs run on the stream's queue, one at a time, in the order in
// which the listeners were added.
type Listener[T any] struct {
	// Data gets each item that is written. While nobody listens to data,
	// items wait in the stream's buffer.
	Data func(v T)
	// End is called once, when all was written and the stream closed, and
	// Error instead of it if the stream broke off. A listener that comes
	// later is called too.
	End   func()
	Error func(err error)
	// Drain is called when the buffer has emptied, once for all Writes that
	// returned false since the last time. A listener that comes when the
	// buffer is empty, and once was not, may have been added by a writer that
	// just got a false; so it is called too.
	Drain func()
	// Pause and Resume are called when the stream was paused, and resumed.
	Pause  func()
	Resume func()
}

// AddListener attaches l, all its funcs in one step. What it returns detaches
// them; an event that is being fired may still reach them, one that is to come
// does not. Items that nobody listens to any more wait for the next data listener,
// also one that a Write has answered with true.
func (s *Stream[T]) AddListener(l Listener[T]) (remove func()) {
	if l.Data == nil && l.End == nil && l.Error == nil && l.Drain == nil && l.Pause == nil && l.Resume == nil {
		panic("jsgi: AddListener with no func")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners[:len(s.listeners):len(s.listeners)], &l)
	if l.Data != nil {
		s.readers++
		s.changedLocked()
	}
	s.lateLocked(&l)
	s.scheduleLocked()
	return func() { s.removeListener(&l) }
}

func (s *Stream[T]) removeListener(l *Listener[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, have := range s.listeners {
		if have == l {
			rest := append([]*Listener[T](nil), s.listeners[:i]...)
			s.listeners = append(rest, s.listeners[i+1:]...)
			if l.Data != nil {
				s.readers--
			}
			break
		}
	}
	s.late = slices.DeleteFunc(s.late, func(have *Listener[T]) bool { return have == l })
}

// lateLocked has l called for what it has missed: the stream's end, or a drain.
func (s *Stream[T]) lateLocked(l *Listener[T]) {
	missed := s.drains && !s.owed && l.Drain != nil
	if s.over {
		missed = s.err == nil && l.End != nil || s.err != nil && l.Error != nil
	}
	if missed {
		s.late = append(s.late, l)
		s.scheduleLocked()
	}
}

// event is what a stream may fire next.
type event int

const (
	nothing event = iota
	late
	move
	data
	drain
	end
)

// nextLocked decides what the next event is. Each is fired in a turn of its
// own, so there is time for others, and for the writes of a listener, between.
func (s *Stream[T]) nextLocked() event {
	switch {
	case s.over && len(s.late) == 0:
		return nothing
	case s.over:
		return late
	case s.moves > 0:
		return move
	case len(s.items) > 0:
		if s.flowsLocked() {
			return data
		}
		return nothing
	case s.owed:
		return drain
	case len(s.late) > 0: // a drain, which is true only now that the buffer is empty
		return late
	case s.closed:
		return end
	}
	return nothing
}

// flowsLocked reports whether the first item may be fired.
func (s *Stream[T]) flowsLocked() bool {
	return s.readers > 0 && (s.passed || !s.paused)
}

// scheduleLocked puts the stream on its queue if there is something to fire.
func (s *Stream[T]) scheduleLocked() {
	if !s.scheduled && s.nextLocked() != nothing {
		s.scheduled = true
		s.q.Go(s.turn)
	}
}

// coming reports whether an item or the end is sure to be fired without
// anybody's doing, or was.
func (s *Stream[T]) coming() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.items) > 0 {
		return s.flowsLocked()
	}
	return s.closed
}

// turn fires one event, on the queue, and sees to the next, even if a listener
// does not return.
func (s *Stream[T]) turn() {
	returned := false
	defer func() {
		if !returned && s.q.caught != nil {
			// Listeners have missed the event: the stream must not go on
			// as if they had not.
			s.Cancel(s.q.caught(recover()))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.firing, s.scheduled = false, false
		s.scheduleLocked()
		if s.idleLocked() {
			s.changedLocked()
		}
	}()
	s.fire()
	returned = true
}

// fire fires one event, with no lock held while listeners run.
func (s *Stream[T]) fire() {
	s.mu.Lock()
	if s.nextLocked() == end {
		s.overLocked() // which makes all listeners late
	}
	ls := s.listeners
	switch s.nextLocked() {
	case late:
		l := s.late[0]
		s.late = s.late[1:]
		over, err := s.over, s.err
		s.mu.Unlock()
		switch {
		case !over:
			l.Drain()
		case err == nil:
			l.End()
		default:
			l.Error(err)
		}
	case move:
		// They alternate, and the last is what holds now.
		pause := s.paused == (s.moves%2 == 1)
		s.moves--
		s.mu.Unlock()
		fireMove(ls, pause)
	case data:
		v := s.popLocked()
		s.firing = true
		s.mu.Unlock()
		for _, l := range ls {
			if l.Data != nil {
				l.Data(v)
			}
		}
	case drain:
		s.owed, s.drains = false, true
		s.late = nil // they hear this one
		s.mu.Unlock()
		for _, l := range ls {
			if l.Drain != nil {
				l.Drain()
			}
		}
	default: // canceled meanwhile, or paused
		s.mu.Unlock()
	}
}

// popLocked takes the first item.
func (s *Stream[T]) popLocked() T {
	var zero T
	v := s.items[0]
	s.items[0] = zero // for the collector
	if s.items = s.items[1:]; len(s.items) == 0 {
		s.items = nil
	}
	s.passed = false
	return v
}

func fireMove[T any](ls []*Listener[T], pause bool) {
	for _, l := range ls {
		f := l.Resume
		if pause {
			f = l.Pause
		}
		if f != nil {
			f()
		}
	}
}
