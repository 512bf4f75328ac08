package jsgi

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
// them; an event that is being fired may still reach them.
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
			return
		}
	}
}

// lateLocked has l called for what it has missed: the stream's end, or a drain.
func (s *Stream[T]) lateLocked(l *Listener[T]) {
	var f func()
	switch {
	case s.over && s.err == nil:
		f = l.End
	case s.over && l.Error != nil:
		err := s.err
		f = func() { l.Error(err) }
	case !s.over && s.drains && !s.owed:
		f = l.Drain
	}
	if f != nil {
		s.late = append(s.late, f)
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
	case len(s.late) > 0:
		return late
	case s.over:
		return nothing
	case s.moves > 0:
		return move
	case len(s.items) > 0:
		if s.flowsLocked() {
			return data
		}
		return nothing
	case s.owed:
		return drain
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
// anybody's doing.
func (s *Stream[T]) coming() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	return len(s.items) > 0 && s.flowsLocked() || len(s.items) == 0 && s.closed
}

// turn fires one event, on the queue, with no lock held while listeners run.
func (s *Stream[T]) turn() {
	s.mu.Lock()
	ls := s.listeners
	switch s.nextLocked() {
	case late:
		f := s.late[0]
		s.late = s.late[1:]
		s.mu.Unlock()
		f()
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
		s.mu.Unlock()
		for _, l := range ls {
			if l.Drain != nil {
				l.Drain()
			}
		}
	case end:
		s.overLocked()
		err := s.err
		s.mu.Unlock()
		fireEnd(ls, err)
	default: // canceled meanwhile, or paused
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.firing, s.scheduled = false, false
	s.scheduleLocked()
	if s.idleLocked() {
		s.changedLocked()
	}
	s.mu.Unlock()
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

func fireEnd[T any](ls []*Listener[T], err error) {
	for _, l := range ls {
		switch {
		case err == nil && l.End != nil:
			l.End()
		case err != nil && l.Error != nil:
			l.Error(err)
		}
	}
}
