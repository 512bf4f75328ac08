package conform

// endCases is rule 7: how a stream ends.
func endCases() []Case {
	return []Case{
		kept("R7.1", "items and END", "the items, then END; CLOSE with code 0 for the call", func(p *peer) {
			p.least(1, 1)
			p.echo("", lettersOf(30)...)
		}),
		kept("R7.2", "END without items", "END without items; CLOSE with code 0", func(p *peer) {
			p.least(1, 0)
			p.echo("")
		}),
		kept("R7.3", "items and FAIL", "the items first, then FAIL with the same code and reason", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, lettersOf(30)...)
			p.send(failFrame(c.number, 300, "broken off"))
			p.wantFailOf(a, 300, "broken off")
			p.close(a, codeDone, "")
			p.wantClosed(c)
		}),
		kept("R7.4", "FAIL with code 0", "it is still an error to the reader, so the answer fails", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, "x")
			p.send(failFrame(c.number, codeDone, "nothing wrong"))
			p.wantFailOf(a, codeDone, "nothing wrong")
		}),
		kept("R7.5", "items and END, of which the reader takes one at a time", "END comes behind the last item, not before", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			items := lettersOf(8)
			sent := p.offer(c, items...)
			if sent == len(items) {
				p.end(c)
			}
			for i := range items {
				p.request(a, uint64(i+1), uint64(i+1))
				if i >= sent {
					p.write(c, items[i])
				}
				p.exactly(a, i+1)
			}
			if c.said == nil {
				p.end(c)
			}
			p.finish(c, a)
		}).with(tight(1, 0, 0)),
	}
}

// endCredit is rule 7: last words need no credit, and what comes after them.
func endCredit() []Case {
	return []Case{
		kept("R7.6", "END when the last item has used all credit", "END does not wait for credit", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, "a", "b", "c")
			p.end(c)
			p.finish(c, a)
		}).with(tight(10, 3, 10)),
		kept("R7.7", "FAIL when the last item has used all credit", "FAIL does not wait for credit", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, "a", "b", "c")
			p.send(failFrame(c.number, 301, "no more"))
			p.wantFailOf(a, 301, "no more")
		}).with(tight(10, 3, 10)),
		kept("R7.8", "the answer is closed some time after its END", "the call is closed with code 0 all the same, and waits for nothing", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, "x")
			p.end(c)
			p.wantEndOf(a)
			p.settle()
			p.close(a, codeDone, "")
			p.wantReceipt(c)
		}),
		kept("R7.9", "an answer with CLOSE not 0 after its END", "that is a word after the end: nothing follows, all is dead", func(p *peer) {
			p.least(1, 0)
			c, a := p.ask("")
			p.end(c)
			p.wantEndOf(a)
			p.close(a, 400, "came too late")
			p.wantClosed(c)
			p.settle()
		}),
		broken("R7.30", "CLOSE with code 0 at the OPEN of the answer", codeProtocol, func(p *peer, code uint32) {
			p.least(1, 0)
			_, a := p.ask("")
			p.breach(code, closeFrame(a.number, codeDone, ""))
		}),
		broken("R7.31", "CLOSE with code 0 after items, before END", codeProtocol, func(p *peer, code uint32) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, "x", "y")
			p.wantItems(a, 2)
			p.breach(code, closeFrame(a.number, codeDone, "thanks"))
		}),
	}
}

// gone breaks off a call whose answer was canceled and waits for the end.
func (p *peer) gone(c, a *stream) {
	p.until("FAIL of the answer after CLOSE", func() bool { return a.said != nil })
	if a.ended && c.said == nil {
		p.fail("7", "the answer ends in order after CLOSE, its call goes on")
	}
	if c.said == nil {
		p.wantBroken(c, "7")
		p.send(failFrame(c.number, c.closed.code, ""))
	}
	p.wantClosed(c)
}

// cancelCases is rule 7: CLOSE before the end.
func cancelCases() []Case {
	const must = "FAIL answers the CLOSE, and the call is closed with a code that is not 0"
	return []Case{
		kept("R7.20", "the answer is canceled before any item", must, func(p *peer) {
			p.least(1, 0)
			c, a := p.ask("")
			p.close(a, codeCanceled, "")
			p.gone(c, a)
		}),
		kept("R7.21", "the answer is canceled between items", must, func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, lettersOf(20)...)
			p.wantItems(a, 5)
			p.close(a, 333, "enough")
			p.gone(c, a)
		}),
		kept("R7.22", "CLOSE of the answer crosses its END", "either is the last word, and both streams are dead", func(p *peer) {
			p.least(1, 1)
			for range 10 {
				c, a := p.ask("")
				p.write(c, "x")
				p.send(endFrame(c.number), closeFrame(a.number, codeCanceled, "crossing"))
				p.until("the last words", func() bool { return a.said != nil && c.closed != nil })
			}
		}),
		kept("R7.23", "CLOSE with the largest code and a reason of 1 KiB", must, func(p *peer) {
			p.least(1, 0)
			c, a := p.ask("")
			p.close(a, 1<<32-1, letters(maxReason))
			p.gone(c, a)
		}),
	}
}

