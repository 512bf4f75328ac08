package mux

import (
	"slices"

	"omnistreams.dev/omni"
)

// shutdown is the state of the session's graceful end (SPEC.md, rule 12):
// CLOSE on 0 either way, END on 0 both ways, and when no stream lives FAIL on
// 0 with code 0 both ways, the goodbye.
type shutdown struct {
	closeWant  bool // we say CLOSE on 0
	closeGiven bool
	reason     string // of our CLOSE on 0, for people
	peerClose  bool
	closeErr   *omni.StreamError // what Open returns since CLOSE on 0, either way

	endWant  bool // we say END on 0 as soon as no call is left to be answered
	endGiven bool
	peerEnd  bool
}

// refuses says whether a new stream of that kind must be refused.
func (s *shutdown) refuses(kind uint8) bool {
	return s.closeWant || s.peerClose || s.endWant && kind == kindCall
}

// drain begins the graceful end; reason is for people.
func (e *engine) drain(reason string) {
	s := &e.shutdown
	if e.over || s.closeWant {
		return
	}
	// Not after our own END on 0, which says as much.
	s.closeWant, s.reason = !s.endGiven, reason
	s.endWant = true
	// Streams that Open has returned still go out, before our CLOSE on 0.
	if s.closeErr == nil {
		s.closeErr = &omni.StreamError{Code: omni.CodeShuttingDown, Reason: "the session is shutting down"}
	}
	e.slotFree.fire() // those who wait for a slot
	e.budget.freed.fire()
	for _, in := range e.accepts {
		in.refuse(omni.CodeShuttingDown, "the session is shutting down")
	}
	e.accepts = nil
	e.acceptable.fire()
}

// stopOpening takes the peer's word that it wants no more streams: it fails
// the opens that were not given to the transport, answers apart, and those to
// come.
func (e *engine) stopOpening(err *omni.StreamError) {
	if e.shutdown.closeErr == nil {
		e.shutdown.closeErr = err
	}
	var kept queue[outgoing]
	e.joinFresh()
	for o := e.sending.pop(); o != nil; o = e.sending.pop() {
		if o.id != 0 || o.kind == kindAnswer {
			kept.push(&o.place, o)
			continue
		}
		e.dropUnopened(o, err)
	}
	e.sending = kept
	e.slotFree.fire() // those who wait for a slot
	e.budget.freed.fire()
}

// dropUnopened forgets a stream whose OPEN never goes out.
func (e *engine) dropUnopened(o *outgoing, err *omni.StreamError) {
	e.unnumbered--
	e.stats.RefusedByPeer++
	o.forget()
	o.lastGiven, o.closed = true, true // as if both sides had spoken
	o.finish(err)
	if o.call == nil {
		e.ownSlots--
		return
	}
	o.call.refused(err)
	o.call.release()
}

// onSessionClose takes the peer's CLOSE on 0.
func (e *engine) onSessionClose(code omni.Code, reason string) *omni.StreamError {
	s := &e.shutdown
	switch {
	case s.peerClose:
		return fault(12, omni.CodeProtocol, "a second CLOSE on stream 0")
	case s.peerEnd:
		return fault(12, omni.CodeProtocol, "CLOSE on stream 0 after END on stream 0")
	}
	s.peerClose, s.endWant = true, true
	if code == omni.CodeDone {
		code = omni.CodeShuttingDown
	}
	e.stopOpening(&omni.StreamError{Code: code, Reason: reason, Remote: true})
	return nil
}

// onSessionWord takes the peer's END or FAIL on 0.
func (e *engine) onSessionWord(t frameType, failed *omni.StreamError) *omni.StreamError {
	switch t {
	case frameEnd:
		if e.shutdown.peerEnd {
			return fault(12, omni.CodeProtocol, "a second END on stream 0")
		}
		e.shutdown.peerEnd = true
		e.acceptable.fire()
		e.slotFree.fire() // calls that wait would get no answer
		e.budget.freed.fire()
		return nil
	case frameFail:
		e.peerGone = true
		switch {
		case failed.Code != omni.CodeDone || !e.idle():
			e.finish(failed)
		case e.shutdown.endGiven && e.shutdown.peerEnd:
			e.goodbye() // answered by ours, if that is not said yet
		default:
			e.finish(nil)
		}
	}
	return nil
}

// exhaust is called when the stream numbers run out: END on 0 goes without
// any CLOSE on 0, and calls that cannot be answered any more are refused.
func (e *engine) exhaust() {
	e.shutdown.endWant = true
	e.slotFree.fire() // those who wait will never get one
	e.budget.freed.fire()
	for _, in := range e.theirs {
		if in.kind == kindCall && in.reply == nil && !in.closeGiven {
			in.refuse(omni.CodeRefused, "the stream numbers ran out")
		}
	}
	e.accepts = slices.DeleteFunc(e.accepts, func(in *incoming) bool { return in.refusal })
}

// idle says whether no stream lives, either way.
func (e *engine) idle() bool {
	return len(e.own) == 0 && len(e.theirs) == 0 && e.unnumbered == 0
}

// endDue says whether END on 0 may go: after CLOSE on 0 went either way, or
// when the numbers ran out, and when no call is left that might be answered.
func (s *shutdown) endDue(e *engine) bool {
	if !s.endWant || s.endGiven || s.closeWant && !s.closeGiven || e.unnumbered > 0 {
		return false
	}
	for _, in := range e.theirs {
		if in.unanswered() {
			return false
		}
	}
	return true
}

// due says whether there is anything to say on stream 0.
func (s *shutdown) due(e *engine) bool {
	return s.closeDue(e) || s.endDue(e) || s.goodbyeDue(e)
}

// closeDue says whether CLOSE on 0 may go: it says that we open no more, so
// it goes behind what was opened before.
func (s *shutdown) closeDue(e *engine) bool {
	return s.closeWant && !s.closeGiven && e.unnumbered == 0
}

func (s *shutdown) goodbyeDue(e *engine) bool {
	return s.endGiven && s.peerEnd && (e.idle() || e.quiet()) && e.farewell == nil && !e.over
}

// goodbye ends the session cleanly. FAIL on 0 with code 0 goes out.
func (e *engine) goodbye() {
	if e.over {
		return
	}
	e.farewell = &omni.StreamError{Code: omni.CodeDone}
	e.finish(nil)
}

// appendClose appends CLOSE on 0 if it is due.
func (s *shutdown) appendClose(b []byte, e *engine) []byte {
	if s.closeDue(e) {
		s.closeGiven = true
		b = appendReason(b, frameClose, 0, omni.CodeShuttingDown, s.reason)
	}
	return b
}

// appendEnd appends END on 0 if it is due, and says goodbye if that is.
func (s *shutdown) appendEnd(b []byte, e *engine) []byte {
	if s.endDue(e) {
		s.endGiven = true
		b = appendHeader(b, frameEnd, 0, 0)
	}
	if s.goodbyeDue(e) {
		e.goodbye()
	}
	return b
}
