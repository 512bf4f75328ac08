package mux

// Stats counts what a session did since it began, and what it holds now.
// Bytes are those of items, without frames.
type Stats struct {
	StreamsOpened    uint64 // by this side, answers included
	StreamsAccepted  uint64 // opened by the peer, answers included
	ItemsSent        uint64 // accepted from writers
	BytesSent        uint64
	ItemsReceived    uint64
	BytesReceived    uint64
	ItemsDropped     uint64 // received and never read: their reader canceled
	MessagesSent     uint64
	MessagesReceived uint64

	Opened      int   // streams of this side that live now
	Accepted    int   // streams of the peer that live now
	Unaccepted  int   // of those, not handed out by Accept
	AnswersFree int64 // bytes of the budget that calls can still take
	WindowsFree int64 // bytes of the budget that windows can still take
}

// Stats returns the session's counters.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.e.stats
	if !s.e.over {
		st.Opened = len(s.e.own) + s.e.unnumbered
		st.Accepted = len(s.e.theirs)
		st.Unaccepted = len(s.e.accepts)
	}
	st.AnswersFree, st.WindowsFree = s.e.budget.answers, s.e.budget.windows
	return st
}
