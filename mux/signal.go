package mux

// signal wakes everybody who waits for a change of some state. The lock that
// guards the state guards the signal; its zero value is ready, and costs
// nothing until somebody waits.
//
// The first to wait has a channel that is used again, so that one reader and
// one writer wait without allocating; the others share one that is closed.
type signal struct {
	first  chan struct{} // one slot
	taken  bool          // somebody waits on first, and has not left
	others chan struct{} // nil if nobody waits on it
}

// wait returns a channel that becomes ready at the next fire. Who waited calls
// leave, with the lock held again.
func (s *signal) wait() <-chan struct{} {
	if !s.taken {
		s.taken = true
		if s.first == nil {
			s.first = make(chan struct{}, 1)
		}
		return s.first
	}
	if s.others == nil {
		s.others = make(chan struct{})
	}
	return s.others
}

// leave ends a wait on ch, whether it was fired or not.
func (s *signal) leave(ch <-chan struct{}) {
	if ch != s.first {
		return
	}
	s.taken = false
	select {
	case <-s.first: // fired once more, or given up
	default:
	}
}

func (s *signal) fire() {
	if s.taken && len(s.first) == 0 {
		s.first <- struct{}{}
	}
	if s.others != nil {
		close(s.others)
		s.others = nil
	}
}

// latch is a Done channel that is made when somebody asks for it, so that
// idle streams do without. The same lock guards it.
type latch struct {
	ch   chan struct{}
	shut bool
}

func (l *latch) done() <-chan struct{} {
	if l.ch == nil {
		l.ch = make(chan struct{})
		if l.shut {
			close(l.ch)
		}
	}
	return l.ch
}

func (l *latch) close() {
	if !l.shut {
		l.shut = true
		if l.ch != nil {
			close(l.ch)
		}
	}
}
