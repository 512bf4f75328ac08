package conform

// tight is a HELLO that leaves no more credit than this.
func tight(maxItem, items, size uint32) hello {
	return hello{version: 1, maxItem: maxItem, items: items, size: size}
}

// request raises the credit of an answer.
func (p *peer) request(a *stream, items, size uint64) { p.send(requestFrame(a.number, items, size)) }

// exactly wants so many items of the answer and no more; the ledger finds what
// is beyond credit.
func (p *peer) exactly(a *stream, n int) {
	p.wantItems(a, n)
	p.settle()
	if got := len(a.items); got != n {
		p.fail("2", "the answer has %d items, not %d", got, n)
	}
}

// lettersOf is n items of one letter each.
func lettersOf(n int) []string {
	items := make([]string, n)
	for i := range items {
		items[i] = letters(i%10 + 1)[i%10:]
	}
	return items
}

// creditKept is rule 2, kept.
func creditKept() []Case {
	const used = "all that is granted is used, and no more"
	return []Case{
		kept("R2.1", "HELLO grants 3 items, then REQUEST 10", used, func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			items := lettersOf(10)
			sent := p.offer(c, items...)
			p.exactly(a, min(3, sent))
			p.request(a, 10, 1000)
			p.write(c, items[sent:]...)
			p.exactly(a, 10)
			p.end(c)
			p.finish(c, a)
		}).with(tight(100, 3, 1000)),
		kept("R2.2", "HELLO grants nothing, REQUEST one item at a time", used, oneByOne).with(tight(100, 0, 0)),
		kept("R2.3", "the same REQUEST three times", "a repeated total changes nothing", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.request(a, 2, 100)
			p.request(a, 2, 100)
			p.send(requestFrame(a.number, 2, 100), requestFrame(a.number, 2, 100))
			sent := p.offer(c, lettersOf(8)...)
			p.exactly(a, min(2, sent))
		}).with(tight(10, 0, 0)),
		kept("R2.4", "REQUEST 5, then REQUEST 1", "a smaller total changes nothing", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.send(requestFrame(a.number, 5, 500), requestFrame(a.number, 1, 100))
			p.write(c, lettersOf(5)...)
			p.exactly(a, 5)
		}).with(tight(100, 0, 0)),
		kept("R2.5", "the table of rule 2: items and bytes grow apart", "each total on its own is the largest seen", ruleTable).with(tight(6, 2, 10)),
	}
}

// creditTotals is rule 2, kept: how totals count.
func creditTotals() []Case {
	return []Case{
		kept("R2.6", "items of no bytes when the bytes are used up", "an empty item costs one item and no bytes", func(p *peer) {
			p.least(1, 4)
			c, a := p.ask("")
			sent := p.offer(c, "abcd", "", "", "")
			p.exactly(a, min(3, sent))
			p.request(a, 4, 4)
			p.write(c, []string{"abcd", "", "", ""}[sent:]...)
			p.exactly(a, 4)
		}).with(tight(4, 3, 4)),
		kept("R2.7", "REQUEST 2 with bytes 2^53-1", "bytes are not counted, items are", func(p *peer) {
			p.least(1, 50)
			c, a := p.ask("")
			p.request(a, 2, maxTotal)
			sent := p.offer(c, letters(50), letters(50), "x", "y")
			p.exactly(a, min(2, sent))
			p.request(a, 3, 1)
			p.write(c, []string{letters(50), letters(50), "x"}[min(sent, 3):]...)
			p.wantItems(a, 3)
		}).with(tight(50, 0, 0)),
		kept("R2.8", "REQUEST with both totals 2^53-1", "that is the most there is, and in order", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.request(a, maxTotal, maxTotal)
			p.write(c, lettersOf(50)...)
			p.end(c)
			p.finish(c, a)
		}).with(tight(100, 0, 0)),
	}
}