// crossingCases is rule 7: what crosses a CLOSE or waits behind it.
func crossingCases() []Case {
	return []Case{
		kept("R7.24", "items of the call that cross its CLOSE", "they are dropped, within credit they are no fault", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.write(c, "a")
			p.wantItems(a, 1)
			cancel := []frame{closeFrame(a.number, 302, "enough")}
			for _, item := range lettersOf(10) {
				if c.may < uint64(len(c.items)+len(cancel)) || c.maySize < c.size+uint64(len(cancel)) {
					break
				}
				cancel = append(cancel, dataFrame(c.number, []byte(item)))
			}
			p.send(cancel...)
			p.gone(c, a)
		}),
		kept("R7.25", "a one-way stream that was refused fails afterwards", "the refusal is answered, the number is dead", func(p *peer) {
			p.least(2, 0)
			s, u := p.open("1"), p.open("2")
			p.wantBroken(s, "7")
			p.wantBroken(u, "7")
			p.send(failFrame(s.number, codeRefused, ""), endFrame(u.number))
			p.settle()
		}),
		kept("R7.26", "a one-way stream is ended in the message that opens it", "it is refused all the same: nobody took it", func(p *peer) {
			p.least(1, 0)
			p.send(openFrame(1, kindOneWay, 0, nil), endFrame(1))
			p.wantBroken(p.own[1], "7")
		}),
		kept("R7.27", "the answer is canceled while its items wait for credit", "FAIL comes without credit, what was not sent is dropped", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.offer(c, lettersOf(6)...)
			p.request(a, 1, 10)
			p.offer(c, lettersOf(6)...)
			p.settle()
			p.close(a, codeCanceled, "no more")
			p.gone(c, a)
		}).with(tight(10, 0, 0)),
		kept("R7.28", "a call is broken off while nobody reads its answer", "once there is credit the items come, then FAIL", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.offer(c, lettersOf(6)...)
			p.send(failFrame(c.number, 303, "behind the items"))
			p.settle()
			p.request(a, 10, 100)
			p.wantFailOf(a, 303, "behind the items")
		}).with(tight(10, 0, 0)),
	}
}

// afterLast is a case whose last frame comes after another on call 1.
func afterLast(id, title string, first, bad frame) Case {
	return broken(id, title, codeProtocol, func(p *peer, code uint32) {
		p.least(1, 1)
		p.ask("")
		p.breach(code, first, bad)
	})
}

// onDead is a case of a frame for a call or an answer, both 1, that are dead.
func onDead(id, title string, bad frame) Case {
	return broken(id, title, codeProtocol, func(p *peer, code uint32) {
		p.least(1, 1)
		p.echo("")
		p.breach(code, bad)
	})
}

// crossing asks for more of an answer that has said its last word.
func crossing(last frame) func(p *peer) {
	return func(p *peer) {
		p.least(1, 0)
		c, a := p.ask("")
		p.send(last)
		p.until("the last word", func() bool { return a.said != nil })
		p.request(a, 5000, 70<<20)
		p.request(a, 1, 1)
		p.close(a, codeDone, "")
		p.wantClosed(c)
	}
}

// deadCases is rule 8.
func deadCases() []Case {
	data, end, fail := dataFrame(1, []byte("x")), endFrame(1), failFrame(1, 1, "")
	request, stop := requestFrame(1, 9, 9), closeFrame(1, 1, "")
	return []Case{
		badFrames("R8.1", "DATA on a stream that was never opened", codeProtocol, dataFrame(1, nil)),
		badFrames("R8.2", "END on a stream that was never opened", codeProtocol, end),
		badFrames("R8.3", "FAIL on a stream that was never opened", codeProtocol, fail),
		badFrames("R8.4", "REQUEST for a stream that was never opened", codeProtocol, request),
		badFrames("R8.5", "CLOSE of a stream that was never opened", codeProtocol, stop),
		afterLast("R8.6", "DATA after END: number before credit", end, data),
		afterLast("R8.7", "END after END", end, end),
		afterLast("R8.8", "FAIL after END", end, fail),
		afterLast("R8.9", "END after FAIL", fail, end),
		afterLast("R8.10", "DATA after FAIL", fail, data),
		afterLast("R8.11", "FAIL after FAIL", fail, fail),
		afterLast("R8.12", "REQUEST after CLOSE", stop, request),
		afterLast("R8.13", "CLOSE after CLOSE", stop, closeFrame(1, 2, "")),
		afterLast("R8.14", "CLOSE with code 0 after CLOSE", stop, closeFrame(1, 0, "")),
		onDead("R8.15", "DATA on a dead stream", data),
		onDead("R8.16", "END on a dead stream", end),
		onDead("R8.17", "FAIL on a dead stream", fail),
		onDead("R8.18", "REQUEST for a dead stream", request),
		onDead("R8.19", "CLOSE of a dead stream", stop),
		kept("R8.20", "REQUEST for an answer that has ended", "this crossing is in order, it means nothing", crossing(end)),
		kept("R8.21", "REQUEST for an answer that has failed", "this crossing is in order, it means nothing", crossing(fail)),
		broken("R8.22", "DATA on a one-way stream that was refused and has ended", codeProtocol, func(p *peer, code uint32) {
			p.least(1, 0)
			s := p.open("")
			p.wantBroken(s, "7")
			p.end(s)
			p.breach(code, data)
		}),
		broken("R8.23", "a number far beyond the last one opened", codeProtocol, func(p *peer, code uint32) {
			p.least(1, 0)
			p.ask("")
			p.breach(code, endFrame(1<<32-1))
		}),
	}
}
