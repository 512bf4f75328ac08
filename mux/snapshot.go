package mux

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is a session at one moment, to see why it is stuck. As JSON its
// times are in nanoseconds.
type Snapshot struct {
	State     string        `json:"state"`             // "greeting", "open", "draining" or "over"
	Error     string        `json:"error,omitempty"`   // why it is over, if that was not clean
	Age       time.Duration `json:"age"`               // since New
	Silence   time.Duration `json:"silence"`           // since the peer was heard last
	Sending   time.Duration `json:"sending,omitempty"` // since the transport was given the message that it has not taken yet; 0 if it has none
	RoundTrip time.Duration `json:"round_trip"`        // the least that credit took to go around; 0 if it never did

	Streams []StreamState `json:"streams"` // that live: first those that are stuck, the longest first
	Stats   Stats         `json:"stats"`
}

// StreamState is one stream in a Snapshot: who waits for whom, and what has
// moved. Calls of Open and Call that wait are listed as one stream without a
// number: those for a slot, which have no kind, and those for the budget.
type StreamState struct {
	Opened   bool   `json:"opened"`            // by this side; else by the peer
	Number   uint32 `json:"number"`            // in the space of the side that opened it; 0 if its OPEN has not gone out
	Kind     string `json:"kind"`              // "one-way", "call" or "answer"
	Answers  uint32 `json:"answers,omitempty"` // the call's number, in the other side's space, if this is an answer
	Metadata []byte `json:"-"`                 // what it was opened with, not to be changed; of streams that this side opened the first 64 bytes

	// Waits is who must do something before the stream moves on:
	//
	//	our writer         calls Write, or End
	//	our reader         takes what is here, or asks for more
	//	our Accept         takes the stream
	//	our Reply          answers the call
	//	our budget         Options.Budget has nothing left to grant
	//	the transport      takes the message that it was given
	//	the peer's reader  asks, or takes what was sent; it may not have accepted
	//	the peer's writer  sends, or says its last word
	//	the peer's Reply   answers the call
	//	the peer's slots   a stream of ours ends: as many live as the peer lets
	Waits string `json:"waits"`
	// Stuck says that something is held up: an item or an end that is here
	// or on its way, a Write, an Open. Else the stream is idle, and whom it
	// waits for may have nothing to say.
	Stuck bool          `json:"stuck"`
	Since time.Duration `json:"since"` // since it moved last or, if a Write waits, since that does; of a call with its answer

	Items    Credit `json:"items"`
	Bytes    Credit `json:"bytes"`  // of items
	Queued   int    `json:"queued"` // bytes of frames that wait for the transport
	Sent     string `json:"sent"`   // our last frame that went out: "OPEN", "DATA" …; "" if none did
	Received string `json:"received"`
}

// Credit is a stream's totals since it began.
type Credit struct {
	Granted uint64 `json:"granted"` // by the reader's side
	Moved   uint64 `json:"moved"`   // accepted from the writer, or received
	Taken   uint64 `json:"taken"`   // by the reader; of streams that this side opened nobody knows: 0
}

// The names of the kinds, by number.
var kindNames = [...]string{kindOneWay: "one-way", kindCall: "call", kindAnswer: "answer"}

// Snapshot returns what the session looks like now. It waits for nothing.
func (s *Session) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.e
	now := time.Now()
	snap := Snapshot{
		State:     "open",
		Age:       now.Sub(s.began),
		Silence:   now.Sub(s.alive.heard),
		RoundTrip: e.roundTrip,
		Streams:   e.streams(s.momentLocked(now)),
		Stats:     e.statsNow(),
	}
	if k := &s.alive; k.inside != nil {
		if in, _ := k.inside.Progress(); in.Moved.After(k.heard) {
			snap.Silence = now.Sub(in.Moved)
		}
	}
	if !s.alive.sending.IsZero() {
		snap.Sending = now.Sub(s.alive.sending)
	}
	switch sd := &e.shutdown; {
	case e.over:
		snap.State = "over"
		if e.err != nil {
			snap.Error = e.err.Error()
		}
	case !e.admitted:
		snap.State = "greeting"
	case sd.closeWant, sd.peerClose, sd.endWant, sd.peerEnd:
		snap.State = "draining"
	}
	return snap
}

// A moment is when streams are looked at.
type moment struct {
	now  time.Duration // since the session began
	busy bool          // the transport has a message that it has not taken yet,
	from time.Duration // since then
}

func (s *Session) momentLocked(now time.Time) moment {
	m := moment{now: now.Sub(s.began), busy: !s.alive.sending.IsZero()}
	if m.busy {
		m.from = s.alive.sending.Sub(s.began)
	}
	return m
}

// streams lists what lives.
func (e *engine) streams(m moment) []StreamState {
	all := []StreamState{}
	if e.over {
		return all
	}
	for _, o := range e.own {
		all = append(all, o.state(m))
	}
	for _, o := range e.unnumberedStreams() {
		all = append(all, o.state(m))
	}
	for _, in := range e.theirs {
		all = append(all, in.state(m))
	}
	if e.opening.count > 0 {
		all = append(all, StreamState{Opened: true, Waits: "the peer's slots", Stuck: true, Since: m.now - e.opening.since})
	}
	if e.calling.count > 0 {
		all = append(all, StreamState{Opened: true, Kind: "call", Waits: "our budget", Stuck: true, Since: m.now - e.calling.since})
	}
	slices.SortFunc(all, func(a, b StreamState) int {
		switch {
		case a.Stuck != b.Stuck && a.Stuck:
			return -1
		case a.Stuck != b.Stuck:
			return 1
		case a.Stuck && a.Since != b.Since:
			return cmp.Compare(b.Since, a.Since)
		case a.Opened != b.Opened && a.Opened:
			return -1
		case a.Opened != b.Opened:
			return 1
		}
		return cmp.Compare(a.Number, b.Number)
	})
	return all
}

