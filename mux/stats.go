package mux

// Stats counts what a session did since it began, and what it holds now.
// Bytes are those of items, without frames.
type Stats struct {
	StreamsOpened    uint64 `json:"streams_opened"`   // by this side, answers included
	StreamsAccepted  uint64 `json:"streams_accepted"` // opened by the peer, answers included
	ItemsSent        uint64 `json:"items_sent"`       // accepted from writers
	BytesSent        uint64 `json:"bytes_sent"`
	ItemsReceived    uint64 `json:"items_received"`
	BytesReceived    uint64 `json:"bytes_received"`
	ItemsDropped     uint64 `json:"items_dropped"`   // received and never read: their reader canceled
	Refused          uint64 `json:"refused"`         // streams of the peer that this side refused
	RefusedByPeer    uint64 `json:"refused_by_peer"` // the other way round; safe to retry
	MessagesSent     uint64 `json:"messages_sent"`
	MessagesReceived uint64 `json:"messages_received"`

	Opened      int   `json:"opened"`       // streams of this side that live now
	Accepted    int   `json:"accepted"`     // streams of the peer that live now
	Unaccepted  int   `json:"unaccepted"`   // of those, not handed out by Accept
	AnswersFree int64 `json:"answers_free"` // bytes of the budget that calls can still take
	WindowsFree int64 `json:"windows_free"` // bytes of the budget that windows can still take
}

// Stats returns the session's counters.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.e.statsNow()
}

// statsNow adds what the session holds now.
func (e *engine) statsNow() Stats {
	st := e.stats
	if !e.over {
		st.Opened = len(e.own) + e.unnumbered
		st.Accepted = len(e.theirs)
		st.Unaccepted = len(e.accepts)
	}
	st.AnswersFree, st.WindowsFree = e.budget.answers, e.budget.windows
	return st
}

// add adds what o counts and holds.
func (st *Stats) add(o Stats) {
	st.StreamsOpened += o.StreamsOpened
	st.StreamsAccepted += o.StreamsAccepted
	st.ItemsSent += o.ItemsSent
	st.BytesSent += o.BytesSent
	st.ItemsReceived += o.ItemsReceived
	st.BytesReceived += o.BytesReceived
	st.ItemsDropped += o.ItemsDropped
	st.Refused += o.Refused
	st.RefusedByPeer += o.RefusedByPeer
	st.MessagesSent += o.MessagesSent
	st.MessagesReceived += o.MessagesReceived
	st.Opened += o.Opened
	st.Accepted += o.Accepted
	st.Unaccepted += o.Unaccepted
	st.AnswersFree += o.AnswersFree
	st.WindowsFree += o.WindowsFree
}

// past is what is left to count of a session that is over.
func (st Stats) past() Stats {
	st.AnswersFree, st.WindowsFree = 0, 0
	return st
}
