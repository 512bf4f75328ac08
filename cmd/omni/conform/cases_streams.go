package conform

import "fmt"

// used counts the slots of the echo that the suite's streams take (rule 5).
func (p *peer) used() (n int) {
	for _, s := range p.own {
		if s.lives() || s.answer != nil && s.answer.lives() {
			n++
		}
	}
	return n
}

// openAll opens n streams, a thousand to a message.
func (p *peer) openAll(n int, kind byte) (opened []*stream) {
	var batch []frame
	for i := range n {
		number := p.next + uint32(len(batch))
		batch = append(batch, openFrame(number, kind, 0, nil))
		if len(batch) == 1000 || i == n-1 {
			p.send(batch...)
			for _, f := range batch {
				opened = append(opened, p.own[f.stream])
			}
			batch = nil
		}
	}
	return opened
}

// finishAll ends calls and waits until they and their answers are dead, the
// answers only if let go of them.
func (p *peer) finishAll(calls []*stream, letGo bool) {
	for _, c := range calls {
		if c.said == nil {
			p.end(c)
		}
	}
	for _, c := range calls {
		a := p.answered(c)
		p.wantEndOf(a)
		p.wantReceipt(c)
		if letGo {
			p.close(a, codeDone, "")
		}
	}
}

// slotCases is rule 5.
func slotCases() []Case {
	oneMore := func(p *peer, kind byte, code uint32) { p.breach(code, openFrame(p.next, kind, 0, nil)) }
	return []Case{
		kept("R5.1", "as many calls at a time as there are slots, twice", "all are answered, and dead ones leave their slots", func(p *peer) {
			for range 2 {
				p.finishAll(p.openAll(p.slots(), kindCall), true)
			}
		}),
		kept("R5.2", "one-way streams, each refused and ended, four times as many as slots", "a stream leaves its slot when both have said their last word", func(p *peer) {
			n := min(p.slots(), 500)
			for range 4 {
				for _, s := range p.openAll(n, kindOneWay) {
					p.wantBroken(s, "7")
					p.end(s)
				}
			}
		}),
		broken("R5.3", "one call more than slots", codeCredit, func(p *peer, code uint32) {
			p.openAll(p.slots(), kindCall)
			oneMore(p, kindCall, code)
		}),
		broken("R5.4", "one-way streams that were refused and have not ended, one more than slots", codeCredit, func(p *peer, code uint32) {
			for _, s := range p.openAll(p.slots(), kindOneWay) {
				p.wantBroken(s, "7")
			}
			oneMore(p, kindOneWay, code)
		}),
		broken("R5.5", "calls that are dead while their answers live, one more than slots", codeCredit, func(p *peer, code uint32) {
			p.finishAll(p.openAll(p.slots(), kindCall), false)
			oneMore(p, kindCall, code)
		}),
		broken("R5.6", "a one-way stream when calls take all slots", codeCredit, func(p *peer, code uint32) {
			p.openAll(p.slots(), kindCall)
			oneMore(p, kindOneWay, code)
		}),
		kept("R5.7", "the slots of dead calls whose answers die later", "they are free when both are dead", func(p *peer) {
			calls := p.openAll(min(p.slots(), 500), kindCall)
			p.finishAll(calls, false)
			for _, c := range calls {
				p.close(c.answer, codeDone, "")
			}
			p.finishAll(p.openAll(len(calls), kindCall), true)
		}),
		kept("R5.8", "a thousand calls opened and broken off", "the echo goes on, and no slot is lost", killLoop),
		kept("R5.9", "slots that fill again while one call lives", "the living call is not disturbed", func(p *peer) {
			p.least(2, 1)
			c, a := p.ask("long")
			for range 50 {
				p.write(c, "x")
				p.echo("short", "y")
			}
			p.end(c)
			p.finish(c, a)
		}),
	}
}

// killLoop opens and kills as fast as the slots allow.
func killLoop(p *peer) {
	slots := p.slots()
	letGo := func() {
		for _, n := range sorted(p.theirs) {
			if a := p.theirs[n]; a.closed == nil {
				p.close(a, a.receipt(), "")
			}
		}
	}
	for i := range 1000 {
		p.until("a free slot", func() bool { letGo(); return p.used() < slots })
		n := p.next
		p.send(openFrame(n, kindCall, 0, nil), failFrame(n, uint32(256+i), "gone"))
		if p.used() < slots {
			continue
		}
	}
	p.until("the end of all calls", func() bool { letGo(); return p.living() == 0 })
	p.echo("")
}

// callCases is rule 6.
func callCases() []Case {
	return []Case{
		kept("R6.1", "ten calls at once with items in turn", "each has one answer, which has its items", func(p *peer) {
			p.least(10, 8)
			calls := p.openAll(10, kindCall)
			for i := range 20 {
				for j, c := range calls {
					p.write(c, fmt.Sprintf("%d of %d", i, j))
				}
			}
			p.finishAll(calls, true)
		}),
		kept("R6.2", "a one-way stream", "the echo refuses it: CLOSE with code 5, and no answer", func(p *peer) {
			p.least(1, 0)
			s := p.open("one way")
			if w := p.wantClosed(s); w.code != codeRefused {
				p.fail("7", "a one-way stream is closed with code %d %q, not refused with 5", w.code, w.reason)
			}
			p.end(s)
			p.settle()
		}),
		kept("R6.3", "the caller gives up before the answer can have come", "call and answer come to an end", func(p *peer) {
			p.least(1, 0)
			p.send(openFrame(1, kindCall, 0, nil), failFrame(1, codeCanceled, "gone"))
			p.until("CLOSE of the call", func() bool { return p.own[1].closed != nil })
			if a := p.own[1].answer; a != nil {
				p.close(a, codeCanceled, "given up")
			}
		}),
		kept("R6.4", "answers are closed at once", "the calls are closed, too, with a code that is not 0", func(p *peer) {
			p.least(1, 0)
			for range 20 {
				c, a := p.ask("")
				p.close(a, codeCanceled, "not wanted")
				p.wantBroken(c, "7")
				p.send(failFrame(c.number, codeCanceled, ""))
				p.until("FAIL of the answer", func() bool { return a.said != nil })
			}
		}),
		kept("R6.5", "a call without items that stays open", "it is answered, not closed", func(p *peer) {
			p.least(1, 0)
			c, a := p.ask("open")
			p.settle()
			if c.closed != nil || a.said != nil {
				p.fail("6", "a call that has not ended is closed, or its answer is at its end")
			}
		}),
	}
}

// answersBroken is rule 6, broken.
func answersBroken() []Case {
	return []Case{
		badFrames("R6.10", "an answer to a call that was never made", codeProtocol, openFrame(1, kindAnswer, 1, nil)),
		broken("R6.11", "an answer to an answer", codeProtocol, func(p *peer, code uint32) {
			p.least(1, 0)
			_, a := p.ask("")
			p.breach(code, openFrame(2, kindAnswer, a.number, nil))
		}),
		broken("R6.12", "an answer to a dead answer", codeProtocol, func(p *peer, code uint32) {
			p.least(1, 0)
			p.echo("")
			p.breach(code, openFrame(2, kindAnswer, 1, nil))
		}),
		broken("R6.13", "an answer, all slots taken: answers need none", codeProtocol, func(p *peer, code uint32) {
			p.openAll(p.slots(), kindCall)
			p.breach(code, openFrame(p.next, kindAnswer, 1<<32-1, nil))
		}),
	}
}
