package mux

import (
	"encoding/binary"
	"time"

	"omnistreams.dev/omni"
)

// outgoing is a stream that this side opened: the writer's half.
//
// What the application says becomes frames at once, in segments: slices of
// whole frames, OPEN in the first and END or FAIL at the end of the last. So
// packing is moving segments, and order is the order of the calls.
type outgoing struct {
	e       *engine
	place   link[outgoing] // in e.sending or e.fresh
	turn    uint64         // e.turn when it was packed last
	kind    uint8
	name    string    // how its metadata begins, for a Snapshot
	answers *incoming // the call that this answers, if kind is kindAnswer
	call    *call     // if kind is kindCall

	id     uint32   // 0 until OPEN is given
	segs   [][]byte // oldest first; segs[:first] are given
	first  int
	queued int // bytes in segs[first:]
	debt   int // bytes sent beyond the stream's share of its turns

	// granted >= sent, always; totals since the stream began.
	grantItems, grantBytes uint64
	sentItems, sentBytes   uint64 // accepted from the application

	last      lastWord // the application's, or ours for it
	lastGiven bool
	dataGiven bool // an item went out
	closed    bool // the peer's CLOSE came

	moved    time.Duration // when a frame went or came last, see engine.now
	waiting  waiters       // calls of Write
	finished bool          // the writer is told: Done is closed
	err      error         // how it was told; nil for a clean end
	done     latch
	changed  signal // more credit, more room, or an end
}

// nameSize is how many bytes of a stream's metadata are kept at its opener.
const nameSize = 64

// lastWord is what one side said last on a stream.
type lastWord uint8

const (
	noWord lastWord = iota
	wordEnd
	wordFail
)

// segmentSize is what a segment of small frames is filled up to, and what one
// stream may send before it is another's turn.
const segmentSize = 16 << 10

// open queues a new stream's OPEN. The caller has a slot for it if it is not
// an answer.
func (e *engine) open(kind uint8, answers *incoming, metadata []byte) *outgoing {
	o := &outgoing{e: e, kind: kind, answers: answers, moved: e.now}
	o.grantItems, o.grantBytes = uint64(e.peer.items), uint64(e.peer.bytes)
	o.name = string(metadata[:min(len(metadata), nameSize)])
	var number uint32
	if answers != nil {
		number = answers.id
	}
	seg := e.bufs.get(headerSize + 5 + len(metadata))
	o.push(appendOpen(seg, 0, kind, number, metadata))
	e.unnumbered++
	e.stats.StreamsOpened++
	return o
}

// push queues a segment.
func (o *outgoing) push(seg []byte) {
	o.segs, o.first = closeUp(o.segs, o.first)
	o.segs = append(o.segs, seg)
	o.count(len(seg))
	o.enqueue()
}

// enqueue puts the stream where it waits to be packed: before the others if it
// had nothing to send for a while, so that little does not wait behind much.
func (o *outgoing) enqueue() {
	switch e := o.e; {
	case o.place.queued:
	case o.debt == 0 && e.turn-o.turn > 1:
		e.fresh.push(&o.place, o)
	default:
		e.sending.push(&o.place, o)
	}
}

// room returns the last segment if n more bytes fit into it, else a new one
// that they fit into; the caller appends to it.
func (o *outgoing) room(n int) *[]byte {
	if k := len(o.segs); k > o.first {
		if seg := &o.segs[k-1]; len(*seg)+n <= cap(*seg) && len(*seg)+n <= segmentSize {
			return seg
		}
	}
	size := max(n, smallestBuffer)
	if len(o.segs) > o.first {
		size = max(n, segmentSize) // a busy stream
	}
	o.push(o.e.bufs.get(size))
	return &o.segs[len(o.segs)-1]
}

