package sim

import (
	"encoding/binary"
)

// A view is one end's wire as its tap sees it. Guarded by its link's mu.
type view struct {
	l       *link
	side    int
	hellos  [2]helloLimits // what this end takes, what the other does
	numbers [2]uint32      // the last stream that each opened, by this end first
	own     map[uint32]*lane
	theirs  map[uint32]*lane
	gone    bool   // FAIL on 0 was received
	said    bool   // and sent
	drains  bool   // CLOSE on 0 went, either way
	items   uint64 // received on all streams
	bytes   uint64
}

type helloLimits struct{ maxItem, streams, items, bytes uint32 }

// A lane is one stream that lives. Totals of one's own count when they came,
// those of the peer's when they were sent.
type lane struct {
	key                    int
	kind                   byte
	answers                uint32
	grantItems, grantBytes uint64
	items, bytes           uint64
	last                   byte // END or FAIL, once said
	closed                 bool
}

// frame takes one frame to account; sent says which way it goes.
func (v *view) frame(f frame, sent bool) {
	if sent && v.said {
		v.blame("a frame of type %d after FAIL on 0", f.typ)
	}
	if v.gone && !sent {
		return // nobody looks at it
	}
	u32 := binary.BigEndian.Uint32
	switch {
	case f.typ == frHello:
		i := 1
		if sent {
			i = 0
		}
		p := f.payload
		v.hellos[i] = helloLimits{u32(p[5:]), u32(p[9:]), u32(p[13:]), u32(p[17:])}
		return
	case f.stream == 0:
		if f.typ == frClose {
			v.drains = true
		}
		if f.typ == frFail && sent {
			v.said = true
		} else if f.typ == frFail {
			v.gone = true
		}
		return
	}
	lanes := v.theirs
	if sent == (f.typ < frRequest) {
		lanes = v.own
	}
	if f.typ == frOpen {
		v.open(f, sent)
		return
	}
	a := lanes[f.stream]
	if a == nil {
		v.blame("sent %v: a frame of type %d for stream %d, which does not live", sent, f.typ, f.stream)
		return
	}
	v.stream(a, f, sent)
	if a.last != 0 && a.closed {
		delete(lanes, f.stream)
	}
}

func (v *view) blame(format string, args ...any) {
	v.l.w.blame("session %d end %d: "+format, append([]any{v.l.n, v.side}, args...)...)
}

func (v *view) open(f frame, sent bool) {
	i, lanes := 1, v.theirs
	if sent {
		i, lanes = 0, v.own
	}
	granter := v.hellos[1-i] // the acceptor's HELLO has the first credit
	v.numbers[i]++
	if f.stream != v.numbers[i] {
		v.blame("OPEN of stream %d, %d is next", f.stream, v.numbers[i])
	}
	a := &lane{
		key: keyOf(f.payload[5:]), kind: f.payload[0], answers: binary.BigEndian.Uint32(f.payload[1:]),
		grantItems: uint64(granter.items), grantBytes: uint64(granter.bytes),
	}
	lanes[f.stream] = a
	used := slots(v.theirs, v.own)
	if sent {
		used = slots(v.own, v.theirs)
	}
	if used > int(granter.streams) {
		v.blame("sent %v: %d streams live at once of %d", sent, used, granter.streams)
	}
	if !sent && a.kind == 2 && v.l.w.hasLeft(a.key) {
		v.l.w.hit(answerAfterLeaving)
	}
}

// slots counts as rule 5 does: streams and calls, and calls that are dead
// while their answers live.
func slots(opened, answers map[uint32]*lane) int {
	n := 0
	for _, a := range opened {
		if a.kind != 2 {
			n++
		}
	}
	for _, a := range answers {
		if a.kind == 2 && opened[a.answers] == nil {
			n++
		}
	}
	return n
}