// creditApart is rule 2, kept: many totals, and streams apart.
func creditApart() []Case {
	return []Case{
		kept("R2.9", "REQUEST 1 to 500 in one message", "the last counts", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			var all []frame
			for i := range uint64(500) {
				all = append(all, requestFrame(a.number, i+1, 500))
			}
			p.send(all...)
			p.write(c, lettersOf(500)...)
			p.exactly(a, 500)
		}).with(tight(1, 0, 0)),
		kept("R2.10", "bytes grow one by one until an item of ten fits", "it is not sent before its last byte is granted", func(p *peer) {
			p.least(1, 10)
			c, a := p.ask("")
			for n := range uint64(10) {
				p.request(a, 1, n)
			}
			sent := p.offer(c, letters(10))
			p.exactly(a, 0)
			p.request(a, 1, 10)
			p.write(c, []string{letters(10)}[sent:]...)
			p.exactly(a, 1)
		}).with(tight(10, 0, 0)),
		kept("R2.11", "a call ends without any credit for its answer", "END and FAIL cost nothing", func(p *peer) {
			p.least(2, 0)
			c, a := p.ask("")
			d, b := p.ask("")
			p.end(c)
			p.send(failFrame(d.number, 300, "broken off"))
			p.finish(c, a)
			p.wantFailOf(b, 300, "broken off")
		}).with(tight(10, 0, 0)),
		kept("R2.12", "totals of one answer do not count for another", "each stream has credit of its own", func(p *peer) {
			p.least(2, 1)
			c, a := p.ask("")
			d, b := p.ask("")
			p.request(a, 5, 50)
			p.write(c, lettersOf(5)...)
			p.offer(d, lettersOf(5)...)
			p.exactly(a, 5)
			p.exactly(b, 0)
		}).with(tight(10, 0, 0)),
	}
}

// oneByOne grants ten items in ten steps.
func oneByOne(p *peer) {
	p.least(1, 2)
	c, a := p.ask("")
	sent := p.offer(c, "ab", "cd")
	p.exactly(a, 0)
	for i := range 10 {
		p.request(a, uint64(i+1), uint64(2*i+2))
		if i >= sent {
			p.write(c, "xy")
			sent++
		}
		p.wantItems(a, i+1)
	}
	p.end(c)
	p.finish(c, a)
}

// ruleTable is the table of rule 2.
func ruleTable(p *peer) {
	p.least(1, 6)
	c, a := p.ask("")
	items := []string{"four", "sixsix", "1", "2", "3"}
	sent := p.offer(c, items...)
	more := func(n int) {
		if n > sent {
			p.write(c, items[sent:n]...)
			sent = n
		}
	}
	more(2)
	p.exactly(a, 2)
	p.request(a, 3, 10) // one item more, no byte for it
	p.exactly(a, 2)
	p.request(a, 4, 16)
	more(4)
	p.exactly(a, 4)
	p.request(a, 3, 20) // items keep the larger total, bytes get it
	p.exactly(a, 4)
	p.request(a, 5, 11)
	more(5)
	p.exactly(a, 5)
	p.end(c)
	p.finish(c, a)
}

// creditBroken is rules 2 and 4, broken.
func creditBroken() []Case {
	total := func(id, title string, items, size uint64) Case {
		return broken(id, title, codeProtocol, func(p *peer, code uint32) {
			p.least(1, 0)
			_, a := p.ask("")
			p.breach(code, requestFrame(a.number, items, size))
		})
	}
	return []Case{
		total("R2.20", "REQUEST with items 2^53", maxTotal+1, 1),
		total("R2.21", "REQUEST with bytes 2^53", 1, maxTotal+1),
		total("R2.22", "REQUEST with both totals 2^64-1", 1<<64-1, 1<<64-1),
		total("R2.23", "REQUEST with items 2^63", 1<<63, 1),
		broken("R4.1", "items beyond the items granted", codeCredit, func(p *peer, code uint32) {
			p.least(1, 0)
			c, _ := p.ask("")
			p.overrun(c, code)
		}).with(tight(100, 0, 0)),
		broken("R4.2", "an item beyond the bytes granted", codeCredit, func(p *peer, code uint32) {
			p.until("HELLO", func() bool { return p.peer != nil })
			n := p.peer.maxItem
			p.greet(tight(n, 4096, n))
			p.least(1, 1)
			p.overrunBytes(int(n), code)
		}).raw(),
		broken("R4.3", "items beyond credit on a stream that the echo has closed", codeCredit, func(p *peer, code uint32) {
			p.least(1, 0)
			s := p.open("one way")
			p.wantClosed(s)
			p.overrun(s, code)
		}),
		broken("R4.4", "an item longer than max_item", codeTooLarge, func(p *peer, code uint32) {
			p.least(1, 0)
			c, _ := p.ask("")
			p.breach(code, dataFrame(c.number, zeros(int(p.peer.maxItem)+1)))
		}),
		broken("R4.5", "an item longer than max_item, without credit: form before credit", codeTooLarge, func(p *peer, code uint32) {
			p.least(1, 0)
			c := p.call("")
			p.breach(code, dataFrame(c.number, zeros(int(p.peer.maxItem)+1)))
		}).with(tight(100, 0, 0)),
	}
}