// writeState says whether an item of n bytes can be accepted now. If not and
// err is nil, the writer waits for changed.
func (o *outgoing) writeState(n int) (ok bool, err error) {
	switch {
	case o.finished && o.err != nil:
		return false, o.err
	case o.finished || o.last != noWord:
		return false, omni.ErrEnded
	case n > int(o.e.peer.maxItem):
		return false, &TooLargeError{Size: n, Limit: int(o.e.peer.maxItem)}
	}
	return o.sentItems < o.grantItems &&
		(o.grantBytes == maxTotal || o.sentBytes+uint64(n) <= o.grantBytes) &&
		(o.queued == 0 || o.queued+n <= o.mayQueue()), nil
}

// mayQueue is how many bytes may wait for the transport on this stream: many
// streams together would else fill a memory that no cache holds, and wait no
// less.
func (o *outgoing) mayQueue() int {
	if o.e.queued > crowd {
		return segmentSize
	}
	return maxQueued
}

// count notes that n bytes more wait for the transport.
func (o *outgoing) count(n int) {
	o.queued += n
	o.e.queued += n
}

// smallItem is the length up to which an item is copied into a segment that
// other items share; a longer one is a segment of its own.
const smallItem = 4 << 10

// write accepts a small item; writeState has said yes.
func (o *outgoing) write(item []byte) {
	seg := o.room(headerSize + len(item))
	*seg = append(appendHeader(*seg, frameData, o.id, len(item)), item...)
	o.accepted(headerSize+len(item), len(item))
}

// adopt accepts an item in a slice of its own, behind room for the header.
func (o *outgoing) adopt(seg []byte) {
	n := len(seg) - headerSize
	appendHeader(seg[:0], frameData, o.id, n)
	o.push(seg)
	o.accepted(0, n) // push has counted the frame
}

// accepted counts an item; frame is how many bytes it adds to the queue.
func (o *outgoing) accepted(frame, item int) {
	o.count(frame)
	o.sentItems++
	o.sentBytes += uint64(item)
	o.e.stats.ItemsSent++
	o.e.stats.BytesSent += uint64(item)
	if !o.place.queued {
		o.enqueue()
	}
}

// end says END. It needs no credit.
func (o *outgoing) end() error {
	switch {
	case o.finished:
		return o.err
	case o.last == wordFail:
		return o.err
	case o.last == wordEnd:
		return nil
	}
	o.say(wordEnd, 0, "")
	o.changed.fire() // other writers get ErrEnded
	return nil
}

// cancel is the writer's: what was written still arrives, then FAIL. err is
// what Err will return.
func (o *outgoing) cancel(err error) {
	if o.finished || o.last != noWord {
		return
	}
	se := omni.AsStreamError(err)
	o.say(wordFail, se.Code, se.Reason)
	o.finish(err)
}

func (o *outgoing) say(w lastWord, code omni.Code, reason string) {
	o.last, o.moved = w, o.e.now
	seg := o.room(headerSize + 4 + len(reason))
	before := len(*seg)
	if w == wordEnd {
		*seg = appendHeader(*seg, frameEnd, o.id, 0)
	} else {
		*seg = appendReason(*seg, frameFail, o.id, code, reason)
	}
	o.count(len(*seg) - before)
	o.enqueue()
}

// finish tells the writer how it ended. Only the first call counts.
func (o *outgoing) finish(err error) {
	if o.finished {
		return
	}
	o.finished, o.err = true, err
	o.done.close()
	o.changed.fire()
}

// grant takes the totals of a REQUEST.
func (o *outgoing) grant(items, bytes uint64) {
	if items <= o.grantItems && bytes <= o.grantBytes {
		return // nothing new, and no sign that it moves
	}
	o.grantItems = max(o.grantItems, items)
	o.grantBytes = max(o.grantBytes, bytes)
	o.moved = o.e.now
	o.changed.fire()
}

// nextSegment is the length of what take would return, 0 if none is left.
func (o *outgoing) nextSegment() int {
	if o.first == len(o.segs) {
		return 0
	}
	return len(o.segs[o.first])
}

// take gives the next segment to a message; there is one.
func (o *outgoing) take() []byte {
	if o.id == 0 {
		o.number()
	}
	o.turn, o.moved = o.e.turn, o.e.now
	seg := o.segs[o.first]
	o.dataGiven = o.dataGiven || o.sentItems > 0 && (frameType(seg[0]) == frameData || holdsMore(seg))
	o.segs[o.first] = nil
	o.first++
	o.count(-len(seg))
	if o.first == len(o.segs) {
		o.segs, o.first = o.segs[:0], 0
		o.lastGiven = o.last != noWord
	}
	o.changed.fire()
	o.release()
	return seg
}

