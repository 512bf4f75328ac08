package mux

import (
	"math"
	"time"
)

// window is how far an incoming stream is granted ahead of what its reader
// took. It begins small and doubles while the reader is faster than credit
// goes around, so that it comes to fit the link; see fit.
type window struct {
	items uint64 // kept requested in the reader's name
	bytes int64  // granted, if the budget has them
	lent  int64  // of the budget, beyond the stream's share

	// Since the last REQUEST:
	waits     uint64 // how often the reader found no item
	tookItems uint64 // the stream's totals, then
	tookBytes uint64
	since     time.Duration // when that was, see engine.now

	// What the writer could not have sent before it had the REQUEST given at
	// markAt; 0 for none under way.
	markItems, markBytes uint64
	markAt               time.Duration
}

// firstBytes is what a stream is granted at first beyond its longest item.
const firstBytes = 16 << 10

func (c *config) firstWindow() window {
	return window{items: c.prefetch, bytes: min(c.window, int64(c.maxItem)+firstBytes)}
}

// prefetch keeps up what is requested in the reader's name, at half a window.
func (in *incoming) prefetch() {
	n := in.window.items
	if out := in.wantItems - in.tookItems; n > 0 && out <= n/2 {
		in.wantItems = min(in.tookItems+n, maxTotal)
	}
}

// A stream is not granted more than it takes in a few seconds, whatever the
// link. Beyond nearBytes a window must be needed by the time that credit takes
// to go around; where that is less than near, it is 2 GB a second already and
// more would only leave the caches.
const (
	slow      = time.Second
	near      = 500 * time.Microsecond
	nearBytes = 1 << 20
)

// fit is called when a REQUEST is given. A reader that has waited since the
// last, and was through with much each time, is faster than credit goes
// around: the narrower of the two windows doubles. A stream that trickles, or
// a reader that always finds items, needs no wider one.
func (in *incoming) fit() {
	w := &in.window
	items, bytes := in.tookItems-w.tookItems, in.tookBytes-w.tookBytes
	bunches := 4*w.waits <= items || 4096*w.waits <= bytes
	if took := in.e.now - w.since; w.waits > 0 && bunches && took < slow {
		in.widen(w.bytes < nearBytes || in.e.roundTrip > near && took < in.e.roundTrip/2)
	}
	w.waits, w.tookItems, w.tookBytes, w.since = 0, in.tookItems, in.tookBytes, in.e.now
	in.repay()
}

// mark remembers what the writer has credit for without the REQUEST that is
// about to be given.
func (in *incoming) mark() {
	if w := &in.window; w.markAt == 0 {
		w.markItems, w.markBytes, w.markAt = in.grantItems, in.grantBts, max(1, in.e.now)
	}
}

// turned looks whether that REQUEST has come back as items, and how long it
// took: the least of these is what the link takes.
func (in *incoming) turned() {
	w, e := &in.window, in.e
	if w.markAt == 0 || in.gotItems <= w.markItems && in.gotBytes <= w.markBytes {
		return
	}
	if took := max(1, e.now-w.markAt); e.roundTrip == 0 || took < e.roundTrip {
		e.roundTrip = took
	}
	w.markAt = 0
}

// widen doubles what holds the writer up: the items or, if that many are more
// bytes, the bytes, if it may.
func (in *incoming) widen(bytes bool) {
	w, cfg := &in.window, in.e.cfg
	length := float64(in.tookBytes) / float64(in.tookItems)
	if items := max(w.items, in.wantItems-in.tookItems); length*float64(items) < float64(w.bytes) {
		w.items = max(w.items, min(2*w.items, cfg.widest))
		return
	}
	if !bytes {
		return
	}
	w.bytes = min(2*w.bytes, cfg.window, max(w.bytes, cfg.share()+in.mayBorrow()))
}

// grants returns the totals that could be granted now: what the application
// wants, within the stream's part of the budget. Bytes always leave room for
// one more item of any length after all before it were taken.
func (in *incoming) grants() (items, bytes uint64) {
	cfg := in.e.cfg
	ahead := min(in.wantItems-in.tookItems, maxAhead)
	if ahead == 0 {
		return in.tookItems, in.tookBytes
	}
	if in.e.dialect != nil {
		return in.tookItems + in.affordable(ahead), maxTotal
	}
	part := in.borrow(in.window.bytes + itemCharge*int64(ahead))
	// What is granted stays granted, so items get what bytes have left of all
	// that the stream has: of part there may be less than what bytes hold.
	held := max(int64(cfg.maxItem), int64(in.grantBts-min(in.grantBts, in.tookBytes)))
	ahead = min(ahead, uint64(max(0, in.e.budget.share+in.window.lent-held))/itemCharge)
	ahead = max(ahead, in.grantItems-in.tookItems)
	room := max(int64(cfg.maxItem), min(in.window.bytes, part-itemCharge*int64(ahead)))
	return in.tookItems + ahead, max(in.grantBts, in.tookBytes+uint64(room))
}

// affordable is how many of that many items the stream can be granted ahead
// where bytes are not counted, so that each may be as long as any.
func (in *incoming) affordable(ahead uint64) uint64 {
	each := in.e.cfg.share()
	want := int64(min(ahead, math.MaxInt64/uint64(each))) * each
	return max(min(ahead, uint64(in.borrow(want)/each)), in.grantItems-in.tookItems)
}

// mayBorrow is how much of the budget the stream may have beyond its share: a
// quarter of what nobody else has, so that there is always some for the next.
func (in *incoming) mayBorrow() int64 {
	return (in.e.budget.windows + in.window.lent) / 4
}

// borrow returns how much of the budget the stream may be granted, after it tried
// to get as much as want. If others have come to borrow, that is less than it
// has: what was granted stays, and as it is taken, repay gives the rest back.
func (in *incoming) borrow(want int64) int64 {
	b, w := &in.e.budget, &in.window
	if more := min(want-b.share, in.mayBorrow()) - w.lent; more > 0 {
		b.windows -= more
		w.lent += more
	}
	return b.share + min(w.lent, in.mayBorrow())
}

// repay gives back what the stream has no use for: others borrow too, so that
// it may have less than before, and what was granted has been taken.
func (in *incoming) repay() {
	items := int64(in.grantItems - in.tookItems)
	granted := itemCharge*items + int64(in.grantBts-in.tookBytes)
	wanted := in.window.bytes + itemCharge*int64(min(in.wantItems-in.tookItems, maxAhead))
	if in.e.dialect != nil {
		granted, wanted = in.e.cfg.share()*items, 0
	}
	keep := max(granted-in.e.budget.share, min(wanted-in.e.budget.share, in.mayBorrow()), 0)
	in.giveBack(in.window.lent - keep)
}

// returnLent gives back all that the stream's window borrowed.
func (in *incoming) returnLent() { in.giveBack(in.window.lent) }

func (in *incoming) giveBack(n int64) {
	if n > 0 {
		in.window.lent -= n
		in.e.budget.windows += n
	}
}
