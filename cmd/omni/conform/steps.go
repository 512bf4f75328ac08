package conform

import (
	"fmt"
	"time"
)

// roomy is the HELLO of a case that has nothing to say about credit: enough of
// it for whatever is sent.
var roomy = hello{version: 1, maxItem: 1 << 20, items: 4096, size: 64 << 20}

// call opens a call.
func (p *peer) call(metadata string) *stream {
	n := p.next
	p.send(openFrame(n, kindCall, 0, []byte(metadata)))
	return p.own[n]
}

// open opens a one-way stream.
func (p *peer) open(metadata string) *stream {
	n := p.next
	p.send(openFrame(n, kindOneWay, 0, []byte(metadata)))
	return p.own[n]
}

// answered waits for the answer to a call.
func (p *peer) answered(c *stream) *stream {
	p.until(fmt.Sprintf("the answer to call %d", c.number), func() bool {
		if c.closed != nil && c.answer == nil {
			p.fail("", "call %d is not answered but closed with code %d %q", c.number, c.closed.code, c.closed.reason)
		}
		return c.answer != nil
	})
	return c.answer
}

// ask opens a call and waits for its answer.
func (p *peer) ask(metadata string) (call, answer *stream) {
	c := p.call(metadata)
	return c, p.answered(c)
}

// write sends items, each as soon as there is credit for it.
func (p *peer) write(c *stream, items ...string) {
	for i, item := range items {
		if n := int(p.peer.maxItem); len(item) > n {
			p.skip("the echo takes items of %d bytes at most", n)
		}
		p.until(fmt.Sprintf("credit for item %d of call %d, %d bytes", i+1, c.number, len(item)), func() bool {
			if c.closed != nil {
				p.fail("", "call %d is closed with code %d %q while items are written", c.number, c.closed.code, c.closed.reason)
			}
			return c.takes(len(item))
		})
		p.send(dataFrame(c.number, []byte(item)))
	}
}

// offer sends items as long as there is credit, and takes it if there is none:
// how far ahead an echo grants is its own choice. It returns how many went.
func (p *peer) offer(c *stream, items ...string) int {
	for i, item := range items {
		for tries := 0; !c.takes(len(item)); tries++ {
			if tries == 2 || c.closed != nil {
				return i
			}
			p.settle()
		}
		p.send(dataFrame(c.number, []byte(item)))
	}
	return len(items)
}

// end ends a call or stream of the suite.
func (p *peer) end(c *stream) { p.send(endFrame(c.number)) }

// wantItems waits until the answer has so many items; the ledger has compared
// them with those of the call.
func (p *peer) wantItems(a *stream, n int) {
	p.until(fmt.Sprintf("item %d of answer %d", n, a.number), func() bool { return len(a.items) >= n || a.said != nil })
	if len(a.items) < n {
		p.fail("L2", "answer %d ends after %d items, the call has %d", a.number, len(a.items), n)
	}
}

// wantEndOf waits for the end of the answer, behind all items of the call.
func (p *peer) wantEndOf(a *stream) {
	p.until(fmt.Sprintf("END of answer %d", a.number), func() bool { return a.said != nil })
	if !a.ended {
		p.fail("7", "answer %d fails with code %d %q, its call ended", a.number, a.said.code, a.said.reason)
	}
	if got, want := len(a.items), len(a.call.items); got != want {
		p.fail("L4", "answer %d ends after %d items, the call had %d", a.number, got, want)
	}
}

// wantFailOf waits for the failure of the answer, behind all items of the call.
func (p *peer) wantFailOf(a *stream, code uint32, reason string) {
	p.until(fmt.Sprintf("FAIL of answer %d", a.number), func() bool { return a.said != nil })
	switch {
	case a.ended:
		p.fail("7", "answer %d ends in order, its call failed", a.number)
	case a.said.code != code:
		p.fail("13", "answer %d fails with code %d, its call with %d", a.number, a.said.code, code)
	case a.said.reason != reason:
		p.fail("7", "answer %d fails with the reason %.60q, its call with %.60q", a.number, a.said.reason, reason)
	case len(a.items) != len(a.call.items):
		p.fail("7", "answer %d fails after %d items, the call had %d before its FAIL", a.number, len(a.items), len(a.call.items))
	}
}

// close says CLOSE of an answer.
func (p *peer) close(a *stream, code uint32, reason string) {
	p.send(closeFrame(a.number, code, reason))
}

// wantClosed waits for CLOSE of a stream of the suite.
func (p *peer) wantClosed(c *stream) *word {
	p.until(fmt.Sprintf("CLOSE of stream %d", c.number), func() bool { return c.closed != nil })
	return c.closed
}

// wantReceipt waits for CLOSE with code 0.
func (p *peer) wantReceipt(c *stream) {
	if w := p.wantClosed(c); w.code != codeDone {
		p.fail("7", "call %d came to its clean end, and CLOSE has code %d %q, not 0", c.number, w.code, w.reason)
	}
}

// wantBroken waits for CLOSE with another code.
func (p *peer) wantBroken(c *stream, rule string) {
	if w := p.wantClosed(c); w.code == codeDone {
		p.fail(rule, "stream %d is closed with code 0", c.number)
	}
}

// echo makes one call from its OPEN to its death and checks all of it.
func (p *peer) echo(metadata string, items ...string) {
	c, a := p.ask(metadata)
	p.write(c, items...)
	p.end(c)
	p.finish(c, a)
}

// finish takes the clean end of a call that has ended.
func (p *peer) finish(c, a *stream) {
	p.wantEndOf(a)
	p.close(a, codeDone, "")
	p.wantReceipt(c)
}

// pour sends one message of items of n bytes, as far as the credit in hand goes
// and half of what a message may have, and returns how many went.
func (p *peer) pour(c *stream, n, most int) (sent int) {
	var batch []frame
	for ; c.takes(n) && sent < most && sent*(n+headerLen) < leastLimit/2; sent++ {
		f := dataFrame(c.number, zeros(n))
		p.given(f)
		batch = append(batch, f)
	}
	if sent > 0 {
		p.slip(batch...)
	}
	return sent
}

// fill sends items of n bytes while the credit lasts, however much more comes,
// and returns how many went and whether that was all that the echo takes. It
// gives up after most, and when more credit has come all the time.
func (p *peer) fill(c *stream, n, most int) (sent int, full bool) {
	for deadline := time.Now().Add(4 * p.wait); sent < most && time.Now().Before(deadline); {
		if !c.takes(n) {
			p.alive() // mostly more credit has come before PONG, if any does
		}
		if !c.takes(n) {
			p.settle()
		}
		if !c.takes(n) {
			return sent, true
		}
		sent += p.pour(c, n, most-sent)
	}
	return sent, false
}

// slots is how many calls the echo lets live, at most so many that a case can
// open them all.
func (p *peer) slots() int {
	n := p.peer.streams
	if n == 0 || n > 20000 {
		p.skip("the echo has %d slots", n)
	}
	return int(n)
}

// least is what the cases need of an echo, or they do not apply.
func (p *peer) least(slots, item int) {
	if int(p.peer.streams) < slots || int(p.peer.maxItem) < item {
		p.skip("the echo has %d slots and takes items of %d bytes; this takes %d and %d", p.peer.streams, p.peer.maxItem, slots, item)
	}
}