// overrun uses up the credit of a stream with empty items and sends more: some
// at once, since the echo may have granted a few that are still on their way.
func (p *peer) overrun(s *stream, code uint32) {
	const most = 300_000
	if sent, full := p.fill(s, 0, most); !full {
		p.skip("the echo has taken %d items that nobody reads and grants more: none is beyond credit", sent)
	}
	beyond := make([]frame, 64)
	for i := range beyond {
		beyond[i] = dataFrame(s.number, nil)
	}
	p.spoil(beyond[:63]...)
	p.breach(code, beyond[63])
}

// overrunBytes is overrun with items of n bytes, while items are left.
func (p *peer) overrunBytes(n int, code uint32) {
	const beyond = 5
	c, _ := p.ask("")
	p.fill(c, n, 64<<20/n)
	if c.takes(n) || c.may < uint64(len(c.items)+beyond) {
		p.skip("this echo never grants items without their bytes")
	}
	for range beyond - 1 {
		p.spoil(dataFrame(c.number, zeros(n)))
	}
	p.breach(code, dataFrame(c.number, zeros(n)))
}

// grants is rules 3 and 4 as far as the echo's own credit shows them.
func grants() []Case {
	return []Case{
		badFirst("R3.1", "HELLO with items 1 and bytes 0", codeProtocol, message(tight(10, 1, 0).frame())),
		badFirst("R3.2", "HELLO with items 1 and bytes one below max_item", codeProtocol, message(tight(10, 1, 9).frame())),
		kept("R3.3", "HELLO with items 1 and bytes max_item", "that is enough for an item of any length", func(p *peer) {
			p.least(1, 10)
			c, a := p.ask("")
			p.write(c, letters(10))
			p.exactly(a, 1)
		}).with(tight(10, 1, 10)),
		kept("R3.4", "items of 0 bytes to max_item in turn", "when all items are taken and some are granted, the next one fits", nextFits).with(tight(maxMaxItem, 1000, 256<<20)),
		kept("R3.5", "nobody reads the answer", "the echo does not take items without end", func(p *peer) {
			p.least(1, 1)
			n := min(int(p.peer.maxItem), 32<<10)
			c, _ := p.ask("")
			if sent, full := p.fill(c, n, 48<<20/n); !full {
				p.fail("L8", "the echo took %d items of %d bytes that nobody read, and grants more", sent, n)
			}
		}).with(tight(1<<20, 0, 0)),
		kept("R4.6", "items of max_item", "they are within the limit", func(p *peer) {
			p.least(1, 1)
			item := letters(int(p.peer.maxItem))
			p.echo("", item, "x", item)
		}).with(tight(maxMaxItem, 1000, 256<<20)),
		kept("R4.7", "items as long as the suite's max_item", "the echo sends them", func(p *peer) {
			p.least(1, 10)
			p.echo("", letters(10), "", letters(10))
		}).with(tight(10, 100, 1000)),
		kept("R4.8", "an item longer than the suite's max_item", "the echo does not send it, the answer does not end as if it were whole, the session goes on", func(p *peer) {
			p.least(1, 11)
			c, a := p.ask("")
			p.write(c, "short", letters(11))
			p.send(endFrame(c.number))
			p.until("FAIL of the answer", func() bool { return a.said != nil })
			if a.ended {
				p.fail("4", "the answer ends in order without the item that it could not bear")
			}
			p.alive()
		}).with(tight(10, 100, 1000)),
		kept("R4.9", "an item longer than the suite's max_item, and no bytes granted for the answer", "the answer fails at once: an item that can never be sent waits for no credit", func(p *peer) {
			p.least(1, 11)
			c, a := p.ask("")
			p.request(a, 1, 0) // an echo may take an item only when one is asked for
			if p.offer(c, letters(11)) == 0 {
				p.skip("the echo takes no item before it has the credit to send it")
			}
			p.until("FAIL of the answer, which can never bear its first item", func() bool { return a.said != nil })
			if a.ended {
				p.fail("4", "the answer ends in order without the item that it could not bear")
			}
			p.alive()
		}).with(tight(10, 0, 0)),
	}
}

// nextFits is rule 3 from outside: what came back was surely taken.
func nextFits(p *peer) {
	p.least(1, 2)
	n := int(p.peer.maxItem)
	c, a := p.ask("")
	for i, size := range []int{1, n, 0, n - 1, n, 1, 1, n} {
		p.write(c, letters(size))
		p.wantItems(a, i+1)
		p.settle()
		if c.may > uint64(len(a.items)) && c.maySize < a.size+uint64(n) {
			p.fail("3", "%d items are granted and %d taken, but %d bytes granted, %d taken: an item of max_item %d does not fit", c.may, len(a.items), c.maySize, a.size, n)
		}
	}
	p.end(c)
	p.finish(c, a)
}
