package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// busyFlows is how many flows may be under way before no more are opened.
const busyFlows = 24

// run takes the steps of the program. What a step does is drawn when all is
// at rest; a few steps then happen at one moment. Each draws for itself: where
// the scheduler made one run differ from another of the same seed, the next
// steps are still the same, as far as they can be.
func (w *world) run() {
	type drawn struct {
		n  int
		do func()
	}
	for n := 0; n < w.plan.Steps; {
		w.draws(n)
		pause := w.pause()
		var together []drawn
		for range pick(w.r, 1, 1, 1, 2, 3) {
			w.draws(1<<16 + n)
			if step := w.draw(); step != nil {
				together = append(together, drawn{n, step})
			}
			n++
		}
		for _, d := range together {
			w.step = d.n
			d.do()
		}
		w.rest()
		if d := pause; d > 0 {
			time.Sleep(d)
			w.rest()
		}
	}
}

// draws begins a new row of random numbers.
func (w *world) draws(row int) { w.r = rand.New(rand.NewPCG(w.plan.Seed, 1<<32+uint64(row))) }

// pause is how much time passes between steps: mostly about what a frame
// takes to cross, now and then enough for a keepalive.
func (w *world) pause() time.Duration {
	switch n := w.r.IntN(100); {
	case n < 50:
		return 0
	case n < 90:
		return time.Duration(w.r.IntN(15)) * time.Millisecond
	case n < 98:
		return time.Duration(w.r.IntN(300)) * time.Millisecond
	case n < 99:
		return 3 * time.Second
	}
	return time.Duration(w.r.IntN(35)) * time.Second
}

// limit is how long a call may take.
func (w *world) limit() time.Duration {
	return pick(w.r, forever, forever, 0, 10*time.Millisecond, 100*time.Millisecond, time.Second, 20*time.Second)
}

// someEnd draws an end, mostly one whose session lives.
func (w *world) someEnd() (e *end) {
	for range 5 {
		e = w.links[w.r.IntN(len(w.links))].ends[w.r.IntN(2)]
		if !isDone(e.s.Done()) {
			break
		}
	}
	return e
}

// some draws one of the flows that suit, and claims it. It is nil if none do.
func (w *world) some(suits func(f *flow) bool, claim func(f *flow)) *flow {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.nearest(w.flows, suits)
	if i < 0 {
		return nil
	}
	f := w.flows[i]
	if claim != nil {
		claim(f)
	}
	return f
}

// nearest draws a number and returns the place of the flow next to it that
// suits: the choice is another only if that flow is. It is -1 if none suits.
func (w *world) nearest(flows []*flow, suits func(f *flow) bool) int {
	all := 2 * w.plan.Steps
	best, from, dist := -1, w.r.IntN(all), all
	for i, f := range flows {
		if d := (f.key - from + all) % all; d < dist && suits(f) {
			best, dist = i, d
		}
	}
	return best
}

// What a flow can be drawn for, and what is claimed by whoever draws it. One
// call at a time writes and one reads, so that order can be checked; ends and
// cancels come from beside.
func writable(f *flow) bool {
	return f.out != nil && !f.ended && f.broke == nil && !isDone(f.out.Done())
}
func free(f *flow) bool     { return writable(f) && !f.writing }
func readable(f *flow) bool { return f.in != nil && f.over == nil && f.left == nil && !f.refused }
func idle(f *flow) bool     { return readable(f) && !f.reading }
func takeWriter(f *flow)    { f.writing = true }
func takeReader(f *flow)    { f.reading = true }

// draw draws one step; nil is one that nothing suits.
func (w *world) draw() func() {
	switch n := w.r.IntN(1000); {
	case n < 220:
		return w.drawOpen(n < 140)
	case n < 330:
		e, d := w.someEnd(), w.limit()
		return func() { w.accept(e, d) }
	case n < 400:
		return w.drawHeld()
	case n < 600:
		return w.drawWrite()
	case n < 800:
		return w.drawRead()
	case n < 870:
		if f := w.some(writable, nil); f != nil {
			return func() { w.end(f) }
		}
	case n < 890:
		if f := w.some(writable, nil); f != nil {
			code := pick(w.r, omni.CodeCanceled, omni.Code(300+w.r.IntN(100)))
			return func() { w.breakOff(f, code) }
		}
	case n < 925:
		if f := w.some(readable, nil); f != nil {
			code := omni.Code(500 + w.r.IntN(100))
			return func() { w.cancel(f, code) }
		}
	case n < 940:
		if f := w.some(func(f *flow) bool { return readable(f) && f.incoming != nil && !f.isCall }, nil); f != nil {
			return func() { w.refuse(f) }
		}
	case n < 998:
		return w.drawOther()
	default:
		return w.drawStop()
	}
	return nil
}

