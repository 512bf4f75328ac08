package mux

import (
	"io"
	"sync/atomic"
	"time"

	"omnistreams.dev/omni"
)

// incoming is a stream that the peer opened: the reader's half. Of an answer
// it exists before the peer's OPEN does, without a number.
type incoming struct {
	e        *engine
	place    link[incoming] // in e.replying
	kind     uint8
	id       uint32
	metadata []byte
	call     *call     // if kind is kindAnswer: what it answers
	reply    *outgoing // if kind is kindCall: its answer, once opened here
	accepted bool      // the application holds it, and it counts in e.held
	noSlot   bool      // the slot is given back; of a call: when neither lives

	items  [][]byte  // arrived, oldest first; items[:next] are handed out
	next   int       //
	handed *handed   // those that were handed out and are not taken; nil for none ever
	reused *recycler // where they lie, if the reader gives them back

	// wanted >= granted >= got >= taken, always; totals since the stream
	// began. Granted is what a message that was given to the transport says.
	wantItems            uint64
	grantItems, grantBts uint64
	gotItems, gotBytes   uint64
	tookItems, tookBytes uint64
	window               window
	moved                time.Duration // when a frame or item went or came last, see engine.now
	turn                 uint64        // e.turn of the message with its last frame

	peerLast lastWord
	lastErr  *omni.StreamError // with wordFail

	atEnd    bool  // a reader has come to the end
	finished bool  // the reader is told: Done is closed
	err      error // how; io.EOF for a clean end
	done     latch
	changed  signal      // an item, an end
	stopped  atomic.Bool // finished, for a look without the lock

	// Letting go. CLOSE goes when the application is done with the stream
	// and, for a call, with its answer's OPEN.
	closeWant   bool
	closeCode   omni.Code
	closeReason string
	closeGiven  bool
	refusal     bool // the CLOSE does not wait for an answer
}

// newIncoming returns a stream with the credit that HELLO gave.
func (e *engine) newIncoming(kind uint8, id uint32, metadata []byte) *incoming {
	in := &incoming{
		e: e, kind: kind, id: id, moved: e.now,
		metadata:   append([]byte(nil), metadata...),
		wantItems:  uint64(e.cfg.items),
		window:     e.cfg.firstWindow(),
		grantItems: uint64(e.cfg.items),
		grantBts:   uint64(e.cfg.bytes),
	}
	if e.dialect != nil {
		in.grantBts = maxTotal // not counted
	}
	return in
}

// data takes one item that arrived.
func (in *incoming) data(payload []byte) *omni.StreamError {
	if in.gotItems+1 > in.grantItems || in.gotBytes+uint64(len(payload)) > in.grantBts {
		return fault(4, omni.CodeNoCredit, "DATA on stream %d without credit: item %d of %d granted, byte %d of %d",
			in.id, in.gotItems+1, in.grantItems, in.gotBytes+uint64(len(payload)), in.grantBts)
	}
	in.gotItems++
	in.gotBytes += uint64(len(payload))
	in.moved = in.e.now
	in.e.stats.ItemsReceived++
	in.e.stats.BytesReceived += uint64(len(payload))
	in.turned()
	if in.finished {
		in.e.stats.ItemsDropped++ // on its way when the reader canceled
		return nil
	}
	in.keep(payload)
	in.changed.fire()
	return nil
}

// ended takes the peer's last word; failed is nil for END.
func (in *incoming) ended(failed *omni.StreamError) {
	in.peerLast, in.moved = wordEnd, in.e.now
	if failed != nil {
		in.peerLast, in.lastErr = wordFail, failed
	}
	in.changed.fire()
	in.release()
}

// take returns the next item, if one is here, and counts it as taken.
// Otherwise err is how the stream ended for the reader; if that is nil too,
// the reader waits for changed.
func (in *incoming) take() (item []byte, ok bool, err error) {
	if in.finished || in.next == len(in.items) {
		return nil, false, in.reachEnd()
	}
	item = in.items[in.next]
	in.items[in.next] = nil
	in.next++
	if in.next == len(in.items) {
		in.items, in.next = in.items[:0], 0
	}
	if in.reused != nil {
		in.reused.lendOne(in.e)
	}
	in.took(1, uint64(len(item)))
	return item, true, nil
}

// took counts items as taken, which makes room for more.
func (in *incoming) took(items, bytes uint64) {
	in.tookItems += items
	in.tookBytes += bytes
	in.moved = in.e.now
	in.prefetch()
	in.schedule(false)
}

// reachEnd is for a reader that found no item: it returns how the stream
// ended for it, nil if it did not. If other readers hold items the stream is
// over only when they have taken those.
func (in *incoming) reachEnd() error {
	switch {
	case in.finished:
		return in.err
	case in.peerLast == noWord:
		in.window.waits++
		return nil // more may come
	}
	in.atEnd = true
	in.finishTaken()
	if in.finished {
		return in.err
	}
	return in.lastWord()
}

// lastWord is what comes after the items: io.EOF or the writer's cause.
func (in *incoming) lastWord() error {
	if in.peerLast == wordEnd {
		return io.EOF
	}
	return in.lastErr
}

// finishTaken ends the stream for its readers if one has come to the end and
// none holds an item that is not taken.
func (in *incoming) finishTaken() {
	if in.atEnd && !in.finished && in.handed.left() == 0 {
		in.finish(in.lastWord())
		in.letGo(omni.CodeDone, "", false)
	}
}

// request asks for n more items in the reader's own name.
func (in *incoming) request(n uint64) {
	if in.finished {
		return
	}
	in.wantItems = min(in.wantItems+n, maxTotal)
	in.schedule(true)
}

