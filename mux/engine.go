package mux

import (
	"time"

	"omnistreams.dev/omni"
)

// engine is one side of the protocol: frames and calls go in, state changes,
// frames come out. It does no I/O, reads no clock, starts no goroutine and
// never blocks, so it can be checked, fuzzed and simulated by itself. The
// session guards it with one mutex: every method is called with that held.
//
//	calls --> outgoing, incoming --pack--> messages
//	          signals <--receive-- messages
//
// What a message says of credit, slots and ends takes effect here when pack
// puts it into a message, which is just before the transport gets it.
type engine struct {
	cfg     *config
	dialect Dialect // nil for none

	// The handshake.
	helloGiven bool
	peer       hello  // valid once peerKnown
	peerKnown  bool   // the peer's HELLO came
	lively     bool   // something came; the session takes it back
	admitted   bool   // and CheckPeer had nothing against it
	ready      signal // admitted, or over

	// Streams that live, by number. Each side numbers its own.
	own        map[uint32]*outgoing
	theirs     map[uint32]*incoming
	lastOwn    uint32 // numbers given out
	lastTheirs uint32
	unnumbered int // own streams whose OPEN is not given yet
	ownSlots   int // of the peer's streams in use by us
	theirSlots int // of ours in use by the peer
	slotFree   signal
	opening    waiters // calls of Open and Call that wait for a slot
	calling    waiters // calls of Call that wait for a share of the budget

	accepts    []*incoming // not handed to the application yet
	held       int         // handed to the application, and not let go
	acceptable signal      // accepts has grown, or nothing can come any more

	budget budget

	// What waits to be packed.
	sending  queue[outgoing] // streams with segments
	fresh    queue[outgoing] // likewise, and they had none for a while: they go first
	turn     uint64          // of packing segments
	replying queue[incoming] // streams with REQUEST or CLOSE due
	queued   int             // bytes in segments, of all streams
	crowded  bool            // control left no room for the next segment
	bufs     buffers

	ping     pinger
	shutdown shutdown

	// The end.
	over      bool              // no stream can live any more
	err       error             // why; nil after a clean shutdown
	farewell  *omni.StreamError // FAIL on 0 to be packed
	broken    bool              // the peer broke a rule
	lateness  lateness          // what was late, if that is why
	lastGiven bool              // FAIL on 0 was packed: nothing goes after it
	peerGone  bool              // the peer's FAIL on 0 came, or the transport ended
	ended     signal            // over

	now       time.Duration // since the session began, told with each message
	roundTrip time.Duration // the least that credit took to go around; 0 if unknown
	stats     Stats
}

func newEngine(cfg *config) *engine {
	e := &engine{
		cfg:    cfg,
		own:    make(map[uint32]*outgoing),
		theirs: make(map[uint32]*incoming),
		budget: newBudget(cfg),
	}
	if cfg.dialect != nil {
		e.dialect = cfg.dialect()
	}
	return e
}

// finish ends the session for every stream and every call. err is nil after
// a clean shutdown. Only the first call counts.
func (e *engine) finish(err error) {
	if e.over {
		return
	}
	e.over, e.err = true, err
	for _, o := range e.own {
		o.lose(e.lostError())
	}
	e.joinFresh()
	for o := e.sending.pop(); o != nil; o = e.sending.pop() {
		o.lose(e.lostError()) // those without a number are not in own
	}
	for _, in := range e.theirs {
		in.lose(e.lostError())
	}
	e.replying = queue[incoming]{}
	e.ready.fire()
	e.slotFree.fire()
	e.acceptable.fire()
	e.budget.freed.fire()
	e.ping.answered.fire()
	e.ended.fire()
}

// lostError is what a stream gets that lived when the session ended.
func (e *engine) lostError() error {
	code := omni.CodeInternal
	if se, ok := e.err.(*omni.StreamError); ok && !promisesRetry(se.Code) {
		code = se.Code
	}
	cause := ErrSessionLost
	if e.err != nil {
		cause = &lostCause{e.err}
	}
	return &omni.StreamError{Code: code, Reason: "session lost", Cause: cause}
}

// fail ends the session for a rule that was broken, or another reason of
// ours: FAIL on stream 0 goes out, then nothing. reason is what our own
// streams and calls see.
func (e *engine) fail(reason *omni.StreamError) {
	if e.over {
		return
	}
	e.farewell = reason
	e.broken = reason.Code != omni.CodeRefused
	e.finish(reason)
}

// lateness is what did not come in time.
type lateness uint8

const (
	notLate lateness = iota
	lateHello
	lateMessage
	lateWrite
	latePong
	lateDrain
)

// late makes the error for what was late.
func (e *engine) late(what lateness, rule int, format string, args ...any) *omni.StreamError {
	e.lateness = what
	return fault(rule, omni.CodeTimeout, format, args...)
}

// openError says why no new stream can be opened, nil if one can.
func (e *engine) openError() error {
	switch {
	case e.over:
		return e.overErr()
	case e.shutdown.closeErr != nil:
		return e.shutdown.closeErr
	case e.shutdown.endWant:
		return &omni.StreamError{Code: omni.CodeShuttingDown, Reason: "the session opens no more streams"}
	}
	return nil
}

// kick reports whether pack would return anything.
func (e *engine) kick() bool {
	switch {
	case e.over:
		return e.farewell != nil && !e.lastGiven
	case !e.helloGiven, e.ping.due():
		return true
	case !e.peerKnown:
		return false
	}
	return e.sending.head != nil || e.fresh.head != nil || e.replying.head != nil || e.shutdown.due(e) || e.dialect != nil && e.dialect.Pending()
}

// queue is a list of streams that wait for their turn; a stream is in it at
// most once.
type queue[S any] struct {
	head, tail *link[S]
}

// link is a stream's place in a queue, kept inside the stream so that
// queueing allocates nothing.
type link[S any] struct {
	stream *S
	next   *link[S]
	queued bool
}

func (q *queue[S]) push(l *link[S], s *S) {
	if l.queued {
		return
	}
	l.stream, l.queued, l.next = s, true, nil
	if q.tail == nil {
		q.head = l
	} else {
		q.tail.next = l
	}
	q.tail = l
}

// pop takes the first stream out, nil if there is none.
func (q *queue[S]) pop() *S {
	l := q.head
	if l == nil {
		return nil
	}
	q.head = l.next
	if q.head == nil {
		q.tail = nil
	}
	s := l.stream
	*l = link[S]{}
	return s
}
