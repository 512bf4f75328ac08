package conform

import "fmt"

// pingCases is rule 11.
func pingCases() []Case {
	return []Case{
		kept("R11.1", "PING with several kinds of bytes", "PONG with the same bytes", func(p *peer) {
			for _, bytes := range []string{"\x00\x00\x00\x00\x00\x00\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xff", "omni\x00\x01\xfe\xff"} {
				p.send(frame{tPing, 0, []byte(bytes)})
				p.until(fmt.Sprintf("PONG with %x", bytes), func() bool { return p.pongs[bytes] })
			}
		}),
		kept("R11.2", "a flood of 2000 PINGs", "the newest is answered", func(p *peer) {
			var all []frame
			for i := range 2000 {
				all = append(all, pingFrame(uint64(i)))
			}
			p.send(all[:1000]...)
			p.send(all[1000:]...)
			newest := string(all[1999].payload)
			p.until("PONG for the newest PING", func() bool { return p.pongs[newest] })
		}),
		kept("R11.3", "PONGs that nobody asked for", "they are ignored", func(p *peer) {
			for i := range 5 {
				p.send(frame{tPong, 0, pingFrame(uint64(i)).payload})
			}
			p.alive()
		}),
		kept("R11.4", "PING while the answer of a call has no credit", "it is answered: what waits for credit holds up nothing else", func(p *peer) {
			p.least(1, 1)
			c, _ := p.ask("")
			p.offer(c, lettersOf(10)...)
			p.alive()
		}).with(tight(10, 0, 0)),
		kept("R11.5", "PING between the two sides' words on 0", "it is answered in shutdown, too", func(p *peer) {
			p.least(1, 0)
			c, a := p.ask("")
			p.send(closeFrame(0, codeShutdown, ""), endFrame(0))
			p.alive()
			p.end(c)
			p.finish(c, a)
		}),
		kept("R11.6", "the suite does not read, and sends all that was granted", "the echo reads on although it cannot send", readsOn).with(tight(1<<20, 0, 0)),
		kept("R11.7", "PING is not answered for a minute", "FAIL on 0 with code 7, if the echo sent a PING in that time", noPong).slow(),
	}
}

// readsOn fills the way back: what the echo granted it must read, even while
// nothing of what it sends is taken.
func readsOn(p *peer) {
	p.least(1, 1)
	calls := p.openAll(min(p.slots(), 96), kindCall)
	for _, c := range calls {
		p.request(p.answered(c), 4096, 64<<20)
	}
	p.settle()
	p.dam(calls, 32<<10, 24<<20)
}

// released lets the echo keep what it takes and asks for all of it in one
// message, and once more dams up what the echo sends.
func released(p *peer) {
	p.least(1, 1)
	calls := p.openAll(min(p.slots(), 96), kindCall)
	for _, c := range calls {
		p.answered(c)
	}
	p.settle()
	n := min(int(p.peer.maxItem), int(p.me.maxItem))
	var all []frame
	for _, c := range calls {
		for range 4 {
			p.pour(c, n, 1000)
		}
		all = append(all, requestFrame(c.answer.number, 4096, 64<<20))
	}
	p.alive()
	p.send(all...)
	for _, c := range calls {
		p.wantItems(c.answer, len(c.items))
	}
	p.settle()
	p.dam(calls, n, 8<<20)
}

// dam sends items of up to n bytes on calls whose answers have credit, at most
// so many bytes in all, and reads nothing until they are sent.
func (p *peer) dam(calls []*stream, n, most int) {
	n = min(n, int(p.peer.maxItem))
	if b, ok := p.raw.(interface{ SetReadBuffer(int) error }); ok {
		_ = b.SetReadBuffer(64 << 10) // what the system holds for the suite is no reading
	}
	p.in.pause()
	items := 0
	for _, c := range calls {
		for items < most/n && items < 30000 {
			sent := p.pour(c, n, most/n-items)
			if sent == 0 {
				break
			}
			items += sent
		}
	}
	p.note(">  %d items of %d bytes in all", items, n)
	p.slip(frame{200, 0, zeros(leastLimit / 2)})
	p.in.goOn()
	for _, c := range calls {
		p.wantItems(c.answer, len(c.items))
	}
}

// noPong waits for the echo to find out that nobody answers.
func noPong(p *peer) {
	p.silent = true
	asked := false
	for deadline := deadlineIn(60); p.failed == nil && !p.over && p.pump(deadline); {
		asked = true // only PINGs can come here, or FAIL
	}
	if !asked && p.failed == nil {
		p.skip("the echo sent no PING within a minute")
	}
	p.wantFail(codeTimedOut)
}

