package conform

import (
	"bytes"
	"slices"
)

// stream is one stream of either side, as the suite sees it.
type stream struct {
	number   uint32
	kind     byte
	metadata []byte

	items     [][]byte // sent by the suite, or received from the echo
	size      uint64   // bytes in items
	may       uint64   // items granted
	maySize   uint64   // bytes granted
	said      *word    // the opener's last word; END has code 0 and ended is set
	ended     bool     // said is END
	closed    *word    // the acceptor's CLOSE
	closedCut bool     // CLOSE was there before the opener's last word

	call   *stream // of an answer
	answer *stream // of a call
}

// lives reports whether a side still owes its last word.
func (s *stream) lives() bool { return s.said == nil || s.closed == nil }

// takes reports whether the credit allows an item of n bytes.
func (s *stream) takes(n int) bool {
	return uint64(len(s.items))+1 <= s.may && s.size+uint64(n) <= s.maySize
}

// grant raises the totals.
func (s *stream) grant(items, size uint64) {
	s.may, s.maySize = max(s.may, items), max(s.maySize, size)
}

// add counts an item.
func (s *stream) add(item []byte) {
	s.items = append(s.items, item)
	s.size += uint64(len(item))
}

// say notes the opener's last word.
func (s *stream) say(f frame) {
	if f.typ == tEnd {
		s.said, s.ended = &word{}, true
		return
	}
	w := f.word()
	s.said = &w
}

// ledger is the referee: it knows what both sides have said, and finds every
// breach that the echo can be seen to make, in whatever case.
//
//	suite --- given --->  ledger  <--- taken --- echo
//	         (believed)          (checked)
type ledger struct {
	me     hello  // what the suite said, once saidHello
	peer   *hello // what the echo said
	own    map[uint32]*stream
	theirs map[uint32]*stream
	next   uint32 // number of the suite's next stream
	opened uint32 // number of the echo's last one

	saidHello, saidClose, saidEnd, saidBye bool // by the suite, on stream 0
	heardClose, heardEnd                   bool // by the echo
	failed                                 *word
	pongs                                  map[string]bool
}

// newLedger is that of a session that has not begun.
func newLedger() *ledger {
	return &ledger{own: map[uint32]*stream{}, theirs: map[uint32]*stream{}, next: 1, pongs: map[string]bool{}}
}

// given notes a frame that the suite is about to send, which keeps the rules.
func (l *ledger) given(f frame) {
	switch s := l.own[f.stream]; f.typ {
	case tHello:
		l.me, l.saidHello = f.hello(), true
	case tOpen:
		kind, _, metadata := f.opening()
		l.own[f.stream] = &stream{number: f.stream, kind: kind, metadata: metadata, may: uint64(l.peer.items), maySize: uint64(l.peer.size)}
		l.next = f.stream + 1
	case tData:
		s.add(slices.Clone(f.payload))
	case tEnd, tFail:
		switch {
		case f.stream != 0:
			s.say(f)
		case f.typ == tEnd:
			l.saidEnd = true
		default:
			l.saidBye = true
		}
	case tRequest:
		l.theirs[f.stream].grant(f.totals())
	case tClose:
		if f.stream == 0 {
			l.saidClose = true
			return
		}
		w, t := f.word(), l.theirs[f.stream]
		t.closed, t.closedCut = &w, t.said == nil
	}
}

// taken checks a message of the echo and notes what it says.
func (l *ledger) taken(msg []byte) (frames []frame, err error) {
	limit := leastLimit
	if l.saidHello {
		limit = max(limit, headerLen+int(l.me.maxItem))
	}
	if len(msg) > limit {
		return nil, broke("9", "the echo sends a message of %d bytes, %d are the most", len(msg), limit)
	}
	for len(msg) > 0 {
		var f frame
		if f, msg, err = cut(msg); err != nil {
			return frames, err
		}
		frames = append(frames, f)
		if err := l.take(f); err != nil {
			return frames, err
		}
	}
	return frames, nil
}

// take is taken for one frame.
func (l *ledger) take(f frame) error {
	if l.failed != nil {
		return broke("10", "the echo sends %v after FAIL on 0", f)
	}
	if l.peer == nil && f.typ != tHello {
		return broke("1", "the echo sends %v before HELLO", f)
	}
	if err := f.form(); err != nil {
		return err
	}
	switch {
	case f.typ == tHello:
		if l.peer != nil {
			return broke("1", "the echo sends a second HELLO")
		}
		h := f.hello()
		l.peer = &h
	case f.typ == tOpen:
		return l.takeOpen(f)
	case f.typ == tData:
		return l.takeData(f)
	case f.typ == tPong:
		l.pongs[string(f.payload)] = true
	case f.typ == tRequest:
		s := l.own[f.stream]
		if s == nil || s.closed != nil {
			return broke("8", "the echo sends %v for a stream that does not live or that it has closed", f)
		}
		s.grant(f.totals())
	case f.stream == 0 && f.typ < tPing:
		return l.takeSession(f)
	case f.typ == tClose:
		return l.takeClose(f)
	case f.typ == tEnd || f.typ == tFail:
		s := l.theirs[f.stream]
		if s == nil || s.said != nil {
			return broke("8", "the echo sends %v for a stream that does not live or on which it has said its last word", f)
		}
		s.say(f)
	}
	return nil
}

