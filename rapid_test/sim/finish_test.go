package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"omnistreams.dev/omni"
)

// finish winds the program up, so that everything comes to its end: writers
// end, readers read on, calls are answered. Then the sessions shut down.
func (w *world) finish(cancel context.CancelCauseFunc) {
	w.draws(1 << 20)
	early := w.r.IntN(4) == 0 // shutdown first, with streams alive
	w.note("the program is over; shutdown comes first: %v", early)
	if early {
		w.shutdownAll()
	}
	w.ending.Store(true)
	for _, l := range w.links {
		for _, e := range l.ends {
			w.do(forever, 0, fmt.Sprintf("accept all at %v", e), func(ctx context.Context) error {
				for {
					if err := w.acceptOne(ctx, e); err != nil {
						return err
					}
				}
			})
		}
	}
	w.windAll()
	settled := w.until(90*time.Second, w.settled)
	// Where a flip has changed credit or an end, streams may wait for ever.
	for _, l := range w.links {
		if l.misled() {
			w.shut(l.ends[0])
		}
	}
	if !settled && !w.until(90*time.Second, w.settled) {
		w.blame("streams do not end: %s", strings.Join(w.alive(), "; "))
	}
	if w.live != nil && !early {
		w.emptied()
	}
	w.shutdownAll()
	if !w.until(90*time.Second, func() bool { return len(w.calls()) == 0 && w.sessionsOver() }) {
		w.blame("does not end: %s", strings.Join(w.calls(), "; "))
		for _, l := range w.links {
			w.shut(l.ends[0])
			w.shut(l.ends[1])
		}
	}
	cancel(errOver)
	w.until(time.Minute, func() bool { return len(w.calls()) == 0 })
	if names := w.calls(); len(names) > 0 {
		// The bubble will complain of it, and end the process.
		panic(fmt.Sprintf("calls do not return: %s\n%v\n%s", strings.Join(names, "; "), w.plan, w.tail(40)))
	}
	w.all.Wait()
	// A connection's Close that takes long goes on behind its session.
	for _, l := range w.links {
		time.Sleep(max(l.plan.SlowFor[0], l.plan.SlowFor[1]))
	}
	w.judge()
}

// until lets time pass until it is so, at most for d.
func (w *world) until(d time.Duration, so func() bool) bool {
	for end := time.Now().Add(d); ; {
		w.rest()
		if so() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		time.Sleep(w.poll())
	}
}

// shutdownAll shuts down what is not yet, from one end or both.
func (w *world) shutdownAll() {
	for _, l := range w.links {
		which := w.r.IntN(3)
		for i, e := range l.ends {
			if which != i || l.ends[1-i].gone.Load() {
				w.shutdown(e, forever)
			}
		}
	}
}

// windAll ends or reads on whatever nobody uses; the calls under way do it
// for what they use.
func (w *world) windAll() {
	w.windHeld()
	w.mu.Lock()
	flows := w.flows
	w.mu.Unlock()
	for _, f := range flows {
		w.windWriter(f)
		w.windReader(f)
	}
}

// windWriter ends the flow, once the program is over. A writer that waits for
// credit is let finish.
func (w *world) windWriter(f *flow) {
	if !w.ending.Load() {
		return
	}
	w.mu.Lock()
	ok := f.out != nil && !f.writing && !f.ended && f.broke == nil
	w.mu.Unlock()
	if !ok {
		return
	}
	if f.trait()%9 == 0 {
		w.breakOff(f, 777)
		return
	}
	w.end(f)
}

// windReader reads the flow to its end, once the program is over.
func (w *world) windReader(f *flow) {
	if !w.ending.Load() {
		return
	}
	w.mu.Lock()
	ok := idle(f)
	f.reading = f.reading || ok
	w.mu.Unlock()
	if ok {
		w.next(f, -1, forever)
	}
}