// drawOpen opens a stream, if there are not many already: an open that waits
// for a slot is the rule then, not the exception.
func (w *world) drawOpen(oneWay bool) func() {
	w.mu.Lock()
	alive := 0
	for _, f := range w.flows {
		if !f.void && (f.out == nil || !isDone(f.out.Done())) {
			alive++
		}
	}
	w.mu.Unlock()
	if alive > busyFlows {
		return nil
	}
	e, d := w.someEnd(), w.limit()
	return func() { w.open(e, !oneWay, d) }
}

// drawHeld answers or refuses a call.
func (w *world) drawHeld() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.held) == 0 {
		return nil
	}
	i := w.nearest(w.held, func(*flow) bool { return true })
	f := w.held[i]
	w.held = append(w.held[:i:i], w.held[i+1:]...)
	if w.r.IntN(5) == 0 {
		return func() { w.refuse(f) }
	}
	d := w.limit()
	return func() { w.reply(f, d) }
}

// drawWrite writes a few items, many where they are small, or one that is too
// long.
func (w *world) drawWrite() func() {
	f := w.some(free, takeWriter)
	if f == nil {
		return nil
	}
	n, d := (1+w.r.IntN(8))*w.bulk(f), w.limit()
	if w.r.IntN(25) == 0 {
		return func() { w.writeTooLong(f) }
	}
	return func() { w.write(f, n, d) }
}

// drawRead reads some or all, by Next or by a loop. A reader that is not
// drawn is one that pauses.
func (w *world) drawRead() func() {
	f := w.some(idle, takeReader)
	if f == nil {
		return nil
	}
	n, d := (1+w.r.IntN(10))*w.gulp(f), w.limit()
	switch w.r.IntN(10) {
	case 0:
		return func() { w.loop(f, n, d) }
	case 1, 2:
		return func() { w.loop(f, -1, forever) }
	case 3:
		return func() { w.loop(f, -1, max(d, time.Millisecond)) }
	case 4, 5:
		return func() { w.next(f, -1, d) }
	}
	return func() { w.next(f, n, d) }
}

// drawOther draws what changes nothing, or only what may come.
func (w *world) drawOther() func() {
	d := w.limit()
	switch w.r.IntN(3) {
	case 0:
		if f := w.some(readable, nil); f != nil {
			n := uint32(1 + w.r.IntN(20))
			return func() { w.note("request %d of flow %d", n, f.key); f.in.Request(n) }
		}
	case 1:
		if f := w.some(writable, nil); f != nil {
			return func() { w.demand(f, d) }
		}
	default:
		e := w.someEnd()
		return func() { w.ping(e, d) }
	}
	return nil
}

// ping returns when the peer's PONG, its ctx or the session's end comes.
func (w *world) ping(e *end, d time.Duration) {
	w.do(d, 0, fmt.Sprintf("ping at %v", e), func(ctx context.Context) error {
		_, err := e.s.Ping(ctx)
		if isLost(err) {
			w.lost(e, "ping", err)
		}
		return err
	})
}

// drawStop ends a session in the middle of the program.
func (w *world) drawStop() func() {
	e, d := w.someEnd(), pick(w.r, forever, 0, 300*time.Millisecond, 30*time.Second)
	if w.r.IntN(4) == 0 {
		return func() { w.shut(e) }
	}
	return func() { w.shutdown(e, d) }
}

// slack is how long an end may take to close its connection.
func (e *end) slack() time.Duration {
	slow := e.l.plan.SlowFor
	return 3*time.Second + max(slow[0], slow[1])
}

// shut closes an end at once, also one whose Shutdown waits: what lives is
// lost.
func (w *world) shut(e *end) {
	if isDone(e.s.Done()) {
		return
	}
	e.gone.Store(true)
	if st := e.s.Stats(); st.Opened+st.Accepted > 0 {
		w.hit(closedAlive)
	}
	e.l.harm("close")
	w.do(0, e.slack(), fmt.Sprintf("close %v", e), func(context.Context) error { return e.s.Close() })
}

// shutdown ends a session gracefully, or by force when d is over.
func (w *world) shutdown(e *end, d time.Duration) {
	if e.gone.Swap(true) {
		return
	}
	l := e.l
	l.draining.Store(true)
	if d != forever {
		l.harm("shutdown")
	}
	if l.ends[1-e.side].gone.Load() {
		w.hit(shutdownBoth)
	}
	if st := e.s.Stats(); st.Opened+st.Accepted > 0 {
		w.hit(shutdownAlive)
	}
	w.do(d, e.slack(), fmt.Sprintf("shutdown %v", e), func(ctx context.Context) error {
		err := e.s.Shutdown(ctx)
		var cut *mux.CutError
		switch {
		case errors.As(err, &cut):
			w.hit(shutdownCut)
		case err != nil && !l.harmed.Load() && !l.misled():
			w.blame("%v: shutdown: %v", e, err)
		}
		return err
	})
}
