package mux

import (
	"errors"
	"io"

	"omnistreams.dev/omni"
)

// check looks at what must hold all the time.
func (w *world) check() {
	for i, s := range w.sides {
		if s.e == nil {
			continue // the search looks at one side
		}
		for _, o := range s.e.own {
			if o.sentItems > o.grantItems || o.sentBytes > o.grantBytes {
				w.blame("L1: side %d sent %d items of %d", i, o.sentItems, o.grantItems)
			}
		}
		for _, in := range s.e.theirs {
			kept := uint64(len(in.items) - in.next)
			if in.gotItems > in.grantItems || in.grantItems > in.wantItems && !s.e.over || kept > in.grantItems-in.tookItems {
				w.blame("L8: side %d, stream %d: wanted %d granted %d got %d took %d kept %d", i, in.id,
					in.wantItems, in.grantItems, in.gotItems, in.tookItems, kept)
			}
			if in.grantItems > in.tookItems && in.peerLast == noWord && !in.closeWant && !in.place.queued &&
				in.grantBts < in.tookBytes+uint64(s.e.cfg.maxItem) {
				w.blame("rule 3: side %d, stream %d: items without bytes", i, in.id)
			}
		}
		if s.e.theirSlots > int(s.e.cfg.streams) || s.e.theirSlots < 0 || s.e.ownSlots < 0 || s.e.unnumbered < 0 {
			w.blame("side %d: slots %d and %d, unnumbered %d", i, s.e.ownSlots, s.e.theirSlots, s.e.unnumbered)
		}
		if b := s.e.budget; b.answers < 0 || b.windows < 0 {
			w.blame("side %d: budget %+v", i, b)
		}
	}
	w.checkReaders()
}

func (w *world) checkReaders() {
	for i, s := range w.sides {
		if s.e == nil {
			continue
		}
		var here uint64 // taken or kept
		for _, in := range s.e.accepts {
			here += uint64(len(in.items) - in.next)
		}
		for _, r := range s.readers {
			here += uint64(r.got + len(r.in.items) - r.in.next)
		}
		if st := s.e.stats; st.ItemsReceived != here+st.ItemsDropped {
			w.blame("L11: side %d: %d items came, %d were taken or are kept, %d dropped", i, st.ItemsReceived, here, st.ItemsDropped)
		}
		for _, r := range s.readers {
			if r.over != nil && !r.stopped && !r.in.finished {
				w.blame("L3: a reader got %v and is not finished", r.over)
			}
			// What the search leaves out of a state relies on this one.
			if first := r.in.e.cfg.firstWindow(); r.in.window.items != first.items || r.in.window.bytes != first.bytes {
				w.blame("BUG: side %d: a window of these small worlds has grown", i)
			}
		}
	}
}

// quiet says whether nothing is on its way and nothing is to be sent.
func (w *world) quiet() bool {
	a, b := w.sides[0], w.sides[1]
	return len(a.inbox)+len(b.inbox) == 0 && !a.e.kick() && !b.e.kick()
}

// checkQuiet looks at what must hold when all is quiet: both sides agree.
func (w *world) checkQuiet() {
	for i, s := range w.sides {
		t := w.sides[1-i]
		if s.e.over || t.e.over {
			if s.e.over != t.e.over {
				w.blame("side %d is over, side %d is not", i, 1-i)
			}
			continue
		}
		if s.e.lastOwn != t.e.lastTheirs || len(s.e.own) != len(t.e.theirs) || s.e.ownSlots != t.e.theirSlots {
			w.blame("side %d opened %d, %d live, %d slots; the other has %d, %d, %d", i, s.e.lastOwn, len(s.e.own), s.e.ownSlots,
				t.e.lastTheirs, len(t.e.theirs), t.e.theirSlots)
		}
		for id, o := range s.e.own {
			in := t.e.theirs[id]
			if in == nil {
				w.blame("stream %d lives at its opener only", id)
				continue
			}
			if in.gotItems != o.sentItems && !o.closed && o.last != wordFail {
				w.blame("stream %d: %d items sent, %d came", id, o.sentItems, in.gotItems)
			}
			if !o.closed && !o.lastGiven && (o.grantItems != in.grantItems || o.grantBytes != in.grantBts) {
				w.blame("C16: stream %d: granted %d, %d, known %d, %d", id, in.grantItems, in.grantBts, o.grantItems, o.grantBytes)
			}
		}
	}
}

