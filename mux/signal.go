package mux

// signal wakes everybody who waits for a change of some state. The lock that
// guards the state guards the signal; its zero value is ready, and costs
// nothing until somebody waits.
type signal struct{ ch chan struct{} }

// wait returns a channel that is closed at the next fire.
func (s *signal) wait() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) fire() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
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
