package laws

// A view is one side's wire as its tap sees it: totals of every stream.
// Guarded by the wire's lock.
type view struct {
	h      *history
	side   int
	said   bool // FAIL on stream 0 was sent
	hello  [2]frame
	own    map[uint32]*lane // opened by this side, also those that are dead
	theirs map[uint32]*lane
}

// A lane is one stream on the wire. Of one's own, what was granted counts
// when it came; of the peer's, when it was sent.
type lane struct {
	key                  int // of the half
	grantItems, grantBts uint64
	items, bytes         uint64
	last                 bool   // END or FAIL was said
	closed               bool   // CLOSE was said
	code                 uint32 // by CLOSE
}

// frame takes one frame to account; sent says which way it goes.
func (v *view) frame(f *frame, sent bool) {
	if v.said && sent {
		v.h.broke(3, "side %d: %v after FAIL on stream 0", v.side, f)
	}
	if f.stream == 0 {
		switch {
		case f.typ == hello && sent:
			v.hello[0] = *f
		case f.typ == hello:
			v.hello[1] = *f
		case f.typ == fail && sent:
			v.said = true
			if f.code != 0 && v.h.p.Cut == 0 {
				v.h.broke(9, "side %d ends the session with code %d: %s", v.side, f.code, f.rest)
			}
		}
		return
	}
	lanes := v.theirs
	if sent == (f.typ != request && f.typ != closing) {
		lanes = v.own
	}
	if f.typ == open {
		v.open(f, sent, lanes)
		return
	}
	l := lanes[f.stream]
	if l == nil {
		v.h.broke(3, "side %d, sent %v: %v, which was never opened", v.side, sent, f)
		return
	}
	switch f.typ {
	case data:
		v.data(l, f, sent)
	case end, fail:
		if l.last {
			v.h.broke(3, "half %d: a second last word, %v", l.key, f)
		}
		l.last = true
	case request:
		v.request(l, f, sent)
	case closing:
		v.closing(l, f)
	}
}

func (v *view) open(f *frame, sent bool, lanes map[uint32]*lane) {
	by := v.hello[0] // who grants: the acceptor
	if sent {
		by = v.hello[1]
	}
	key := halfKey(int(f.rest[0]), f.kind == 2)
	if int(f.stream) != len(lanes)+1 {
		v.h.broke(9, "half %d: OPEN of stream %d after %d others", key, f.stream, len(lanes))
	}
	lanes[f.stream] = &lane{key: key, grantItems: by.items, grantBts: by.bytes}
}

func (v *view) data(l *lane, f *frame, sent bool) {
	l.items++
	l.bytes += uint64(len(f.rest))
	switch {
	case l.last:
		v.h.broke(3, "half %d: DATA after the last word", l.key)
	case l.items > l.grantItems:
		v.h.broke(1, "half %d, sent %v: item %d with %d granted", l.key, sent, l.items, l.grantItems)
	case l.bytes > l.grantBts:
		v.h.broke(8, "half %d, sent %v: byte %d with %d granted", l.key, sent, l.bytes, l.grantBts)
	}
}

func (v *view) request(l *lane, f *frame, sent bool) {
	if l.closed {
		v.h.broke(3, "half %d: REQUEST after CLOSE", l.key)
	}
	l.grantItems, l.grantBts = max(l.grantItems, f.items), max(l.grantBts, f.bytes)
	if !sent {
		return
	}
	a := v.h.halves[l.key].account
	a.mu.Lock()
	upper := max(a.upper, a.requested)
	a.mu.Unlock()
	if l.grantItems > uint64(upper) {
		v.h.broke(1, "half %d: %d items are granted and %d were requested", l.key, l.grantItems, upper)
	}
	window := v.h.p.Window
	if window == 0 {
		window = 1 << 20
	}
	_, bytes, _ := a.mayHaveTaken()
	if l.grantBts > uint64(bytes+window) {
		v.h.broke(8, "half %d: %d bytes are granted with %d taken and a window of %d", l.key, l.grantBts, bytes, window)
	}
}

// room checks, at rest, that the next item of any length fits once all before
// it were taken, if there is credit for one (rule 3).
func (v *view) room(l *lane) {
	a := v.h.halves[l.key].account
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.last || l.closed || a.stopped || a.looping {
		return
	}
	if l.grantItems > uint64(a.taken) && l.grantBts < uint64(a.takenBytes+v.h.p.MaxItem) {
		v.h.broke(6, "half %d: %d items and %d bytes are granted, with %d and %d taken", l.key, l.grantItems, l.grantBts, a.taken, a.takenBytes)
	}
}

// has is what was taken, exactly.
func (a *account) has() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken
}

func (v *view) closing(l *lane, f *frame) {
	if l.closed {
		v.h.broke(3, "half %d: a second CLOSE", l.key)
	}
	l.closed, l.code = true, f.code
	if f.code == 0 && (!l.last || uint64(v.h.halves[l.key].has()) != l.items) {
		v.h.broke(11, "half %d: a receipt for %d items, %d were taken, last word said: %v", l.key, l.items, v.h.halves[l.key].has(), l.last)
	}
}

// budget adds up what this side has granted and not got back.
func (v *view) budget() {
	sum := int64(0)
	for _, l := range v.theirs {
		items, bytes, over := v.h.halves[l.key].mayHaveTaken()
		if !over && !l.last {
			sum += int64(l.grantBts) - int64(bytes) + 64*(int64(l.grantItems)-int64(items))
		}
	}
	if sum > budget(v.h.p) {
		v.h.broke(8, "side %d: %d bytes are granted, of a budget of %d", v.side, sum, budget(v.h.p))
	}
}
