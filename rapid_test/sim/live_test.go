package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"omnistreams.dev/mux"
)

// How a session on sockets ends.
type ending int

const (
	graceful ending = iota // nothing may be missing
	stopped                // by its Close, or a Shutdown that does not wait
	reset                  // the connection: an RST both ways
	fin                    // a FIN both ways, in the middle of bytes
	half                   // an RST to one end, and to the other nothing more
	endings
)

var endingNames = [endings]string{"graceful", "stopped", "reset", "fin", "half"}

// live is what a world on sockets has besides.
type live struct {
	scheme string
	end    ending
	life   time.Duration // of the program
	cutAt  time.Duration // may be after that, while streams drain
	pace   time.Duration // between two steps, on average
	tapped bool          // the wire is checked too
	relay  *relay        // between the ends; nil for none
}

func (v *live) String() string {
	cut := ""
	if v.end > stopped {
		cut = fmt.Sprintf(" after %v", v.cutAt.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s, %v, a step every %v, tapped %v, through %v, %s%s",
		v.scheme, v.life.Round(time.Millisecond), v.pace, v.tapped, v.relay, endingNames[v.end], cut)
}

// liveLog is how many lines of its log a session on sockets keeps.
const liveLog = 200

// Real time is not exact: a call may take so much longer than its ctx, on a
// machine that does other things too.
func (w *world) grace() time.Duration {
	if w.live == nil {
		return 0
	}
	return 10 * time.Second
}

// poll is how often until looks.
func (w *world) poll() time.Duration {
	if w.live == nil {
		return 300 * time.Millisecond
	}
	return 20 * time.Millisecond
}

// bulk is how many items this flow writes where another writes one.
func (w *world) bulk(f *flow) int {
	switch {
	case f.bulky() && w.live != nil:
		return 1000
	case f.bulky():
		return 30
	case w.live != nil && f.trait()%3 == 0:
		return 40
	}
	return 1
}

// gulp is how many items are read of this flow where one is of another. In a
// bubble the readers of bulky flows are slow ones.
func (w *world) gulp(f *flow) int {
	if w.live == nil {
		return 1
	}
	return w.bulk(f)
}

// drawLive draws a session on sockets. Holes, which only the keepalive finds,
// take longer than a short run has.
func drawLive(r *rand.Rand, seed uint64, scheme string, longest time.Duration, holes bool) (*plan, *live) {
	none := lineFaults{CutAt: -1, FlipAt: -1, StallAt: -1, HoleAt: -1, ShortAt: -1}
	l := linkPlan{Lines: [2]lineFaults{none, none}}
	v := &live{
		scheme: scheme,
		end:    pick(r, graceful, graceful, graceful, stopped, reset, reset, fin, fin, half),
		life:   drawLife(r, longest),
		pace:   time.Duration(pick(r, 1, 2, 5, 20)) * time.Millisecond,
		tapped: r.IntN(4) == 0,
	}
	if v.end == half && !holes {
		v.end = fin
	}
	// A long program would know too many flows.
	v.pace = max(v.pace, v.life/4000)
	v.cutAt = time.Duration(r.Float64() * 1.1 * float64(v.life))
	if r.IntN(8) == 0 {
		v.cutAt = time.Duration(r.IntN(5000)) * time.Microsecond // HELLO, or the first streams
	}
	long := r.IntN(3) == 0
	for side := range l.Options {
		l.Options[side] = drawLiveOptions(r, v.end, long)
	}
	if v.end > stopped || r.IntN(5) > 0 {
		v.relay = drawRelay(r, v.end, holes)
	}
	return &plan{Seed: seed, Links: []linkPlan{l}}, v
}

// drawLife draws how long a program runs: short and long ones alike take part
// of the time.
func drawLife(r *rand.Rand, longest time.Duration) time.Duration {
	const shortest = 200 * time.Millisecond
	d := shortest
	for d < longest && r.IntN(3) > 0 {
		d *= 2
	}
	return min(longest, d+time.Duration(r.Float64()*float64(d)))
}

// drawLiveOptions draws an end's settings, long ones with items that do not
// fit into a message with others. The keepalive is patient, so that a busy
// machine is no fault.
func drawLiveOptions(r *rand.Rand, end ending, long bool) mux.Options {
	o := drawOptions(r)
	switch {
	case long:
		o.MaxItem, o.MaxStreams = pick(r, 20<<10, 64<<10, 300<<10), pick(r, 1, 4, 30)
		o.Window, o.Budget = pick(r, 0, o.MaxItem, 1<<20), 0
	case r.IntN(12) == 0:
		o.MaxItem, o.Window, o.Budget = 1, 0, 0
	case r.IntN(4) == 0:
		o.Prefetch, o.Window, o.Budget = pick(r, 0, 0, 500), 0, 0
	}
	o.Metadata = make([]byte, r.IntN(40))
	for i := range o.Metadata {
		o.Metadata[i] = byte(r.Uint32())
	}
	o.KeepAlive, o.KeepAliveTimeout = 10*time.Second, 15*time.Second
	if end == half {
		o.KeepAlive, o.KeepAliveTimeout = 3*time.Second, 6*time.Second
	}
	return o
}

// newLive starts the session whose ends are these.
func newLive(p *plan, v *live, f *fabric) (*world, context.CancelCauseFunc, error) {
	w, cancel := emptyWorld(p)
	w.live = v
	l := w.bareLink(0)
	w.links = append(w.links, l)
	conns, err := f.pair(w.ctx, v, l.harm)
	if err != nil {
		return w, cancel, err
	}
	for i, c := range conns {
		o, theirs := l.plan.Options[i], l.plan.Options[1-i].Metadata
		if w.plan.Seed%3 == 0 {
			o.CheckPeer = func(m []byte) error {
				if string(m) != string(theirs) {
					w.blame("%v: the peer's metadata is %x, not %x", i, m, theirs)
				}
				return nil
			}
		}
		if v.tapped {
			c = &tap{Conn: c, l: l, side: i}
		}
		l.attach(i, c, o)
	}
	return w, cancel, nil
}

// runLive takes steps for as long as the session's program lasts, and ends it
// in the way that was drawn.
func (w *world) runLive() {
	v, l := w.live, w.links[0]
	if v.end > stopped {
		v.relay.armIn(v.cutAt)
	}
	for n := 0; time.Since(w.start) < v.life; n++ {
		w.plan.Steps = n + 1 // what nearest draws from
		w.draws(1<<16 + n)
		step := w.draw()
		if n == 0 {
			step = w.drawOpen(true)
		}
		if step != nil {
			w.step = n
			step()
		}
		time.Sleep(time.Duration(w.r.ExpFloat64() * float64(v.pace)))
	}
	if v.end == stopped {
		w.draws(1 << 19)
		switch e := l.ends[w.r.IntN(2)]; w.r.IntN(3) {
		case 0:
			w.shut(e)
		case 1:
			w.shut(l.ends[0])
			w.shut(l.ends[1])
		default:
			w.shutdown(e, pick(w.r, 0, 50*time.Millisecond, time.Second))
		}
	}
}

// emptied waits until no stream is left, and checks that slots and budget are
// back.
func (w *world) emptied() {
	for _, l := range w.links {
		empty := func() bool {
			for _, e := range l.ends {
				st := e.s.Stats()
				if st.Opened+st.Accepted > 0 || st.AnswersFree != e.fresh.AnswersFree || st.WindowsFree != e.fresh.WindowsFree {
					return false
				}
			}
			return true
		}
		if w.until(20*time.Second, func() bool { return l.harmed.Load() || l.draining.Load() || empty() }) {
			continue
		}
		for _, e := range l.ends {
			w.blame("%v: every stream has ended, and it holds %+v; fresh %+v", e, e.s.Stats(), e.fresh)
		}
	}
}
