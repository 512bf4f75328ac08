package laws

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// errStuck is the cause of the end of a run that did not come to its own.
var errStuck = errors.New("the program is stuck")

// runner runs one program on one fabric.
type runner struct {
	p    *program
	h    *history
	f    fabric
	ctx  context.Context // ends when the program is stuck, and after it
	free chan struct{}   // closed when actors need no leave for their steps
	all  sync.WaitGroup  // every goroutine

	actors []*actor
	busy   atomic.Int32 // actors of streams that are not stalled
	quiet  chan struct{}
	start  time.Time
}

// actor is who plays one script.
type actor struct {
	x      *runner
	leaves chan struct{} // one for each step, until all are free
	rand   *rand.Rand
}

// step waits until the actor may take its next step.
func (a *actor) step() {
	select {
	case <-a.leaves:
	case <-a.x.free:
	}
	for range a.rand.IntN(3) {
		runtime.Gosched()
	}
}

// execute runs the program to its end. In a bubble limit is virtual.
func execute(p *program, h *history, f fabric, limit time.Duration) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, errStuck)
	x := &runner{p: p, h: h, f: f, ctx: ctx, free: make(chan struct{}), quiet: make(chan struct{}), start: time.Now()}
	// Whatever happens, nobody is left behind: else a bubble's complaint
	// about that would hide what happened.
	defer x.all.Wait()
	defer cancel()
	for i := range 4 * len(p.Streams) {
		a := &actor{x: x, leaves: make(chan struct{}, len(p.Steps)), rand: rand.New(rand.NewPCG(p.Seed, uint64(100+i)))}
		x.actors = append(x.actors, a)
		if s := p.Streams[i/4]; !s.Stalled && (s.Call || i%4 < 2) {
			x.busy.Add(1)
		}
	}
	x.spawn()
	x.steps()
	close(x.free)
	x.all.Wait()
	if context.Cause(ctx) == errStuck {
		h.broke(0, "%v", errStuck)
	}
	f.end(ctx)
	h.judge()
}

// spawn starts the openers of all streams and the acceptors of both sides.
func (x *runner) spawn() {
	var coming [2]int
	for i, s := range x.p.Streams {
		coming[1-s.From]++
		x.all.Go(func() { x.opener(i) })
	}
	for side, n := range coming {
		x.all.Go(func() {
			for range n {
				a, err := x.f.accept(x.ctx, side)
				if err != nil {
					x.refusedBy(err)
					return
				}
				x.all.Go(func() { x.acceptor(a) })
			}
		})
	}
	if x.busy.Load() == 0 {
		close(x.quiet)
	}
}

// steps gives leave to one actor after the other, in a bubble, and looks at
// everything when it has come to rest.
func (x *runner) steps() {
	for _, n := range x.p.Steps {
		select {
		case x.actors[n%len(x.actors)].leaves <- struct{}{}:
		default: // it is far behind
		}
		if x.p.Pauses {
			time.Sleep(50 * time.Millisecond) // the transport's pauses are shorter
		}
		synctest.Wait()
		x.h.atRest()
	}
}

// refusedBy takes the error of a call on a session.
func (x *runner) refusedBy(err error) {
	if x.p.Cut == 0 && context.Cause(x.ctx) == nil {
		x.h.broke(0, "a session does not work: %v", err)
	}
}

// play runs a script, and notes when the last of those is over that nobody
// has to wait for.
func (x *runner) play(stream int, script func()) {
	script()
	x.over(stream, 1)
}

func (x *runner) over(stream, n int) {
	if !x.p.Streams[stream].Stalled && x.busy.Add(int32(-n)) == 0 {
		x.h.calm = time.Since(x.start)
		close(x.quiet)
	}
}

// opener opens a stream and plays the scripts of the opening side.
func (x *runner) opener(i int) {
	s := &x.p.Streams[i]
	out, in, err := x.f.open(x.ctx, s.From, i, s.Call)
	if err != nil {
		x.refusedBy(err)
		return
	}
	if s.Call {
		x.all.Go(func() {
			x.play(i, func() { x.read(halfKey(i, true), x.actors[4*i+3], in) })
		})
	}
	x.play(i, func() { x.write(halfKey(i, false), x.actors[4*i], out) })
}

// acceptor plays the scripts of the accepting side.
func (x *runner) acceptor(a *arrival) {
	i, s := a.stream, &x.p.Streams[a.stream]
	ask, answer := halfKey(i, false), halfKey(i, true)
	read := func() { x.play(i, func() { x.read(ask, x.actors[4*i+1], a.in) }) }
	if !s.Call {
		read()
		return
	}
	if s.Reply == replyNever {
		x.h.halves[ask].do(func() { x.h.halves[ask].stopped = true })
		a.refuse()
		refused := ending{omni.CodeRefused, refusal}
		x.h.halves[ask].read, x.h.halves[ask].readOver = endingOf(a.in.Err()), true
		x.h.halves[answer].write = refused
		x.over(i, 2)
		return
	}
	if s.Reply == replyFirst {
		x.all.Go(read)
	} else {
		read()
	}
	out, err := a.reply(x.ctx)
	if err != nil {
		x.refusedBy(err)
		return
	}
	x.play(i, func() { x.write(answer, x.actors[4*i+2], out) })
}