// stream takes a frame of a stream that lives.
func (v *view) stream(a *lane, f frame, sent bool) {
	u64 := binary.BigEndian.Uint64
	switch f.typ {
	case frData:
		a.items++
		a.bytes += uint64(len(f.payload))
		if !sent {
			v.items++
			v.bytes += uint64(len(f.payload))
		}
		if a.last != 0 || a.items > a.grantItems || a.bytes > a.grantBytes {
			v.blame("sent %v, stream %d: item %d and byte %d with %d and %d granted, last word %d",
				sent, f.stream, a.items, a.bytes, a.grantItems, a.grantBytes, a.last)
		}
	case frEnd, frFail:
		if a.last != 0 {
			v.blame("sent %v, stream %d: a second last word", sent, f.stream)
		}
		a.last = f.typ
		v.crossed(a, f, sent)
	case frRequest:
		if a.closed {
			v.blame("sent %v, stream %d: REQUEST after CLOSE", sent, f.stream)
		}
		a.grantItems, a.grantBytes = max(a.grantItems, u64(f.payload)), max(a.grantBytes, u64(f.payload[8:]))
		if !sent && a.last != 0 {
			v.l.w.hit(requestCrossedEnd)
		}
		if sent {
			v.granted(a, f.stream)
		}
	case frClose:
		code := binary.BigEndian.Uint32(f.payload)
		if a.closed || code == 0 && a.last == 0 {
			v.blame("sent %v, stream %d: CLOSE %d, closed before %v, last word %d", sent, f.stream, code, a.closed, a.last)
		}
		a.closed = true
	}
}

// crossed notes a last word that met a CLOSE on its way.
func (v *view) crossed(a *lane, f frame, sent bool) {
	if sent || !a.closed {
		return
	}
	if f.typ == frEnd {
		v.l.w.hit(closeCrossedEnd)
		return
	}
	// A FAIL that answers the CLOSE comes when its sender has forgotten the
	// stream; one that crossed it while that still waits for the CLOSE.
	if other := v.l.views[1-v.side].own[f.stream]; other != nil {
		v.l.w.hit(failCrossedClose)
	}
}

// granted checks what was granted beyond what came, which bounds what may
// come: by the stream's window and the session's budget.
func (v *view) granted(a *lane, id uint32) {
	o := &v.l.plan.Options[v.side]
	ahead := a.grantItems - min(a.items, a.grantItems)
	if o.Prefetch == 0 && ahead > 64 {
		v.l.w.hit(windowGrew)
	}
	window := uint64(max(o.Window, o.MaxItem))
	if o.Window > 0 && a.grantBytes > a.bytes+window {
		v.blame("stream %d: %d bytes granted with %d received and a window of %d", id, a.grantBytes, a.bytes, window)
	}
	sum := uint64(0)
	for _, a := range v.theirs {
		if a.last == 0 && !a.closed {
			sum += a.grantBytes - a.bytes + 64*(a.grantItems-a.items)
		}
	}
	if o.Budget > 0 && sum > uint64(o.Budget) {
		v.blame("%d bytes are granted of a budget of %d", sum, o.Budget)
	}
}

// atRest compares the two ends when nothing is on its way between them.
func (l *link) atRest() {
	if !l.lines[0].idle() || !l.lines[1].idle() || l.harmed.Load() || l.misled() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, v := range l.views {
		other := l.views[1-i]
		if v.said || v.gone || other.said || other.gone || l.blind {
			return
		}
		if len(v.own) != len(other.theirs) {
			v.blame("at rest %d own streams live, the other counts %d", len(v.own), len(other.theirs))
		}
		for id, a := range v.own {
			b := other.theirs[id]
			if b == nil || *a != *b {
				v.blame("at rest stream %d is %+v, and for the other %+v", id, a, b)
				continue
			}
			if got := l.w.gotOn(l, a.key); uint64(got) > b.items {
				v.blame("stream %d: %d items were taken of %d that came", id, got, b.items)
			}
		}
		l.holdings(i)
	}
}

// holdings compares an end's own account with the wire's.
func (l *link) holdings(side int) {
	v, e := l.views[side], l.ends[side]
	st := e.s.Stats()
	if st.Opened != len(v.own) || st.Accepted != len(v.theirs) {
		v.blame("at rest it counts %d opened and %d accepted streams, the wire %d and %d",
			st.Opened, st.Accepted, len(v.own), len(v.theirs))
	}
	if n := e.opens.Load(); n > 0 && v.drains && l.plan.Check[side] == 0 {
		v.blame("at rest %d opens wait for a slot that will never be theirs", n)
	}
	if st.ItemsReceived != v.items || st.BytesReceived != v.bytes {
		v.blame("at rest it counts %d items and %d bytes that came, the wire %d and %d",
			st.ItemsReceived, st.BytesReceived, v.items, v.bytes)
	}
	if st.Opened+st.Accepted == 0 && (st.AnswersFree != e.fresh.AnswersFree || st.WindowsFree != e.fresh.WindowsFree) {
		v.blame("no stream lives and the budget has %d and %d left of %d and %d",
			st.AnswersFree, st.WindowsFree, e.fresh.AnswersFree, e.fresh.WindowsFree)
	}
}

// goodbye says whether the end has heard FAIL on 0.
func (l *link) goodbye(side int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.views[side].gone || l.blind
}
