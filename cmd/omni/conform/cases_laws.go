package conform

import "time"

// deadlineIn is so many seconds from now.
func deadlineIn(seconds int) time.Time { return time.Now().Add(time.Duration(seconds) * time.Second) }

// lawCases is the laws, as far as an echo shows them from outside.
func lawCases() []Case {
	return []Case{
		kept("L1.1", "items asked for in steps of 1, 2, 3 and so on", "no more come than were asked for, at any time", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			asked, sent := 0, 0
			for step := 1; step <= 10; step++ {
				asked += step
				p.request(a, uint64(asked), uint64(asked))
				for ; sent < asked; sent++ {
					p.write(c, "x")
				}
				p.exactly(a, asked)
			}
		}).with(tight(1, 0, 0)),
		kept("L2.1", "3000 items of different lengths", "the same come back in the same order", func(p *peer) {
			p.least(1, 40)
			c, a := p.ask("")
			for i := range 3000 {
				p.write(c, letters(i*7%41))
			}
			p.end(c)
			p.finish(c, a)
		}),
		kept("L3.1", "two hundred calls that end, fail or are canceled", "each comes to one end and nothing after it", manyEnds),
		kept("L5.1", "a call is broken off and its answer canceled at once", "both are free", func(p *peer) {
			p.least(1, 0)
			for range 20 {
				c, a := p.ask("")
				p.send(failFrame(c.number, 1, "off"), closeFrame(a.number, 1, "off"))
				p.until("the last words", func() bool { return a.said != nil && c.closed != nil })
			}
		}),
	}
}

// movingCases is the laws on what moves while something else does not.
func movingCases() []Case {
	return []Case{
		kept("L6.1", "five hundred items with credit for one at a time", "the stream moves", func(p *peer) {
			p.least(1, 3)
			c, a := p.ask("")
			for i := range 500 {
				if i > 0 {
					p.request(a, uint64(i+1), uint64(3*i+3))
				}
				p.write(c, "abc")
				p.wantItems(a, i+1)
			}
			p.end(c)
			p.finish(c, a)
		}).with(tight(3, 1, 3)),
		kept("L7.1", "nobody reads the answer of one call, another call goes on", "a stream that nobody reads delays no other", func(p *peer) {
			p.least(2, 1)
			c, _ := p.ask("not read")
			p.fill(c, min(int(p.peer.maxItem), 1000), 4000)
			d, b := p.ask("read")
			p.request(b, 200, 200)
			p.write(d, lettersOf(200)...)
			p.end(d)
			p.finish(d, b)
		}).with(tight(1000, 0, 0)),
		kept("L7.2", "nobody reads the answers of all calls but one", "a stream that nobody reads delays no other", func(p *peer) {
			p.least(4, 1)
			for range 3 {
				c, _ := p.ask("not read")
				p.fill(c, 1, 500)
			}
			c, a := p.ask("read")
			for i := range 20 {
				p.request(a, uint64(i+1), uint64(i+1))
				p.write(c, "x")
				p.wantItems(a, i+1)
			}
		}).with(tight(1, 0, 0)),
		kept("L11.1", "items are in all places when an answer is canceled", "what came is a prefix, the rest is dropped, the next call is whole", func(p *peer) {
			p.least(1, 1)
			for i := range 20 {
				c, a := p.ask("")
				p.write(c, lettersOf(10)...)
				p.wantItems(a, i%5)
				p.close(a, 1, "")
				p.gone(c, a)
			}
			p.echo("", lettersOf(10)...)
		}),
	}
}

// manyEnds opens calls and ends them in turn in all ways there are.
func manyEnds(p *peer) {
	p.least(1, 1)
	for i := range 200 {
		c, a := p.ask("")
		p.write(c, lettersOf(i%4)...)
		switch i % 4 {
		case 0:
			p.end(c)
			p.finish(c, a)
		case 1:
			p.send(failFrame(c.number, uint32(i), "off"))
			p.wantFailOf(a, uint32(i), "off")
			p.close(a, codeDone, "")
			p.wantClosed(c)
		case 2:
			p.close(a, uint32(i), "off")
			p.gone(c, a)
		default:
			p.send(endFrame(c.number), closeFrame(a.number, uint32(i), "off"))
			p.until("the last words", func() bool { return a.said != nil && c.closed != nil })
		}
	}
}
