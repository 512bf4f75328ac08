package mux

import (
	"omnistreams.dev/omni"
)

// receive takes one message of the peer. A rule that it breaks ends the
// session; the frames before the bad one count.
func (e *engine) receive(msg []byte) {
	switch {
	case e.peerGone:
		return
	case e.farewell != nil && e.farewell.Code != omni.CodeDone:
		e.peerGone = partingWord(msg)
		return // our last word was said: read and drop
	}
	e.stats.MessagesReceived++
	if len(msg) == 0 {
		e.fail(fault(0, omni.CodeProtocol, "an empty message"))
		return
	}
	for len(msg) > 0 {
		// Fast path: items.
		if e.peerKnown && len(msg) >= headerSize && frameType(msg[0]) == frameData {
			if msg = e.run(msg); len(msg) == 0 {
				return
			}
		}
		f, rest, bad := cutFrame(msg)
		if bad == nil {
			bad = e.frame(f)
		}
		if bad != nil {
			e.fail(bad)
			return
		}
		if e.peerGone {
			return
		}
		msg = rest
	}
}

// partingWord says whether FAIL on stream 0 is in a message that is dropped:
// then both sides have said theirs, and neither need wait for the other.
func partingWord(msg []byte) bool {
	for len(msg) > 0 {
		f, rest, bad := cutFrame(msg)
		if bad != nil {
			return false
		}
		if f.typ == frameFail && f.stream == 0 {
			return true
		}
		msg = rest
	}
	return false
}

// frame takes one frame: its form is checked, then its number, then credit.
func (e *engine) frame(f frame) *omni.StreamError {
	if !e.peerKnown && f.typ != frameHello {
		return fault(1, omni.CodeProtocol, "the first frame is %v, not HELLO: is the peer an omnistreams one?", f.typ)
	}
	e.lively = e.lively || f.typ != framePong
	if f.typ >= frameIgnored {
		return nil
	}
	if bad := f.checkStream(); bad != nil {
		return bad
	}
	switch f.typ {
	case frameHello:
		return e.onHello(f)
	case frameOpen:
		return e.onOpen(f)
	case frameData, frameEnd, frameFail:
		return e.onTheirs(f)
	case frameRequest, frameClose:
		return e.onOwn(f)
	case framePing, framePong:
		return e.onPing(f)
	}
	return fault(0, omni.CodeProtocol, "there is no frame of type %d", uint8(f.typ))
}

func (e *engine) onHello(f frame) *omni.StreamError {
	h, bad := parseHello(f)
	switch {
	case bad != nil:
		return bad
	case e.peerKnown:
		return fault(1, omni.CodeProtocol, "a second HELLO")
	}
	h.metadata = append([]byte(nil), h.metadata...)
	e.peer, e.peerKnown = h, true
	if e.cfg.check == nil {
		e.admit()
	} else {
		e.ready.fire() // for the check
	}
	return nil
}

// admit lets the application in, now that the peer is known and welcome.
func (e *engine) admit() {
	e.admitted = true
	e.ready.fire()
	e.acceptable.fire()
}

func (e *engine) onOpen(f frame) *omni.StreamError {
	kind, answers, metadata, bad := parseOpen(f.payload)
	switch {
	case bad != nil:
		return bad
	case e.shutdown.peerEnd:
		return fault(12, omni.CodeProtocol, "OPEN of stream %d after END on stream 0", f.stream)
	case uint64(f.stream) != uint64(e.lastTheirs)+1:
		return fault(0, omni.CodeProtocol, "OPEN of stream %d, stream %d is next", f.stream, uint64(e.lastTheirs)+1)
	}
	if kind == kindAnswer {
		return e.onAnswer(f.stream, answers, metadata)
	}
	if uint64(e.theirSlots) >= uint64(e.cfg.streams)+e.cfg.backlog {
		return fault(5, omni.CodeNoCredit, "OPEN of stream %d: %d streams live, as many as may", f.stream, e.theirSlots)
	}
	e.lastTheirs = f.stream
	e.theirSlots++
	e.stats.StreamsAccepted++
	in := e.newIncoming(kind, f.stream, metadata)
	e.theirs[f.stream] = in
	if e.shutdown.refuses(kind) {
		in.refuse(omni.CodeShuttingDown, "the session is shutting down")
		return nil
	}
	e.accepts = append(e.accepts, in)
	e.acceptable.fire()
	return nil
}