// shutdownKept is rule 12, kept.
func shutdownKept() []Case {
	stop := closeFrame(0, codeShutdown, "bye")
	end := endFrame(0)
	return []Case{
		kept("R12.1", "CLOSE and END on 0 of an idle session", "END on 0, then the goodbye, then the end of the transport", func(p *peer) { p.bye() }),
		kept("R12.2", "CLOSE on 0, END on 0 later", "CLOSE is enough for the echo's END on 0; the echo's goodbye waits for the suite's END on 0", func(p *peer) {
			p.send(stop)
			p.until("END on 0", func() bool { return p.heardEnd })
			p.settle()
		}),
		kept("R12.3", "CLOSE and END on 0 while calls live", "they go on to their ends, then come the goodbyes", func(p *peer) {
			p.least(2, 1)
			c, a := p.ask("1")
			d, b := p.ask("2")
			p.send(stop, end)
			p.write(c, lettersOf(20)...)
			p.write(d, lettersOf(20)...)
			p.end(c)
			p.finish(c, a)
			p.settle()
			p.end(d)
			p.finish(d, b)
		}),
		kept("R12.4", "credit in shutdown", "REQUEST and DATA flow as before", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.send(stop, end)
			for i := range 5 {
				p.request(a, uint64(i+1), uint64(i+1))
				p.write(c, "x")
				p.wantItems(a, i+1)
			}
			p.end(c)
			p.finish(c, a)
		}).with(tight(1, 0, 0)),
		kept("R12.17", "CLOSE and END on 0 of an idle session, and no goodbye of the suite's", "the echo says its goodbye of its own accord: two that wait for each other would wait for ever", func(p *peer) {
			p.send(stop, end)
			p.until("END on 0", func() bool { return p.heardEnd })
			p.wantGoodbye("both have said END on 0 and no stream lives; it does not wait for the suite's")
			p.send(failFrame(0, codeDone, ""))
			p.wantEnd()
		}),
		kept("R12.18", "CLOSE on 0 while an answered call lives", "END on 0 comes at once: it waits for calls that might still be answered, and for no other stream", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.send(stop)
			p.until("END on 0 while an answered call lives", func() bool { return p.heardEnd })
			p.write(c, "x")
			p.wantItems(a, 1)
			p.end(c)
			p.finish(c, a)
		}),
	}
}

// lateCases is rule 12: streams that come late.
func lateCases() []Case {
	stop, end := closeFrame(0, codeShutdown, "bye"), endFrame(0)
	return []Case{
		kept("R12.5", "a call behind CLOSE on 0, in its message", "it is served, or refused with code 8", func(p *peer) {
			p.least(1, 0)
			p.send(stop, openFrame(1, kindCall, 0, nil))
			p.until("answer or CLOSE", func() bool { return p.own[1].answer != nil || p.own[1].closed != nil })
			if c := p.own[1]; c.answer != nil {
				p.end(c)
				p.finish(c, c.answer)
			} else if c.closed.code != codeShutdown {
				p.fail("12", "a call in shutdown is closed with code %d, not 8", c.closed.code)
			}
		}),
		kept("R12.6", "a call after the echo's END on 0", "it is refused with code 8: it can get no answer", func(p *peer) {
			p.least(1, 0)
			p.send(stop)
			p.until("END on 0", func() bool { return p.heardEnd })
			if w := p.wantClosed(p.call("too late")); w.code != codeShutdown {
				p.fail("12", "a call after END on 0 is closed with code %d, not 8", w.code)
			}
		}),
		kept("R12.7", "a one-way stream after the echo's END on 0", "it is refused", func(p *peer) {
			p.least(1, 0)
			p.send(stop)
			p.until("END on 0", func() bool { return p.heardEnd })
			if w := p.wantClosed(p.open("")); w.code != codeShutdown && w.code != codeRefused {
				p.fail("7", "a one-way stream in shutdown is closed with code %d, not 5 or 8", w.code)
			}
		}),
		kept("R12.8", "END on 0 without CLOSE on 0, as when numbers run out", "it is in order at any time, living calls go on", func(p *peer) {
			p.least(1, 1)
			c, a := p.ask("")
			p.send(end)
			p.write(c, "a", "b")
			p.end(c)
			p.finish(c, a)
			p.alive()
			p.silent = true // there is no goodbye: the echo need not say END
		}),
	}
}