// checkFinal looks at what must hold when nothing can happen any more: all
// came to an end, everything was given back, shutdown was clean.
func (w *world) checkFinal() {
	closed := w.sides[0].closed || w.sides[1].closed
	for i, s := range w.sides {
		for _, wr := range s.writers {
			if !wr.o.finished {
				w.blame("L6: writer %d.%d is stuck: %d items left, ended %v, sent %d of %d", i, wr.tag, wr.left, wr.ended, wr.o.sentItems, wr.o.grantItems)
			}
		}
		for n, r := range s.readers {
			if r.over == nil {
				w.blame("L6: reader %d.%d is stuck", i, n)
			}
		}
		switch {
		case !closed:
			w.checkOver(i, s)
		case !s.e.over:
			w.blame("side %d goes on after a close", i)
		}
	}
	w.checkEnds(closed)
}

// checkOver looks at one side at the end: shutdown was clean, all was given
// back.
func (w *world) checkOver(i int, s *simSide) {
	e := s.e
	if len(s.plan) > 0 && !e.over {
		w.blame("L6: side %d waits for a slot", i)
	}
	if e.over {
		if e.err != nil || !e.lastGiven || !e.peerGone {
			w.blame("shutdown of side %d was not clean: %v, said goodbye: %v", i, e.err, e.lastGiven)
		}
	} else if sd := e.shutdown; sd.closeGiven || sd.peerClose {
		// A side whose numbers ran out cannot begin a shutdown (rule 13).
		w.blame("shutdown of side %d does not come to its end", i)
	}
	fresh := newBudget(e.cfg)
	if len(e.own)+len(e.theirs)+e.ownSlots+e.theirSlots+e.unnumbered+e.held != 0 || e.budget.answers != fresh.answers || e.budget.windows != fresh.windows {
		w.blame("C11: side %d keeps %d and %d streams, %d and %d slots, %d held, budget %d and %d of %d and %d", i, len(e.own), len(e.theirs),
			e.ownSlots, e.theirSlots, e.held, e.budget.answers, e.budget.windows, fresh.answers, fresh.windows)
	}
}

// checkEnds compares how a stream's two ends saw it end.
func (w *world) checkEnds(closed bool) {
	for i, s := range w.sides {
		for _, r := range s.readers {
			wr := w.writerOf(i, r)
			if r.in.id == 0 || wr == nil {
				continue // a call without an answer
			}
			var seen, told *omni.StreamError
			errors.As(r.over, &seen)
			errors.As(wr.o.err, &told)
			if told != nil && promisesRetry(told.Code) && r.got > 0 && !closed {
				w.blame("rule 7: writer %d.%d was refused with %v after %d items were taken", 1-i, wr.tag, told, r.got)
			}
			if r.in.refusal || r.stopped {
				if told != nil && !wr.stopped && !closed && (!told.Remote || told.Code != omni.CodeCanceled && told.Code != omni.CodeRefused) {
					w.blame("L9: side %d stopped reading, its writer has %v", i, told)
				}
				continue // the end of a refused call's items is not the call's
			}
			if clean := r.over == io.EOF; clean != (wr.o.err == nil) && !(closed && clean) {
				w.blame("L5: side %d read %v, the writer of stream %d has %v", i, r.over, wr.tag, wr.o.err)
			}
			if wr.stopped && !closed && (seen == nil || !seen.Remote || seen.Code != omni.CodeCanceled) {
				w.blame("L9: writer %d.%d canceled, its reader has %v", 1-i, wr.tag, r.over)
			}
		}
	}
}
