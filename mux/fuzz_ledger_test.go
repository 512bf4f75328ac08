package mux

import (
	"encoding/binary"

	"omnistreams.dev/omni"
)

// ledger keeps a session's books by SPEC.md: what each side has opened, said,
// granted and sent, as the peer of the session knows it. It is written from
// the text and shares no code with the engine, so it can judge that.
type ledger [2]account

// The sides of a ledger.
const (
	thePeer = iota
	theSession
)

// account is one side of a session.
type account struct {
	limits                      // what it takes
	next   uint32               // number of its next stream
	open   map[uint32]*entry    // streams that it opened and that live
	all    map[uint32]*entry    // those that are dead too
	said   map[frameType]string // payloads of its words on stream 0
}

// entry is a stream.
type entry struct {
	kind     byte
	tag      string // its metadata
	last     byte   // type of the opener's last word; 0 for none yet
	closed   bool   // the acceptor has said CLOSE
	items    uint64 // granted
	bytes    uint64
	sent     []string
	size     uint64 // of all that was sent, in bytes
	call     *entry // that it answers; nil for other kinds
	answer   *entry // nil if there is none yet
	lastText string // payload of FAIL
}

func (e *entry) dead() bool { return e.last != 0 && e.closed }

// credit says whether an item of n bytes may be sent.
func (e *entry) credit(n int) bool {
	return uint64(len(e.sent))+1 <= e.items && e.size+uint64(n) <= e.bytes
}

func newLedger(peer, session limits) ledger {
	var l ledger
	for side, lim := range [2]limits{peer, session} {
		l[side] = account{lim, 1, map[uint32]*entry{}, map[uint32]*entry{}, map[frameType]string{}}
	}
	return l
}

// slots is how many of the other side's slots a side has taken.
func (l *ledger) slots(side int) (n uint32) {
	for _, e := range l[side].open {
		if e.kind != kindAnswer {
			n++
		}
	}
	for _, e := range l[1-side].open {
		if e.kind == kindAnswer && e.call.dead() {
			n++
		}
	}
	return n
}

// heard says whether a side has said that word on stream 0.
func (l *ledger) heard(side int, t frameType) bool {
	_, ok := l[side].said[t]
	return ok
}

// drained says whether the goodbye is due.
func (l *ledger) drained() bool {
	return l.heard(0, frameEnd) && l.heard(1, frameEnd) && len(l[0].open)+len(l[1].open) == 0
}

// stopping says whether the session may open nothing more.
func (l *ledger) stopping() bool {
	return l.heard(thePeer, frameClose) || l.heard(theSession, frameClose) || l.heard(theSession, frameEnd)
}

// check is the code with which the receiver must end the session for a frame
// (rule 9: form, number, credit), 0 if the frame is in order.
func (l *ledger) check(from int, f rawFrame) omni.Code {
	if code := l.form(1-from, f); code != 0 || f.typ >= 128 {
		return code
	}
	mine, other := &l[from], &l[1-from]
	switch t := frameType(f.typ); t {
	case frameHello:
		return 2 // there was one
	case frameOpen:
		return l.checkOpen(from, f)
	case frameData, frameEnd, frameFail:
		e := mine.open[f.stream]
		switch {
		case f.stream == 0:
			return bad(t == frameEnd && l.heard(from, t), 2)
		case e == nil || e.last != 0:
			return 2
		}
		return bad(t == frameData && !e.credit(len(f.payload)), 3)
	case frameRequest, frameClose:
		e := other.open[f.stream]
		switch {
		case f.stream == 0:
			return bad(l.heard(from, frameClose) || l.heard(from, frameEnd), 2)
		case e == nil || e.closed:
			return 2
		}
		early := e.last == 0 || e.kind == kindCall && e.answer == nil
		return bad(t == frameClose && f.code() == 0 && early, 2)
	}
	return 0
}

func bad(is bool, code omni.Code) omni.Code {
	if is {
		return code
	}
	return 0
}

func (l *ledger) checkOpen(from int, f rawFrame) omni.Code {
	if l.heard(from, frameEnd) || f.stream != l[from].next {
		return 2
	}
	if f.payload[0] != kindAnswer {
		return bad(l.slots(from) >= l[1-from].streams, 3)
	}
	c := l.asked(from, f)
	return bad(c == nil || c.kind != kindCall || c.closed || c.answer != nil, 2)
}

// asked is the stream that an OPEN of kind 2 names.
func (l *ledger) asked(from int, f rawFrame) *entry {
	return l[1-from].open[binary.BigEndian.Uint32([]byte(f.payload[1:]))]
}

// form is what shows without knowing any stream; to is the receiver.
func (l *ledger) form(to int, f rawFrame) omni.Code {
	n, t := len(f.payload), frameType(f.typ)
	between := func(least, most int) omni.Code {
		if n < least {
			return 2
		}
		return bad(n > most, 4)
	}
	switch t {
	case frameHello:
		return helloCode(f)
	case frameOpen, frameData, frameRequest:
		if f.stream == 0 {
			return 2
		}
	case framePing, framePong:
		return bad(f.stream != 0 || n != 8, 2)
	}
	switch t {
	case frameOpen:
		if code := between(5, 5+16<<10); code != 0 {
			return code
		}
		answers := binary.BigEndian.Uint32([]byte(f.payload[1:]))
		kind := f.payload[0]
		return bad(kind > kindAnswer || (kind == kindAnswer) != (answers != 0), 2)
	case frameData:
		return bad(uint64(n) > uint64(l[to].maxItem), 4)
	case frameEnd:
		return bad(n != 0, 2)
	case frameFail, frameClose:
		return between(4, 4+1<<10)
	case frameRequest:
		if n != 16 {
			return 2
		}
		items, bytes := totalsOf(f)
		return bad(items > 1<<53-1 || bytes > 1<<53-1, 2)
	}
	return bad(f.typ < 128, 2)
}

// totalsOf are those of a REQUEST.
func totalsOf(f rawFrame) (items, bytes uint64) {
	p := []byte(f.payload)
	return binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])
}

// book enters a frame that is in order.
func (l *ledger) book(from int, f rawFrame) {
	mine, other := &l[from], &l[1-from]
	t := frameType(f.typ)
	if f.stream == 0 {
		if t == frameEnd || t == frameFail || t == frameClose {
			mine.said[t] = f.payload
		}
		return
	}
	switch t {
	case frameOpen:
		e := &entry{kind: f.payload[0], tag: f.payload[5:], items: uint64(other.items), bytes: uint64(other.bytes)}
		if e.kind == kindAnswer {
			e.call = l.asked(from, f)
			e.call.answer = e
		}
		mine.open[f.stream], mine.all[f.stream] = e, e
		mine.next++
	case frameData:
		e := mine.open[f.stream]
		e.sent = append(e.sent, f.payload)
		e.size += uint64(len(f.payload))
	case frameEnd, frameFail:
		e := mine.open[f.stream]
		e.last, e.lastText = f.typ, f.payload
		mine.forget(f.stream)
	case frameRequest:
		e := other.open[f.stream]
		items, bytes := totalsOf(f)
		e.items, e.bytes = max(e.items, items), max(e.bytes, bytes)
	case frameClose:
		other.open[f.stream].closed = true
		other.forget(f.stream)
	}
}

func (a *account) forget(stream uint32) {
	if a.open[stream].dead() {
		delete(a.open, stream)
	}
}