// takeOpen checks an OPEN: an echo opens nothing but answers.
func (l *ledger) takeOpen(f frame) error {
	kind, answers, metadata := f.opening()
	switch {
	case !l.saidHello:
		return broke("1", "the echo opens a stream before the HELLO of its peer")
	case l.heardEnd:
		return broke("12", "the echo sends %v after its END on 0", f)
	case f.stream != l.opened+1:
		return broke("0", "the echo sends %v, its next number is %d", f, l.opened+1)
	case kind != kindAnswer && l.me.streams == 0:
		return broke("5", "the echo sends %v without a slot", f)
	case kind != kindAnswer:
		return broke("", "the echo sends %v: an echo opens answers alone", f)
	}
	l.opened++
	call := l.own[answers]
	if call == nil || call.kind != kindCall || call.closed != nil || call.answer != nil {
		return broke("6", "the echo sends %v: that is no call, or it is closed or answered", f)
	}
	if !bytes.Equal(metadata, call.metadata) {
		return broke("", "the answer has the metadata %.40q, the call %.40q", metadata, call.metadata)
	}
	s := &stream{number: f.stream, kind: kind, call: call, metadata: metadata, may: uint64(l.me.items), maySize: uint64(l.me.size)}
	call.answer, l.theirs[f.stream] = s, s
	return nil
}

// takeData checks a DATA: within credit, and the next item of the call.
func (l *ledger) takeData(f frame) error {
	s, n := l.theirs[f.stream], len(f.payload)
	if n > int(l.me.maxItem) {
		return broke("4", "the echo sends %v, max_item is %d", f, l.me.maxItem)
	}
	if s == nil || s.said != nil {
		return broke("8", "the echo sends %v for a stream that does not live or on which it has said its last word", f)
	}
	if !s.takes(n) {
		return broke("4", "the echo sends %v beyond credit: %d items and %d bytes were sent, %d and %d granted", f, len(s.items), s.size, s.may, s.maySize)
	}
	at := len(s.items)
	s.add(slices.Clone(f.payload))
	if at >= len(s.call.items) {
		return broke("L2", "the answer has %d items, the call %d", at+1, at)
	}
	if want := s.call.items[at]; !bytes.Equal(f.payload, want) {
		return broke("L2", "item %d of the answer is %d bytes %.20x, that of the call %d bytes %.20x", at+1, n, f.payload, len(want), want)
	}
	return nil
}

// takeClose checks a CLOSE of a stream of the suite.
func (l *ledger) takeClose(f frame) error {
	s, w := l.own[f.stream], f.word()
	if s == nil || s.closed != nil {
		return broke("8", "the echo sends %v for a stream that does not live or that it has closed", f)
	}
	if w.code == codeDone && (s.said == nil || s.kind == kindCall && s.answer == nil) {
		return broke("7", "the echo sends CLOSE with code 0 on stream %d before its last word or its answer", f.stream)
	}
	s.closed, s.closedCut = &w, s.said == nil
	return nil
}

// takeSession checks a word on stream 0.
func (l *ledger) takeSession(f frame) error {
	switch f.typ {
	case tEnd:
		switch {
		case l.heardEnd:
			return broke("12", "the echo sends END on 0 twice")
		case !l.saidClose && !l.heardClose:
			return broke("12", "the echo sends END on 0 before any CLOSE on 0")
		}
		l.heardEnd = true
	case tClose:
		if l.heardClose || l.heardEnd {
			return broke("12", "the echo sends CLOSE on 0 twice, or after its END on 0")
		}
		l.heardClose = true
	case tFail:
		w := f.word()
		l.failed = &w
		if w.code != codeDone && w.reason == "" {
			return broke("10", "the echo sends FAIL on 0 with code %d and no reason", w.code)
		}
		if w.code == codeDone && (!l.saidEnd || !l.heardEnd || l.living() > 0) {
			return broke("12", "the echo says goodbye too early: %d streams live, END on 0 was said by the suite: %t, by the echo: %t", l.living(), l.saidEnd, l.heardEnd)
		}
	}
	return nil
}

// living counts the streams that live.
func (l *ledger) living() (n int) {
	for _, set := range []map[uint32]*stream{l.own, l.theirs} {
		for _, s := range set {
			if s.lives() {
				n++
			}
		}
	}
	return n
}
