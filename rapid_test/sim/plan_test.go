package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"omnistreams.dev/mux"
)

// A plan is all that a seed draws before the first step: the sessions and
// what will happen to their bytes.
type plan struct {
	Seed  uint64
	Steps int
	Links []linkPlan
}

// linkPlan is one session with its two ends.
type linkPlan struct {
	Chained bool // its first end is where the session before it has its second
	Options [2]mux.Options
	Lines   [2]lineFaults // 0 leads from end 0 to end 1
	SlowFor [2]time.Duration
	Late    [2]bool          // see port
	Check   [2]time.Duration // how long the peer is looked at; 0 is not at all
	Unknown [2]bool          // and then it is refused
}

// drawPlan draws the plan of a seed.
func drawPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &plan{Seed: seed, Steps: 250 + r.IntN(300)}
	n := 2 + [...]int{0, 0, 0, 0, 1, 1, 2, 3}[r.IntN(8)]
	chained := r.IntN(3) > 0
	// A third of the runs have no fault at all: in these nothing may be lost.
	faulty := r.IntN(3) > 0
	for i := range n {
		l := linkPlan{Chained: i > 0 && chained && r.IntN(4) > 0}
		for side := range 2 {
			l.Options[side] = drawOptions(r)
			l.Lines[side] = drawLine(r)
			if r.IntN(8) == 0 {
				l.Check[side] = time.Duration(1+r.IntN(100)) * time.Millisecond
			}
		}
		if faulty && r.IntN(n) < 2 {
			drawFault(r, &l)
			if r.IntN(4) == 0 {
				drawFault(r, &l)
			}
		}
		p.Links = append(p.Links, l)
	}
	return p
}

// drawOptions draws an end's settings, mostly narrow ones: with the defaults
// little would ever wait.
func drawOptions(r *rand.Rand) mux.Options {
	o := mux.Options{
		MaxItem:          pick(r, 64, 300, 2000, 8000),
		MaxStreams:       pick(r, 1, 2, 4, 8, 0),
		Prefetch:         pick(r, -1, -1, 0, 0, 1, 3, 20),
		KeepAlive:        pick(r, 2*time.Second, 3*time.Second, 0),
		KeepAliveTimeout: pick(r, 2*time.Second, 2*time.Second, 0),
	}
	switch r.IntN(3) {
	case 0:
		o.Window = o.MaxItem // one item at a time, if it is a long one
	case 1:
		o.Window = o.MaxItem * 4
	}
	if r.IntN(3) == 0 {
		// Just enough: the rest of it does for a few calls.
		streams, ahead := o.MaxStreams, max(1, o.Prefetch)
		if streams == 0 {
			streams = 128
		}
		if o.Prefetch == 0 {
			ahead = 64
		}
		o.Budget = int64(streams) * int64(max(2*o.MaxItem, 4*64*ahead))
		o.Budget += 4 * int64(o.MaxItem+64*ahead)
	}
	return o
}

// drawLine draws how a direction delays and slices, which is not a fault.
func drawLine(r *rand.Rand) lineFaults {
	f := lineFaults{Room: pick(r, 8<<10, 64<<10), CutAt: -1, FlipAt: -1, StallAt: -1, HoleAt: -1, ShortAt: -1}
	switch r.IntN(4) {
	case 0: // as fast as can be
	case 1:
		f.Latency = time.Millisecond
	default:
		f.Latency = time.Duration(1+r.IntN(20)) * time.Millisecond
		f.Jitter = time.Duration(r.IntN(5)) * time.Millisecond
	}
	if r.IntN(2) == 0 {
		f.Slice = pick(r, 1, 7, 100, 1000)
		if f.Slice == 1 && r.IntN(4) > 0 {
			f.Slice = 40 // byte by byte is the dearest
		}
	}
	return f
}

// drawFault adds a fault to one direction, or to the end of the link. A stall
// is short enough for any keepalive, or so long that it may be the end.
func drawFault(r *rand.Rand, l *linkPlan) {
	side := r.IntN(2)
	f := &l.Lines[side]
	// Most strike in the middle of things; some during the handshake.
	at := 40 + r.IntN(pick(r, 400, 3000, 12000))
	if r.IntN(10) == 0 {
		at = r.IntN(40)
	}
	switch r.IntN(25) {
	case 0, 1, 2, 3, 4, 5:
		f.CutAt, f.CutBoth, f.CutReset = at, r.IntN(2) == 0, r.IntN(2) == 0
	case 6, 7, 8, 9:
		f.StallAt, f.StallFor = at, time.Duration(50+r.IntN(750))*time.Millisecond
		if r.IntN(2) == 0 {
			f.StallFor = time.Duration(2+r.IntN(30)) * time.Second
		}
	case 10, 11, 12, 13:
		f.HoleAt, f.HoleFull = at, r.IntN(2) == 0
		if f.HoleFull && r.IntN(3) == 0 {
			// The one who cannot write is to give up first, not the one who
			// hears nothing.
			l.Options[side].WriteTimeout = 2 * time.Second
			l.Options[1-side].KeepAlive, l.Options[1-side].KeepAliveTimeout = 0, 0
		}
	case 14, 15, 16, 17, 18, 19:
		f.FlipAt, f.FlipBit = at, r.IntN(8)
	case 20, 21:
		f.ShortAt = at
	case 22:
		l.Check[side], l.Unknown[side] = time.Duration(1+r.IntN(100))*time.Millisecond, true
	default:
		l.SlowFor[side] = time.Duration(1+r.IntN(5000)) * time.Millisecond
		l.Late[side] = r.IntN(2) == 0
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// String is how a failed run shows its plan: only what is not usual.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %d steps", p.Seed, p.Steps)
	for i, l := range p.Links {
		fmt.Fprintf(&b, "\n  session %d, chained %v", i, l.Chained)
		for side := range 2 {
			o, f := l.Options[side], l.Lines[side]
			fmt.Fprintf(&b, "\n    end %d: max item %d, streams %d, prefetch %d, window %d, budget %d, keepalive %v + %v",
				side, o.MaxItem, o.MaxStreams, o.Prefetch, o.Window, o.Budget, o.KeepAlive, o.KeepAliveTimeout)
			fmt.Fprintf(&b, "\n      sends: latency %v + %v, slices %d, room %d", f.Latency, f.Jitter, f.Slice, f.Room)
			if f.CutAt >= 0 {
				fmt.Fprintf(&b, ", cut at %d (both %v, reset %v)", f.CutAt, f.CutBoth, f.CutReset)
			}
			if f.StallAt >= 0 {
				fmt.Fprintf(&b, ", stall at %d for %v", f.StallAt, f.StallFor)
			}
			if f.HoleAt >= 0 {
				fmt.Fprintf(&b, ", blackhole at %d (writes block %v)", f.HoleAt, f.HoleFull)
			}
			if f.FlipAt >= 0 {
				fmt.Fprintf(&b, ", flip bit %d of %d", f.FlipBit, f.FlipAt)
			}
			if f.ShortAt >= 0 {
				fmt.Fprintf(&b, ", short write at %d", f.ShortAt)
			}
			if l.Check[side] > 0 {
				fmt.Fprintf(&b, ", looks at the other for %v and refuses it: %v", l.Check[side], l.Unknown[side])
			}
			if l.SlowFor[side] > 0 {
				fmt.Fprintf(&b, ", close takes %v (late %v)", l.SlowFor[side], l.Late[side])
			}
		}
	}
	return b.String()
}
