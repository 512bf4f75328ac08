package mux

// message is one message on its way to the transport: parts that are sent
// back to back.
type message struct {
	parts [][]byte // what the transport gets
	size  int      // bytes in parts, or in msgs

	// With a Dialect:
	msgs   [][]byte // what the transport gets instead of parts, one by one
	answer []byte   // what the peer answers to that

	head []byte   // control frames, before all else
	segs [][]byte // of streams; recycled when the message was sent
	tail []byte   // what must come after the segments: the words on stream 0
}

const (
	// maxPacked is what a message is filled up to, in bytes, if the peer
	// takes messages that long: more would save little and make a stream
	// whose turn it is not wait.
	maxPacked = 128 << 10
	// tailRoom is kept free for the tail.
	tailRoom = 2 << 10
)

// target is what a message is filled up to; a longer segment goes alone.
func (e *engine) target() int {
	limit := max(minMessage, headerSize+int(e.peer.maxItem))
	return min(limit, maxPacked) - tailRoom
}

// pack fills m with what is pending, in the peer's dialect. An empty m means
// that there is nothing to send.
func (e *engine) pack(m *message) {
	if e.dialect == nil {
		e.packFrames(m)
		return
	}
	e.answered(m) // what was packed before has been sent
	e.packFrames(m)
	e.translate(m)
}

// packFrames fills m with what is pending: control first, then the streams in
// turn. It makes what it packs effective. The segments of the message before
// go back to where they came from.
func (e *engine) packFrames(m *message) {
	for i, seg := range m.segs {
		e.bufs.put(seg)
		m.segs[i] = nil
	}
	clear(m.parts)
	*m = message{parts: m.parts[:0], segs: m.segs[:0], head: m.head[:0], tail: m.tail[:0], msgs: m.msgs, answer: m.answer}
	if e.lastGiven {
		return
	}
	if !e.helloGiven {
		e.helloGiven = true
		m.head = e.cfg.hello.append(m.head)
	}
	if !e.over {
		if !e.nextAlone() {
			m.head = e.ping.append(m.head)
			if e.peerKnown {
				m.head = e.shutdown.appendClose(m.head, e)
				e.packReplies(m)
			}
		}
		if e.peerKnown {
			if e.packSegments(m) {
				m.tail = e.shutdown.appendEnd(m.tail, e)
			}
		}
	}
	if e.farewell != nil && m.size <= e.target() {
		e.lastGiven = true
		m.tail = appendReason(m.tail, frameFail, 0, e.farewell.Code, e.farewell.Reason)
	}
	m.assemble()
	if m.size > 0 {
		e.stats.MessagesSent++
	}
}

// nextAlone says whether this message is for a segment that did not fit
// behind the control of the last one: else control that comes all the time
// would keep it waiting for ever.
func (e *engine) nextAlone() bool {
	if e.crowded {
		e.joinFresh()
	}
	alone := e.crowded && e.sending.head != nil && e.sending.head.stream.nextSegment() > 0
	e.crowded = false
	return alone
}

func (m *message) assemble() {
	if len(m.head) > 0 {
		m.parts = append(m.parts, m.head)
	}
	m.parts = append(m.parts, m.segs...)
	if len(m.tail) > 0 {
		m.parts = append(m.parts, m.tail)
	}
	m.size += len(m.head) + len(m.tail)
}

// packReplies packs REQUEST and CLOSE for what the peer opened.
func (e *engine) packReplies(m *message) {
	for len(m.head) < minMessage/2 {
		in := e.replying.pop()
		if in == nil {
			return
		}
		m.head = in.appendReply(m.head)
	}
}

// packFresh packs what streams have that had nothing for a while. What is long,
// or does not fit into that part of the message, waits its turn with the
// others, so that they come to theirs.
func (e *engine) packFresh(m *message, part int) {
	for o := e.fresh.pop(); o != nil; o = e.fresh.pop() {
		n := o.nextSegment()
		if n == 0 {
			continue
		}
		if n <= segmentSize && m.size+len(m.head)+n <= part {
			m.segs = append(m.segs, o.take())
			m.size += n
		}
		if o.nextSegment() > 0 {
			e.sending.push(&o.place, o)
		}
	}
}

// joinFresh makes the streams that would go first wait like all others.
func (e *engine) joinFresh() {
	for o := e.fresh.pop(); o != nil; o = e.fresh.pop() {
		e.sending.push(&o.place, o)
	}
}

// packSegments packs one segment of each stream in turn. A stream whose
// segment was longer than its share of a turn sits out as many turns as it
// took, so the streams share the transport by bytes. It reports whether there
// is room for the tail.
func (e *engine) packSegments(m *message) bool {
	target := e.target()
	e.turn++
	e.packFresh(m, target/2)
	for e.sending.head != nil {
		o := e.sending.head.stream
		n := o.nextSegment()
		if before := m.size + len(m.head); before > 0 && before+n > target {
			e.crowded = len(m.segs) == 0
			return true
		}
		e.sending.pop()
		if o.debt > 0 && e.sending.head != nil {
			o.debt -= segmentSize
			e.sending.push(&o.place, o)
			continue
		}
		if n > 0 {
			o.debt = max(0, n-segmentSize)
			m.segs = append(m.segs, o.take())
			m.size += n
		}
		if o.nextSegment() > 0 {
			e.sending.push(&o.place, o)
		}
		if m.size > target {
			return false // it goes alone
		}
	}
	return true
}