// unnumberedStreams are those that Open has returned and whose OPEN is queued.
func (e *engine) unnumberedStreams() []*outgoing {
	var found []*outgoing
	for _, q := range []*queue[outgoing]{&e.fresh, &e.sending} {
		for l := q.head; l != nil; l = l.next {
			if l.stream.id == 0 {
				found = append(found, l.stream)
			}
		}
	}
	return found
}

// state is the writer's half in a Snapshot.
func (o *outgoing) state(m moment) StreamState {
	st := StreamState{
		Opened: true, Number: o.id, Kind: kindNames[o.kind], Metadata: []byte(o.name), Queued: o.queued, Since: m.now - o.moved,
		Items: Credit{Granted: o.grantItems, Moved: o.sentItems},
		Bytes: Credit{Granted: o.grantBytes, Moved: o.sentBytes},
	}
	if o.answers != nil {
		st.Answers = o.answers.id
	}
	switch {
	case o.queued > 0:
		// Whatever was before, the transport is not to blame for more than
		// its own message.
		st.Waits, st.Stuck, st.Since = "the transport", m.busy, 0
		if m.busy {
			st.Since = m.now - max(o.moved, m.from)
		}
	case m.busy && o.turn == o.e.turn:
		st.Waits, st.Stuck = "the transport", true // it has our last frame
	case o.lastGiven && o.call != nil && !o.call.answered:
		st.Waits, st.Stuck = "the peer's Reply", true
	case o.lastGiven:
		st.Waits, st.Stuck = "the peer's reader", true // else CLOSE had come
		if o.call != nil {
			st.Since = min(st.Since, m.now-o.call.in.moved) // its answer moves
		}
	case o.waiting.count > 0:
		st.Waits, st.Stuck = "the peer's reader", true
		st.Since = m.now - max(o.waiting.since, o.moved)
	case o.sentItems >= o.grantItems:
		st.Waits = "the peer's reader" // and nobody has more for it
	default:
		st.Waits = "our writer"
	}
	switch {
	case o.id == 0:
	case o.lastGiven && o.last == wordEnd:
		st.Sent = frameEnd.String()
	case o.lastGiven:
		st.Sent = frameFail.String()
	case o.dataGiven:
		st.Sent = frameData.String()
	default:
		st.Sent = frameOpen.String()
	}
	switch e := o.e; {
	case o.closed:
		st.Received = frameClose.String()
	case o.grantItems > uint64(e.peer.items) || o.grantBytes > uint64(e.peer.bytes):
		st.Received = frameRequest.String()
	}
	return st
}

// state is the reader's half in a Snapshot.
func (in *incoming) state(m moment) StreamState {
	cfg := in.e.cfg
	st := StreamState{
		Number: in.id, Kind: kindNames[in.kind], Metadata: in.metadata, Since: m.now - in.moved,
		Items: Credit{in.grantItems, in.gotItems, in.tookItems},
		Bytes: Credit{in.grantBts, in.gotBytes, in.tookBytes},
	}
	if in.call != nil {
		st.Answers = in.call.out.id
	}
	st.Waits, st.Stuck = in.waitsFor(m)
	if in.reply != nil && in.gotItems == in.tookItems {
		st.Since = min(st.Since, m.now-in.reply.moved) // its answer moves
	}
	switch {
	case in.peerLast == wordEnd:
		st.Received = frameEnd.String()
	case in.peerLast == wordFail:
		st.Received = frameFail.String()
	case in.gotItems > 0:
		st.Received = frameData.String()
	default:
		st.Received = frameOpen.String()
	}
	switch {
	case in.closeGiven:
		st.Sent = frameClose.String()
	case in.grantItems > uint64(cfg.items) || in.grantBts > uint64(cfg.bytes) && in.e.dialect == nil:
		st.Sent = frameRequest.String()
	}
	return st
}

// waitsFor says for whom the reader's half waits, and whether that holds
// something up.
func (in *incoming) waitsFor(m moment) (whom string, stuck bool) {
	sent := m.busy && in.turn == in.e.turn // the transport has our last frame
	switch {
	case in.finished && in.closeGiven && sent, in.closeDue():
		return "the transport", m.busy
	case in.finished && in.closeGiven:
		// It owes its last word. Of a Dialect's peer that may never come.
		return "the peer's writer", in.e.dialect == nil
	case in.finished:
		return "our Reply", true
	case !in.accepted && in.kind != kindAnswer:
		return "our Accept", true
	case in.peerLast != noWord || in.gotItems > in.tookItems:
		return "our reader", true
	case in.place.queued || sent:
		return "the transport", m.busy // a REQUEST
	case in.grantItems > in.gotItems:
		return "the peer's writer", false
	case in.wantItems > in.grantItems:
		return "our budget", true
	}
	return "our reader", false // it has not asked
}

// waiters counts calls that wait for the same thing, and knows since when none
// of them has had it.
type waiters struct {
	count int
	since time.Duration
}

func (w *waiters) enter(now time.Duration) {
	if w.count++; w.count == 1 {
		w.since = now
	}
}

// leave is for who entered w, which is nil if that was nowhere.
func (w *waiters) leave() {
	if w != nil {
		w.count--
	}
}
