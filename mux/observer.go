package mux

import (
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"omnistreams.dev/omni"
)

// Observer counts what happens to the sessions whose Options name it, and can
// log it. Its zero value is ready, and any number of sessions share it. It is
// an expvar.Var, so this shows counters and snapshots at /debug/vars:
//
//	expvar.Publish("omnistreams", observer)
type Observer struct {
	// Log, if not nil, gets one record when a session begins, at level
	// debug, and one when it ends: info after a clean end or a Close of
	// this side, else a warning. It does not say which session that is: give
	// it attributes (slog.Logger.With), and an Observer to each listener.
	// Its handler is called by New and by the last goroutine of the
	// session, so a slow one delays New and Close.
	Log *slog.Logger

	mu     sync.Mutex // guards memory, never held while waiting
	living map[*Session]struct{}
	total  Counters
}

// Counters are an Observer's, since it began. A session that ended counts in
// one of the fields from Clean to KeepAliveTimeouts.
type Counters struct {
	Began  uint64 `json:"began"`
	Living int    `json:"living"`

	Clean             uint64 `json:"clean"`              // by a shutdown that lost nothing
	Closed            uint64 `json:"closed"`             // by Close on this side
	DrainTimeouts     uint64 `json:"drain_timeouts"`     // by a shutdown that was cut since its ctx ended
	PeerErrors        uint64 `json:"peer_errors"`        // the peer ended it with an error, or cut streams that lived
	ProtocolErrors    uint64 `json:"protocol_errors"`    // the peer broke a rule
	PeersRefused      uint64 `json:"peers_refused"`      // by CheckPeer
	Cut               uint64 `json:"cut"`                // the transport ended
	HelloTimeouts     uint64 `json:"hello_timeouts"`     // HELLO was late
	MessageTimeouts   uint64 `json:"message_timeouts"`   // Options.MessageTimeout
	WriteTimeouts     uint64 `json:"write_timeouts"`     // Options.WriteTimeout
	KeepAliveTimeouts uint64 `json:"keepalive_timeouts"` // Options.KeepAliveTimeout

	// Streams are the Stats of all sessions together, those that live
	// included, those that ended as they were then: items that their readers
	// leave unread afterwards are not counted as dropped. What a session
	// holds now, Opened and the fields behind it, is of those that live.
	Streams Stats `json:"streams"`
}

// Counters returns the counters as they are now.
func (o *Observer) Counters() Counters {
	living, total := o.look()
	for _, s := range living {
		total.Streams.add(s.Stats())
	}
	return total
}

// Snapshots returns one of each session that lives, in no order.
func (o *Observer) Snapshots() []Snapshot {
	living, _ := o.look()
	all := make([]Snapshot, 0, len(living))
	for _, s := range living {
		all = append(all, s.Snapshot())
	}
	return all
}

// String is the counters and the snapshots as JSON, as expvar.Var wants it.
func (o *Observer) String() string {
	b, err := json.Marshal(struct {
		Counters Counters   `json:"counters"`
		Sessions []Snapshot `json:"sessions"`
	}{o.Counters(), o.Snapshots()})
	if err != nil {
		panic("BUG: counters cannot be encoded: " + err.Error())
	}
	return string(b)
}

func (o *Observer) look() (living []*Session, total Counters) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for s := range o.living {
		living = append(living, s)
	}
	total = o.total
	total.Living = len(living)
	return living, total
}

// began is called by New; o may be nil.
func (o *Observer) began(s *Session) {
	if o == nil {
		return
	}
	o.mu.Lock()
	if o.living == nil {
		o.living = make(map[*Session]struct{})
	}
	o.living[s] = struct{}{}
	o.total.Began++
	o.mu.Unlock()
	if o.Log != nil {
		o.Log.Debug("omnistreams: session began")
	}
}

// ended is called when nothing comes or goes any more.
func (o *Observer) ended(s *Session) {
	if o == nil {
		return
	}
	s.mu.Lock()
	err, st := s.e.err, s.e.statsNow()
	how := s.e.verdict()
	s.mu.Unlock()
	o.mu.Lock()
	delete(o.living, s)
	*how.count(&o.total)++
	o.total.Streams.add(st.past())
	o.mu.Unlock()
	if o.Log == nil {
		return
	}
	attrs := []any{
		"outcome", how.name, "after", time.Since(s.began),
		"opened", st.StreamsOpened, "accepted", st.StreamsAccepted, "refused", st.Refused,
		"items_sent", st.ItemsSent, "items_received", st.ItemsReceived,
	}
	if how.inOrder {
		o.Log.Info("omnistreams: session ended", attrs...)
		return
	}
	o.Log.Warn("omnistreams: session ended", append(attrs, "error", err)...)
}

// A verdict is how a session ended.
type verdict struct {
	name    string
	inOrder bool
	count   func(*Counters) *uint64
}

var lateVerdicts = [...]verdict{
	lateHello:   {"HELLO was late", false, func(c *Counters) *uint64 { return &c.HelloTimeouts }},
	lateMessage: {"a message was not complete in time", false, func(c *Counters) *uint64 { return &c.MessageTimeouts }},
	lateWrite:   {"the peer did not read", false, func(c *Counters) *uint64 { return &c.WriteTimeouts }},
	latePong:    {"the peer was silent", false, func(c *Counters) *uint64 { return &c.KeepAliveTimeouts }},
	lateDrain:   {"it did not drain in time", false, func(c *Counters) *uint64 { return &c.DrainTimeouts }},
}

// verdict is that of an engine that is over.
func (e *engine) verdict() verdict {
	var se *omni.StreamError
	switch {
	case e.err == nil:
		return verdict{"clean", true, func(c *Counters) *uint64 { return &c.Clean }}
	case e.lateness != notLate:
		return lateVerdicts[e.lateness]
	case e.err == ErrClosed:
		return verdict{"closed", true, func(c *Counters) *uint64 { return &c.Closed }}
	case errors.As(e.err, &se) && se.Remote:
		return verdict{"ended by the peer", false, func(c *Counters) *uint64 { return &c.PeerErrors }}
	case e.farewell == nil:
		return verdict{"the connection ended", false, func(c *Counters) *uint64 { return &c.Cut }}
	case !e.broken:
		return verdict{"the peer was refused", false, func(c *Counters) *uint64 { return &c.PeersRefused }}
	}
	return verdict{"the peer broke a rule", false, func(c *Counters) *uint64 { return &c.ProtocolErrors }}
}