// cancel is the reader's: what is buffered is dropped and the writer learns
// the cause.
func (in *incoming) cancel(err error) {
	if in.finished {
		return
	}
	in.finish(err)
	se := omni.AsStreamError(err)
	in.letGo(failCode(se), se.Reason, false)
}

// failCode is the code that a reader's error has on the wire; 0 would say that
// everything was taken.
func failCode(se *omni.StreamError) omni.Code {
	if se.Code == omni.CodeDone {
		return omni.CodeInternal
	}
	return se.Code
}

// finish tells the reader how it ended. Only the first call counts.
func (in *incoming) finish(err error) {
	if in.finished {
		return
	}
	in.finished, in.err, in.moved = true, err, in.e.now
	in.stopped.Store(true)
	in.e.stats.ItemsDropped += uint64(len(in.items) - in.next + in.handed.left())
	in.items, in.next = nil, 0
	if in.reused != nil {
		in.reused.forget()
	}
	in.returnLent()
	in.done.close()
	in.changed.fire()
}

// letGo says that the application is done with the stream. The codes that
// promise that nothing was looked at are not said if something was.
func (in *incoming) letGo(code omni.Code, reason string, refusal bool) {
	if in.closeWant && !refusal || in.closeGiven {
		return
	}
	if (in.tookItems > 0 || in.handed.left() > 0) && (code == omni.CodeRefused || code == omni.CodeShuttingDown) {
		code = omni.CodeCanceled
	}
	in.closeWant, in.closeCode, in.closeReason, in.refusal = true, code, reason, refusal
	in.e.replying.push(&in.place, in)
}

// refuse closes a stream of which nothing was looked at, and a call that
// will not be answered.
func (in *incoming) refuse(code omni.Code, reason string) {
	in.finish(&omni.StreamError{Code: code, Reason: reason})
	in.letGo(code, reason, true)
}

// answerGiven is called when the OPEN of this call's answer goes out: now its
// CLOSE may.
func (in *incoming) answerGiven() {
	if in.closeWant {
		in.e.replying.push(&in.place, in)
	}
}

// unanswered says whether this is a call that may still be answered.
func (in *incoming) unanswered() bool {
	return in.kind == kindCall && (in.reply == nil || in.reply.id == 0) && !in.closeGiven && !in.refusal
}

// closeDue says whether CLOSE can go out now.
func (in *incoming) closeDue() bool {
	if !in.closeWant || in.closeGiven || in.id == 0 {
		return false
	}
	return in.kind != kindCall || in.refusal || (in.reply != nil && in.reply.id != 0)
}

// reply appends what is due for this stream, and makes it effective.
func (in *incoming) appendReply(b []byte) []byte {
	if in.closeGiven || in.id == 0 {
		return b
	}
	if in.closeDue() {
		in.closeGiven, in.moved, in.turn = true, in.e.now, in.e.turn+1
		if promisesRetry(in.closeCode) {
			in.e.stats.Refused++
		}
		b = appendReason(b, frameClose, in.id, in.closeCode, in.closeReason)
		if in.e.dialect != nil {
			in.unhold() // the peer may never end it
		}
		in.release()
		return b
	}
	if in.finished || in.peerLast != noWord {
		return b
	}
	items, bytes := in.grants()
	if items <= in.grantItems && bytes <= in.grantBts {
		return b
	}
	in.mark()
	in.moved, in.turn = in.e.now, in.e.turn+1
	in.grantItems, in.grantBts = max(items, in.grantItems), max(bytes, in.grantBts)
	in.fit()
	return appendTotals(b, in.id, in.grantItems, in.grantBts)
}

// schedule queues a REQUEST if one is worth it: when the application asked
// for more itself (now), when the writer may be waiting, when half a window of
// items has been taken, or a quarter of one of bytes: long items take long to
// come. Batching like this makes one frame serve many items.
func (in *incoming) schedule(now bool) {
	if in.finished || in.peerLast != noWord || in.place.queued {
		return
	}
	items, bytes := in.grants()
	newItems, newBytes := items-min(items, in.grantItems), bytes-min(bytes, in.grantBts)
	switch {
	case newItems == 0 && newBytes == 0:
		return
	case now && newItems > 0:
	case newItems > 0 && in.gotItems == in.grantItems:
	case newItems > 0 && newItems*2 >= items-in.tookItems:
	case newBytes > 0 && in.grantItems > in.tookItems && in.grantBts < in.tookBytes+uint64(in.e.cfg.maxItem):
		// Rule 3: room for one more item of any length, always.
	case items > in.gotItems && newBytes*4 >= bytes-in.tookBytes:
	default:
		return
	}
	in.e.replying.push(&in.place, in)
}

// lose ends a stream that lives when the session is over. What arrived can
// still be read, then the error comes: never the end, even if END is here,
// since the writer will not learn that it was taken. Of a dialect it would not
// have learned that anyway.
func (in *incoming) lose(err error) {
	if in.peerLast == noWord || in.e.dialect == nil {
		in.peerLast, in.lastErr = wordFail, err.(*omni.StreamError)
	}
	in.closeGiven = true // nothing goes out any more
	in.changed.fire()
}

// dead says whether both sides have spoken their last word.
func (in *incoming) dead() bool { return in.peerLast != noWord && in.closeGiven }

// release forgets a dead stream and frees what it held.
func (in *incoming) release() {
	e := in.e
	if !in.dead() || e.theirs[in.id] != in {
		return
	}
	delete(e.theirs, in.id)
	if in.call != nil {
		in.call.release()
		return
	}
	in.releaseSlot()
}

// releaseSlot gives the slot back when neither the stream nor its answer
// lives.
func (in *incoming) releaseSlot() {
	if in.noSlot || !in.dead() || (in.reply != nil && !in.reply.dead()) {
		return
	}
	in.noSlot = true
	in.e.theirSlots--
	in.unhold()
}