// onAnswer takes the OPEN of the answer to the call with that number.
func (e *engine) onAnswer(id, number uint32, metadata []byte) *omni.StreamError {
	o := e.own[number]
	switch {
	case o == nil:
		return fault(6, omni.CodeProtocol, "OPEN of stream %d answers stream %d, which does not live", id, number)
	case o.kind != kindCall:
		return fault(6, omni.CodeProtocol, "OPEN of stream %d answers stream %d, which is no call", id, number)
	case o.closed:
		return fault(6, omni.CodeProtocol, "OPEN of stream %d answers call %d after its CLOSE", id, number)
	case o.call.answered:
		return fault(6, omni.CodeProtocol, "OPEN of stream %d answers call %d a second time", id, number)
	}
	e.lastTheirs = id
	e.stats.StreamsAccepted++
	in := o.call.in
	in.id, in.metadata = id, append([]byte(nil), metadata...)
	o.call.answered = true
	e.theirs[id] = in
	in.changed.fire()
	if in.closeWant {
		e.replying.push(&in.place, in) // the caller has given it up already
	} else {
		in.schedule(true) // what was requested before there was a number
	}
	return nil
}

// onTheirs takes DATA, END or FAIL: frames of a stream that the peer opened.
func (e *engine) onTheirs(f frame) *omni.StreamError {
	var failed *omni.StreamError
	switch f.typ {
	case frameData:
		if len(f.payload) > int(e.cfg.maxItem) {
			return fault(4, omni.CodeTooLarge, "DATA on stream %d: an item of %d bytes is over max_item %d", f.stream, len(f.payload), e.cfg.maxItem)
		}
	case frameEnd:
		if len(f.payload) != 0 {
			return fault(0, omni.CodeProtocol, "END has %d bytes, not 0", len(f.payload))
		}
	case frameFail:
		code, reason, bad := parseReason(f.typ, f.payload)
		if bad != nil {
			return bad
		}
		failed = &omni.StreamError{Code: code, Reason: reason, Remote: true}
	}
	if f.stream == 0 {
		return e.onSessionWord(f.typ, failed)
	}
	in := e.theirs[f.stream]
	if in == nil {
		return fault(8, omni.CodeProtocol, "%v on stream %d, which does not live", f.typ, f.stream)
	}
	if in.peerLast != noWord {
		return fault(8, omni.CodeProtocol, "%v on stream %d after its last word", f.typ, f.stream)
	}
	if f.typ == frameData {
		return in.data(f.payload)
	}
	in.ended(failed)
	return nil
}

// onOwn takes REQUEST or CLOSE: frames of a stream that this side opened.
func (e *engine) onOwn(f frame) *omni.StreamError {
	var (
		items, bytes uint64
		code         omni.Code
		reason       string
		bad          *omni.StreamError
	)
	if f.typ == frameRequest {
		items, bytes, bad = parseTotals(f.payload)
	} else {
		code, reason, bad = parseReason(f.typ, f.payload)
	}
	switch {
	case bad != nil:
		return bad
	case f.stream == 0:
		return e.onSessionClose(code, reason)
	}
	o := e.own[f.stream]
	switch {
	case o == nil:
		return fault(8, omni.CodeProtocol, "%v on stream %d, which does not live", f.typ, f.stream)
	case o.closed:
		return fault(8, omni.CodeProtocol, "%v on stream %d after its CLOSE", f.typ, f.stream)
	case f.typ == frameRequest:
		o.grant(items, bytes)
		return nil
	case code == omni.CodeDone && !o.lastGiven:
		return fault(7, omni.CodeProtocol, "CLOSE of stream %d with code 0 before its END or FAIL", f.stream)
	case code == omni.CodeDone && o.call != nil && !o.call.answered:
		return fault(7, omni.CodeProtocol, "CLOSE of call %d with code 0 and without an answer", f.stream)
	}
	o.closeBy(code, reason)
	return nil
}

func (e *engine) onPing(f frame) *omni.StreamError {
	if len(f.payload) != 8 {
		return fault(0, omni.CodeProtocol, "%v has %d bytes, not 8", f.typ, len(f.payload))
	}
	if f.typ == framePing {
		e.ping.asked(f.payload)
	} else {
		e.lively = e.ping.answer(f.payload) || e.lively
	}
	return nil
}
