package mux

import (
	"hash/maphash"
	"io"
	"reflect"
	"slices"
)

// check looks at what must hold all the time.
func (w *world) check() {
	for i, s := range w.sides {
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
	for _, r := range append(slices.Clone(w.sides[0].readers), w.sides[1].readers...) {
		if r.over != nil && !r.stopped && !r.in.finished {
			w.blame("L3: a reader got %v and is not finished", r.over)
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
	for _, wr := range w.writers {
		if !wr.o.finished {
			w.blame("L6: writer %d is stuck: %d items left, ended %v, sent %d of %d", wr.tag, wr.left, wr.ended, wr.o.sentItems, wr.o.grantItems)
		}
	}
	for i, s := range w.sides {
		for n, r := range s.readers {
			if r.over == nil {
				w.blame("L6: reader %d.%d is stuck", i, n)
			}
		}
		e := s.e
		if w.closed {
			if !e.over {
				w.blame("side %d goes on after a close", i)
			}
			continue
		}
		if len(s.plan) > 0 && !e.over {
			w.blame("L6: side %d waits for a slot", i)
		}
		if e.over {
			if e.err != nil || !e.lastGiven || !e.peerGone {
				w.blame("shutdown of side %d was not clean: %v, said goodbye: %v", i, e.err, e.lastGiven)
			}
		} else if sd := e.shutdown; s.drained && (sd.closeGiven || sd.peerClose) {
			// A side whose numbers ran out cannot begin a shutdown (rule 13).
			w.blame("shutdown of side %d does not come to its end", i)
		}
		fresh := newBudget(e.cfg)
		if len(e.own)+len(e.theirs)+e.ownSlots+e.theirSlots+e.unnumbered != 0 || e.budget.answers != fresh.answers || e.budget.windows != fresh.windows {
			w.blame("C11: side %d keeps %d and %d streams, %d and %d slots, budget %d and %d of %d and %d", i, len(e.own), len(e.theirs),
				e.ownSlots, e.theirSlots, e.budget.answers, e.budget.windows, fresh.answers, fresh.windows)
		}
		st := e.stats
		var other = w.sides[1-i].e.stats
		if st.ItemsReceived > other.ItemsSent {
			w.blame("L11: %d items came, %d were sent", st.ItemsReceived, other.ItemsSent)
		}
	}
	w.checkEnds()
}

// checkEnds compares how a stream's two ends saw it end.
func (w *world) checkEnds() {
	for i, s := range w.sides {
		for _, r := range s.readers {
			if r.in.id == 0 || r.in.refusal {
				continue // a call without an answer; the end of its items is not the call's
			}
			wr := w.writers[r.in.metadata[0]]
			if clean := r.over == io.EOF; !r.stopped && clean != (wr.o.err == nil) && !(w.closed && clean) {
				w.blame("L5: side %d read %v, the writer of stream %d has %v", i, r.over, wr.tag, wr.o.err)
			}
		}
	}
}

// seed of all hashes.
var simSeed = maphash.MakeSeed()

// hash tells states apart. What does not matter for the future is left out.
func (w *world) hash() uint64 {
	h := canon{seen: map[uintptr]int{}}
	h.SetSeed(simSeed)
	h.value(reflect.ValueOf(w).Elem())
	return h.Sum64()
}

// canon writes any value into a hash by its structure. Pointers count by the
// order in which they are met.
type canon struct {
	maphash.Hash
	seen map[uintptr]int
}

// leftOut are fields that do not matter: counters, spare memory, positions in
// lists whose spent elements are nil.
var leftOut = map[string]bool{"stats": true, "bufs": true, "m": true, "cfg": true, "first": true, "next": true, "ch": true, "fault": true}

func (c *canon) num(n uint64) {
	c.WriteByte(byte(n))
	for n >>= 8; n > 0; n >>= 8 {
		c.WriteByte(byte(n))
	}
}

func (c *canon) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			c.num(1)
		} else {
			c.num(0)
		}
	case reflect.Int, reflect.Int64:
		c.num(uint64(v.Int()))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Uint:
		c.num(v.Uint())
	case reflect.String:
		c.WriteString(v.String())
		c.num(uint64(v.Len()))
	case reflect.Interface:
		if !v.IsNil() {
			c.value(v.Elem())
		}
	case reflect.Pointer:
		c.pointer(v)
	case reflect.Slice, reflect.Array:
		c.list(v)
	case reflect.Map:
		c.table(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); !leftOut[f.Name] || f.Name == "next" && f.Type.Kind() == reflect.Pointer {
				c.value(v.Field(i))
			}
		}
	case reflect.Func, reflect.Chan:
	default:
		panic("BUG: no hash of " + v.Type().String())
	}
}

func (c *canon) pointer(v reflect.Value) {
	if v.IsNil() {
		c.num(0)
		return
	}
	if n, ok := c.seen[v.Pointer()]; ok && v.Elem().Type().Size() > 0 {
		c.num(uint64(n) + 2)
		return
	}
	c.seen[v.Pointer()] = len(c.seen)
	c.num(1)
	c.value(v.Elem())
}

func (c *canon) list(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
		c.Write(v.Bytes())
		c.num(uint64(v.Len()))
		return
	}
	n := 0
	for i := range v.Len() {
		if e := v.Index(i); e.Kind() != reflect.Slice || !e.IsNil() {
			c.value(e)
			n++
		}
	}
	c.num(uint64(n))
}

func (c *canon) table(v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return int(int64(a.Uint()) - int64(b.Uint())) })
	for _, k := range keys {
		c.num(k.Uint())
		c.value(v.MapIndex(k))
	}
	c.num(uint64(len(keys)))
}