// goodbyeCases is rule 12: goodbyes, cuts, and the words on 0 with anything in them.
func goodbyeCases() []Case {
	stop, end := closeFrame(0, codeShutdown, "bye"), endFrame(0)
	return []Case{
		kept("R12.9", "a goodbye while a call lives", "an early goodbye is not answered, the transport ends", func(p *peer) {
			p.least(1, 0)
			p.ask("")
			p.spoil(failFrame(0, codeDone, ""))
			p.unanswered()
		}),
		kept("R12.10", "FAIL on 0 with code 8 while calls live", "it is not answered, the transport ends", func(p *peer) {
			p.least(1, 0)
			p.ask("")
			p.slip(failFrame(0, codeShutdown, "time is up"))
			p.unanswered()
		}),
		kept("R12.11", "CLOSE on 0 with code 0", "any code will do", func(p *peer) { p.send(closeFrame(0, codeDone, "")) }),
		kept("R12.12", "CLOSE on 0 with code 4000000000 and a reason of 1 KiB", "any code will do", func(p *peer) {
			p.send(closeFrame(0, 4_000_000_000, letters(maxReason)))
		}),
		kept("R12.13", "an answer that has ended and is not closed", "the goodbye waits for its CLOSE", func(p *peer) {
			p.least(1, 0)
			c, a := p.ask("")
			p.send(endFrame(c.number), stop, end)
			p.wantEndOf(a)
			p.settle()
			p.close(a, codeDone, "")
		}),
		kept("R12.14", "cancel and FAIL in shutdown", "streams that are broken off end as ever", func(p *peer) {
			p.least(2, 0)
			c, a := p.ask("1")
			d, b := p.ask("2")
			p.send(stop, end, closeFrame(a.number, 1, ""), failFrame(d.number, 2, "off"))
			p.gone(c, a)
			p.wantFailOf(b, 2, "off")
		}),
		kept("R12.15", "the transport is cut while calls live", "another connection is served", func(p *peer) {
			p.least(1, 1)
			c, _ := p.ask("")
			p.write(c, "x")
			_ = p.conn.Close() // no goodbye
			p.silent = true
			p.another().echoAndPart("after a cut")
		}),
		kept("R12.16", "the transport is cut inside a message", "another connection is served", func(p *peer) {
			p.stall(1000, zeros(10))
			_ = p.conn.Close()
			p.silent = true
			p.another().echoAndPart("after a cut")
		}),
	}
}

// shutdownBroken is rule 12, broken. A call lives in each case, so that no
// goodbye can come before the fault is found.
func shutdownBroken() []Case {
	stop, end := closeFrame(0, codeShutdown, ""), endFrame(0)
	said := func(id, title string, frames ...frame) Case {
		return broken(id, title, codeProtocol, func(p *peer, code uint32) {
			p.least(2, 0)
			p.ask("")
			p.breach(code, frames...)
		})
	}
	return []Case{
		said("R12.20", "END on 0 twice", end, end),
		said("R12.21", "CLOSE on 0 twice", stop, stop),
		said("R12.22", "CLOSE on 0 after END on 0", end, stop),
		said("R12.23", "CLOSE on 0 after CLOSE and END on 0", stop, end, stop),
		said("R12.24", "END on 0 twice after CLOSE on 0", stop, end, end),
		said("R12.25", "a call after END on 0", end, openFrame(2, kindCall, 0, nil)),
		said("R12.26", "a one-way stream after CLOSE and END on 0", stop, end, openFrame(2, kindOneWay, 0, nil)),
	}
}

// codeCases is rules 13 and 14.
func codeCases() []Case {
	pass := func(id, title string, codes ...uint32) Case {
		return kept(id, title, "each comes back as it went", func(p *peer) {
			p.least(1, 0)
			for _, code := range codes {
				c, a := p.ask("")
				p.send(failFrame(c.number, code, "as it is"))
				p.wantFailOf(a, code, "as it is")
				p.close(a, codeDone, "")
				p.wantClosed(c)
			}
		})
	}
	return []Case{
		pass("R13.1", "FAIL with the codes that have names", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
		pass("R13.2", "FAIL with reserved codes", 10, 11, 100, 254, 255),
		pass("R13.3", "FAIL with codes of the application", 256, 257, 65535, 65536, 1<<31-1, 1<<31, 1<<32-1),
		kept("R13.4", "CLOSE with codes of all kinds", "each cancels", func(p *peer) {
			p.least(1, 0)
			for _, code := range []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 256, 1<<32 - 1} {
				c, a := p.ask("")
				p.close(a, code, "stop")
				p.gone(c, a)
			}
		}),
		kept("R14.1", "calls whose metadata route to nowhere", "an echo does not route: it answers them", func(p *peer) {
			p.least(1, 1)
			for _, metadata := range []string{`{"name":"no such name"}`, `{"name":7}`, `{"name":`, `[]`} {
				p.echo(metadata, "x")
			}
		}),
	}
}