// windHeld answers or refuses every call.
func (w *world) windHeld() {
	w.mu.Lock()
	held := w.held
	w.held = nil
	w.mu.Unlock()
	for _, f := range held {
		if f.trait()%4 == 0 {
			w.refuse(f)
		} else {
			w.reply(f, forever)
		}
	}
}

// settled says whether everything but the sessions is over.
func (w *world) settled() bool { return len(w.alive()) == 0 }

// alive lists the flows with an end that is not over, and the calls that are
// to return before the sessions end.
func (w *world) alive() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.flows {
		out := f.out != nil && !isDone(f.out.Done())
		in := f.in != nil && !isDone(f.in.Done())
		if out || in {
			names = append(names, fmt.Sprintf("flow %d (writer %v, reader %v, %d of %d read)", f.key, out, in, f.got, f.wrote))
		}
	}
	for c := range w.running {
		if !strings.HasPrefix(c.name, "accept") && !strings.HasPrefix(c.name, "shutdown") {
			names = append(names, c.name)
		}
	}
	return names
}

func (w *world) sessionsOver() bool {
	for _, l := range w.links {
		for _, e := range l.ends {
			if !isDone(e.s.Done()) {
				return false
			}
		}
	}
	return true
}

// judge looks at what is left when everything is over.
func (w *world) judge() {
	clean := true
	for _, l := range w.links {
		l.judge()
		l.conserved()
		clean = clean && !l.harmed.Load() && !l.misled()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.flows {
		if f.out != nil && !f.anyMisled() {
			f.judge()
		}
	}
	if clean {
		w.hit(cleanRun)
	}
}

// judge checks how a session ended.
func (l *link) judge() {
	for i, e := range l.ends {
		err := e.s.Err()
		if err != nil && !l.harmed.Load() && !l.misled() {
			l.w.blame("%v: ended with %v, without a fault", e, err)
		}
		// The one who wrote too little knows it at once.
		b := l.first.Load()
		short := b != nil && b.why == "short write" && !b.draining && l.lines[i].wasShort() && !l.lines[1-i].wasShort()
		if short && !errors.Is(err, io.ErrShortWrite) && !l.misled() {
			l.w.blame("%v: a short write, and it ended with %v", e, err)
		}
		var se *omni.StreamError
		if errors.As(err, &se) && !se.Remote {
			switch {
			case strings.Contains(se.Reason, "silent"):
				l.w.hit(keepaliveDeath)
			case strings.Contains(se.Reason, "did not read"):
				l.w.hit(writeTimeout)
			case strings.Contains(se.Reason, "HELLO did not come"):
				l.w.hit(helloLate)
			case l.misled() && se.Code >= omni.CodeProtocol && se.Code <= omni.CodeTooLarge:
				l.w.hit(flipNoticed)
			}
		}
		if f := l.plan.Lines[i]; f.StallAt >= 0 && l.lines[i].written > f.StallAt && !l.harmed.Load() {
			l.w.hit(stallSurvived)
		}
	}
}

// conserved checks that every item that came was either taken or dropped, and
// that what came is what was sent, if nobody canceled.
// Where pipes take items nobody has counted them, and where a fault struck
// items that came may not be dropped yet.
func (l *link) conserved() {
	if l.harmed.Load() || l.misled() || l.ends[0].next != nil || l.ends[1].next != nil {
		return
	}
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range l.ends {
		taken, wrote := uint64(0), uint64(0)
		for _, f := range w.flows {
			if f.in != nil && f.readersSession() == e.s {
				taken += uint64(f.got)
			}
			if f.out != nil && f.from == e {
				wrote += uint64(f.wrote)
			}
		}
		st, other := e.s.Stats(), l.ends[1-i].s.Stats()
		if st.ItemsReceived != taken+st.ItemsDropped {
			w.blameLocked("%v: %d items came, %d were taken and %d dropped", e, st.ItemsReceived, taken, st.ItemsDropped)
		}
		if st.ItemsSent != wrote || st.ItemsSent < other.ItemsReceived || st.BytesSent < other.BytesReceived ||
			st.ItemsSent == other.ItemsReceived && st.BytesSent != other.BytesReceived {
			w.blameLocked("%v: %d items were written, %d sent (%d bytes), %d came (%d bytes)",
				e, wrote, st.ItemsSent, st.BytesSent, other.ItemsReceived, other.BytesReceived)
		}
	}
}

// judge checks how a flow ended; the world's mu is held.
func (f *flow) judge() {
	w, err, whole := f.w, f.out.Err(), f.over == io.EOF && f.got == f.wrote
	single := f.piped == 0
	switch {
	case !isDone(f.out.Done()):
		w.blameLocked("flow %d: its writer has no end", f.key)
	case f.over == io.EOF && !whole:
		w.blameLocked("flow %d: the end came after %d items of %d", f.key, f.got, f.wrote)
	case err == nil && single && !whole:
		w.blameLocked("flow %d: a receipt for %d items, %d were read (over %v, left %v, refused %v, reading %v)", f.key, f.wrote, f.got, f.over, f.left, f.refused, f.reading)
	case err == nil && single:
		w.hit(receipt)
	}
	f.lostSomewhere(err)
	if f.harmed() {
		return
	}
	if f.partner != nil && f.partner.spoils() || f.isCall && !f.answered {
		return // a call and its answer end together, if one of them breaks
	}
	f.judgeClean(err, single, whole)
}

// lostSomewhere checks that a session which lost the flow has an error.
func (f *flow) lostSomewhere(err error) {
	if f.piped > 0 {
		return
	}
	if isLost(err) && f.from.s.Err() == nil {
		f.w.blameLocked("flow %d: lost (%v), and its session ended without an error", f.key, err)
	}
	if f.over != nil && isLost(f.over) && f.readersSession().Err() == nil {
		f.w.blameLocked("flow %d: lost (%v), and the session of its reader ended without an error", f.key, f.over)
	}
}

// spoils says whether a flow broke off in a way that its partner feels.
func (f *flow) spoils() bool {
	return f.left != nil || f.broke != nil || f.refused || f.over != nil && f.over != io.EOF
}

// judgeClean checks a flow that no fault has touched: its end is what the
// program made it, causes and all.
func (f *flow) judgeClean(err error, single, whole bool) {
	w := f.w
	switch {
	case f.refused:
		w.hit(refusedByPeer)
	case f.in == nil:
		if !f.drained() {
			w.blameLocked("flow %d: was never accepted: %v", f.key, err)
		} else if errors.Is(err, omni.ErrShuttingDown) {
			w.hit(refusedAtShutdown)
		}
		if err == nil && single && f.broke == nil {
			w.blameLocked("flow %d: was never accepted and its writer got a receipt", f.key)
		}
	case f.left != nil:
		se := remote(err)
		if single && f.broke == nil && (se == nil || se.Code != f.left.Code) {
			w.blameLocked("flow %d: its reader canceled with %v, its writer got %v", f.key, f.left, err)
		}
	case f.broke != nil:
		se := remote(f.over)
		if se == nil || se.Code != f.broke.Code || se.Reason != f.broke.Reason || f.got != f.wrote {
			w.blameLocked("flow %d: its writer canceled with %v after %d items, its reader got %v after %d", f.key, f.broke, f.wrote, f.over, f.got)
		}
		w.hit(writerBroke)
	case !whole || single && err != nil:
		w.blameLocked("flow %d: ended after %d items, %d were read, then %v; its writer got %v", f.key, f.wrote, f.got, f.over, err)
	}
}

// drained says whether a session that the flow crosses began to shut down.
func (f *flow) drained() bool {
	for _, l := range f.links {
		if l.draining.Load() {
			return true
		}
	}
	return false
}