// holdsMore says whether a segment has more than one frame.
func holdsMore(seg []byte) bool {
	return len(seg) > headerSize+int(binary.BigEndian.Uint32(seg[5:]))
}

// forget drops what is queued.
func (o *outgoing) forget() {
	for _, seg := range o.segs[o.first:] {
		o.e.bufs.put(seg)
	}
	o.count(-o.queued)
	o.segs, o.first = nil, 0
}

// number gives the stream its number, as its OPEN goes out: so numbers go up
// by one on the wire though an OPEN may be dropped before it is given.
func (o *outgoing) number() {
	e := o.e
	e.lastOwn++
	e.unnumbered--
	o.id = e.lastOwn
	e.own[o.id] = o
	for _, seg := range o.segs[o.first:] {
		setStream(seg, o.id)
	}
	if o.answers != nil {
		o.answers.answerGiven()
	}
	if e.lastOwn == e.cfg.lastID {
		e.exhaust()
	}
}

// closeBy takes the peer's CLOSE. Code 0 was checked to be in order.
func (o *outgoing) closeBy(code omni.Code, reason string) {
	o.closed, o.moved = true, o.e.now
	if code == omni.CodeDone {
		o.finish(nil)
	} else {
		if promisesRetry(code) {
			o.e.stats.RefusedByPeer++
		}
		err := &omni.StreamError{Code: code, Reason: reason, Remote: true}
		o.dropUnsent(code)
		o.finish(err)
		if o.call != nil && !o.call.answered {
			o.call.refused(err)
		}
	}
	o.release()
}

// dropUnsent drops what the peer wants no more and answers its CLOSE with
// FAIL, also if END was queued: what is not given is not said.
func (o *outgoing) dropUnsent(code omni.Code) {
	if o.lastGiven {
		return
	}
	o.forget()
	o.say(wordFail, code, "")
}

// lose ends a stream that lives when the session is over.
func (o *outgoing) lose(err error) {
	o.finish(err)
	o.forget()
	if o.call != nil && !o.call.answered {
		o.call.in.lose(err)
	}
}

// dead says whether both sides have spoken their last word.
func (o *outgoing) dead() bool { return o.lastGiven && o.closed }

// release forgets a dead stream and frees what it held.
func (o *outgoing) release() {
	if !o.dead() {
		return
	}
	e := o.e
	if e.own[o.id] != o {
		return
	}
	delete(e.own, o.id)
	switch {
	case o.call != nil:
		o.call.release()
	case o.answers != nil:
		o.answers.releaseSlot()
	default:
		e.ownSlots--
		e.slotFree.fire()
	}
}

// call is the caller's pair: the call, and the answer that is to come.
type call struct {
	out      *outgoing
	in       *incoming // without a number until its OPEN comes
	answered bool      // its OPEN came
	over     bool      // slot and share are given back
}

// openCall queues a call's OPEN; its slot and its share are taken.
func (e *engine) openCall(metadata []byte) *call {
	c := &call{out: e.open(kindCall, nil, metadata), in: e.newIncoming(kindAnswer, 0, nil)}
	c.out.call, c.in.call = c, c
	return c
}

// refused ends the answer that will never come.
func (c *call) refused(err *omni.StreamError) {
	c.in.peerLast = wordFail
	c.in.lastErr = err
	c.in.closeGiven = true // there is nobody to close it to
	c.in.returnLent()      // nothing will come; its reader may never look
	c.in.changed.fire()
}

// release gives slot and share back when neither of the pair lives.
func (c *call) release() {
	if c.over || !c.out.dead() || (c.answered && !c.in.dead()) {
		return
	}
	c.over = true
	e := c.out.e
	e.ownSlots--
	e.slotFree.fire()
	e.budget.giveAnswer()
}
