package conform

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// program is a random one: what it does depends on its seed and on when the
// echo's frames come, what must come of it does not.
type program struct {
	*peer
	rng   *rand.Rand
	batch []frame // of the next message
	most  int     // calls at a time
	calls []*stream
}

// randomCase is the case of a seed.
func randomCase(seed uint64) Case {
	rng := rand.New(rand.NewPCG(seed, 0x6f6d6e69))
	me := hello{version: 1, maxItem: []uint32{1, 10, 1000, 70000}[rng.IntN(4)], items: uint32(rng.IntN(4))}
	me.size = me.maxItem * (1 + uint32(rng.IntN(3)))
	c := kept(fmt.Sprintf("S%d", seed), fmt.Sprintf("a random program of seed %d", seed),
		"every answer has the items and the end of its call, within credit; all comes to an end", func(p *peer) {
			p.least(1, 1)
			r := &program{peer: p, rng: rng, most: min(p.slots(), 6)}
			for range 400 {
				r.step()
			}
			r.drain()
		}).with(me)
	c.Rule = "L9"
	return c
}

// queue puts a frame into the next message, and sends that now and then.
func (r *program) queue(f frame) {
	r.note(">  %v", f)
	r.given(f)
	r.batch = append(r.batch, f)
	if r.rng.IntN(4) == 0 || len(message(r.batch...)) > leastLimit/4 {
		r.flush()
	}
}

// flush sends the message.
func (r *program) flush() {
	if len(r.batch) > 0 {
		r.transmit(message(r.batch...))
		r.batch = nil
	}
}

// look takes what has come, or waits a moment for it. The queue must be empty:
// what was given is believed to be on its way.
func (r *program) look(wait time.Duration) {
	r.flush()
	for r.pump(time.Now().Add(wait)) {
	}
	if r.failed != nil {
		r.fail("", "the echo ends the session with code %d %q", r.failed.code, r.failed.reason)
	}
	if r.over {
		r.fail("", "the echo ends the transport")
	}
}

// step does one thing at random.
func (r *program) step() {
	if r.rng.IntN(6) == 0 {
		r.look(time.Duration(r.rng.IntN(2)) * time.Millisecond)
	}
	if r.used() < r.most && r.rng.IntN(3) == 0 {
		n := r.next
		r.queue(openFrame(n, kindCall, 0, []byte(letters(r.rng.IntN(30)))))
		r.calls = append(r.calls, r.own[n])
		return
	}
	if len(r.calls) == 0 {
		return
	}
	c := r.calls[r.rng.IntN(len(r.calls))]
	switch n := r.rng.IntN(100); {
	case n < 3:
		r.queue(pingFrame(r.rng.Uint64()))
	case n < 5:
		r.queue(frame{byte(128 + r.rng.IntN(128)), r.rng.Uint32(), zeros(r.rng.IntN(50))})
	case n < 55:
		r.say(c, n)
	case c.answer != nil:
		r.hear(c.answer, n)
	}
}

// say does something on a call: an item mostly.
func (r *program) say(c *stream, n int) {
	if c.said != nil {
		return
	}
	longest := min(int(r.peer.peer.maxItem), int(r.me.maxItem))
	switch size := r.rng.IntN(min(longest, 1+r.rng.IntN(longest)) + 1); {
	case c.closed != nil: // canceled: FAIL is owed
		r.queue(failFrame(c.number, c.closed.code, ""))
	case n < 7:
		r.queue(endFrame(c.number))
	case n < 9:
		r.queue(failFrame(c.number, r.rng.Uint32(), letters(r.rng.IntN(20))))
	case c.takes(size):
		item := make([]byte, size)
		for i := range item {
			item[i] = byte(r.rng.Uint32())
		}
		r.queue(dataFrame(c.number, item))
	}
}

// hear does something on an answer: credit mostly.
func (r *program) hear(a *stream, n int) {
	switch {
	case a.closed != nil:
	case a.said != nil && n < 80:
		r.queue(closeFrame(a.number, codeDone, ""))
	case n == 99:
		code := 1 + r.rng.Uint32N(1000)
		r.queue(closeFrame(a.number, code, "random"))
	case n < 98:
		items := uint64(len(a.items) + r.rng.IntN(6))
		r.queue(requestFrame(a.number, items, a.size+uint64(r.rng.IntN(4))*uint64(r.me.maxItem)))
	}
}

// drain gives everything its end and compares the ends of calls and answers.
func (r *program) drain() {
	for _, c := range r.calls {
		if c.said == nil {
			r.queue(endFrame(c.number))
		}
	}
	r.flush()
	for _, c := range r.calls {
		if c.closed != nil && c.answer == nil {
			if !c.closedCut && c.closed.code != codeDone && !c.ended {
				continue // broken off before the echo could answer
			}
			r.fail("", "call %d is not answered but closed with code %d", c.number, c.closed.code)
		}
		a := r.maybe(c)
		if a == nil {
			continue
		}
		if a.closed == nil && a.said == nil {
			r.send(requestFrame(a.number, 1<<40, maxTotal))
		}
		r.compare(c, a)
	}
}

// maybe waits for the answer of a call, which need not come if the call was
// broken off.
func (r *program) maybe(c *stream) *stream {
	r.until(fmt.Sprintf("answer or CLOSE of call %d", c.number), func() bool { return c.answer != nil || c.closed != nil })
	if c.answer == nil && c.ended {
		r.fail("6", "call %d ended in order and is closed without an answer, code %d", c.number, c.closed.code)
	}
	return c.answer
}

// compare wants the end that the call had, unless the answer was canceled.
func (r *program) compare(c, a *stream) {
	canceled := a.closed != nil && a.closedCut
	switch {
	case canceled:
		r.until("the last word of a canceled answer", func() bool { return a.said != nil })
	case c.ended:
		r.wantEndOf(a)
	default:
		r.wantFailOf(a, c.said.code, c.said.reason)
	}
	if a.closed == nil {
		r.close(a, codeDone, "")
	}
	r.wantClosed(c)
	if c.ended && !canceled && !c.closedCut && c.closed.code != codeDone {
		r.fail("7", "call %d came to its clean end, and CLOSE has code %d", c.number, c.closed.code)
	}
}
