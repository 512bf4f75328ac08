package conform

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"omnistreams.dev/transport"
)

// limit is the longest message that the echo takes.
func (p *peer) limit() int { return max(leastLimit, headerLen+int(p.peer.maxItem)) }

// failed wants the reason of a call's FAIL to come back in this form.
func (p *peer) reasoned(sent string, want func(got string) bool) {
	c, a := p.ask("")
	p.send(failFrame(c.number, 300, sent))
	p.until("FAIL of the answer", func() bool { return a.said != nil })
	if a.ended || a.said.code != 300 || !want(a.said.reason) {
		p.fail("9", "a call fails with the reason %.60q, its answer with code %d %.60q", sent, a.said.code, a.said.reason)
	}
	p.close(a, codeDone, "")
	p.wantClosed(c)
}

// limitsKept is rule 9, kept.
func limitsKept() []Case {
	same := func(sent string) func(string) bool { return func(got string) bool { return got == sent } }
	return []Case{
		kept("R9.1", "OPEN with 16 KiB of metadata", "it is within the limit, and the answer has it too", func(p *peer) {
			p.least(1, 0)
			p.echo(letters(maxMetadata))
		}),
		kept("R9.2", "FAIL with a reason of 1 KiB", "it is within the limit, and comes back whole", func(p *peer) {
			p.least(1, 0)
			p.reasoned(letters(maxReason), same(letters(maxReason)))
		}),
		kept("R9.3", "a message of max(65536, 9 + max_item) bytes", "it is within the limit", func(p *peer) {
			p.send(frame{200, 0, zeros(p.limit() - headerLen)})
			p.alive()
		}),
		kept("R9.4", "a message of as many bytes in many frames", "it is within the limit", func(p *peer) {
			var all []frame
			for left := p.limit(); left >= headerLen; left -= 2 * headerLen {
				all = append(all, frame{222, 0, zeros(min(headerLen, left-headerLen))})
			}
			p.send(all...)
			p.alive()
		}),
		kept("R9.5", "a reason that is not UTF-8", "it is no error, and U+FFFD takes the place of what is wrong", func(p *peer) {
			p.least(1, 0)
			p.reasoned("a\xffb", same("a\ufffdb"))
			p.reasoned("\xc3", same("\ufffd"))
		}),
		kept("R9.6", "a reason of 1 KiB that is not UTF-8", "it grows by U+FFFD, and is cut after the last whole rune", func(p *peer) {
			p.least(1, 0)
			p.reasoned(strings.Repeat("\xffa", maxReason/2), func(got string) bool {
				return utf8.ValidString(got) && len(got) > maxReason-4 && strings.HasPrefix(got, "\ufffda\ufffda")
			})
		}),
		kept("R9.8", "more than 64 KiB of items released at once, to a suite of max_item 1000", "no message is longer than 65536 bytes", released).with(tight(1000, 0, 0)),
		kept("R9.9", "a reason of 1 KiB that is not UTF-8 and whose cut falls inside U+FFFD", "it is cut before that rune, to 1022 bytes", func(p *peer) {
			p.least(1, 0)
			p.reasoned("xx"+strings.Repeat("\xffa", maxReason/2-1), func(got string) bool {
				return got == "xx"+strings.Repeat("\ufffda", maxReason/4-1)
			})
		}),
		kept("R9.7", "reasons with U+FEFF, with runes of 4 bytes, with U+0000, with none", "they come back as they are", func(p *peer) {
			p.least(1, 0)
			for _, reason := range []string{"\ufefftext", strings.Repeat("\U0001d11e", 256), "a\x00b", "", "\u2028\r\n"} {
				p.reasoned(reason, same(reason))
			}
		}),
	}
}

// limitsBroken is rule 9, broken, with the order of checks.
func limitsBroken() []Case {
	long := strings.Repeat("x", maxReason+1)
	longOpen := func(stream uint32, kind byte) frame { return openFrame(stream, kind, 0, zeros(maxMetadata+1)) }
	announced := func(length uint32) func(*peer, uint32) {
		return func(p *peer, code uint32) {
			p.stall(max(length, uint32(p.limit()+1)), zeros(10))
			p.wantFail(code)
		}
	}
	item := func(p *peer) []byte { return zeros(int(p.peer.maxItem) + 1) }
	return []Case{
		badFrames("R9.20", "OPEN with 16 KiB and a byte of metadata", codeTooLarge, longOpen(1, kindCall)),
		badFrames("R9.21", "FAIL on 0 with a reason of 1 KiB and a byte", codeTooLarge, failFrame(0, 6, long)),
		badFrames("R9.22", "FAIL on 1 with a reason of 1 KiB and a byte", codeTooLarge, failFrame(1, 6, long)),
		badFrames("R9.23", "CLOSE on 0 with a reason of 1 KiB and a byte", codeTooLarge, closeFrame(0, 8, long)),
		badFrames("R9.24", "CLOSE on 1 with a reason of 1 KiB and a byte", codeTooLarge, closeFrame(1, 8, long)),
		broken("R9.25", "a message of a byte more than the limit", codeTooLarge, func(p *peer, code uint32) {
			p.breach(code, frame{200, 0, zeros(p.limit() - headerLen + 1)})
		}),
		broken("R9.26", "a message beyond the limit that begins with a call: nothing in it counts", codeTooLarge, func(p *peer, code uint32) {
			p.least(1, 0)
			p.breachBytes(code, message(openFrame(1, kindCall, 0, nil), frame{200, 0, zeros(p.limit())}))
		}),
		broken("R9.27", "a message one byte beyond the limit is announced, its body does not come", codeTooLarge, announced(0)),
		broken("R9.28", "a message of 2^32-1 bytes is announced, its body does not come", codeTooLarge, announced(1<<32-1)),
		broken("R9.30", "an item too long on a stream that does not live: form before number", codeTooLarge, func(p *peer, code uint32) {
			p.breach(code, dataFrame(1, item(p)))
		}),
		broken("R9.31", "an item too long on stream 0: stream before length", codeProtocol, func(p *peer, code uint32) {
			if len(item(p))+headerLen > p.limit() {
				p.skip("such an item is longer than a message: it takes an echo with a max_item below 65527")
			}
			p.breach(code, dataFrame(0, item(p)))
		}),
		badFrames("R9.32", "metadata too long on stream 0: stream before length", codeProtocol, longOpen(0, kindCall)),
		badFrames("R9.33", "metadata too long and kind 3: length before fields", codeTooLarge, longOpen(1, 3)),
		badFrames("R9.34", "metadata too long, number out of turn: form before number", codeTooLarge, longOpen(7, kindCall)),
		broken("R9.35", "OPEN out of turn without a free slot: number before credit", codeProtocol, func(p *peer, code uint32) {
			p.openAll(p.slots(), kindCall)
			p.breach(code, openFrame(p.next+1, kindCall, 0, nil))
		}),
		badFrames("R9.36", "two faults in one message: the first one counts", codeProtocol, frame{9, 0, nil}, longOpen(1, kindCall)),
		broken("R9.37", "a call before the fault, in its message", codeProtocol, func(p *peer, code uint32) {
			p.least(2, 0)
			// That the OPEN counted shows in its number: the second is
			// out of turn, and a third in turn would not be a fault.
			p.breach(code, openFrame(1, kindCall, 0, nil), openFrame(1, kindCall, 0, nil))
		}),
	}
}

// unanswered waits until the echo has ended the transport, and wants no FAIL
// on 0 from it.
func (p *peer) unanswered() {
	p.silent = true
	p.linger()
	deadline := time.Now().Add(max(2*time.Second, p.wait))
	for !p.over {
		if !p.pump(deadline) && !p.over {
			p.fail("10", "the echo does not end the transport after FAIL on 0")
		}
		if p.failed != nil {
			p.fail("10", "the echo answers FAIL on 0 with FAIL on 0, code %d", p.failed.code)
		}
	}
}

// endWith sends a last frame and, in the same message, what may not follow it.
func (p *peer) endWith(last frame, behind ...frame) {
	p.note(">  %v", last)
	p.blame(behind...)
	p.transmit(message(append([]frame{last}, behind...)...))
}

// errorCases is rule 10.
func errorCases() []Case {
	const must = "it is not answered, and the echo ends the transport"
	return []Case{
		kept("R10.1", "FAIL on 0 with code 6", must, func(p *peer) {
			p.slip(failFrame(0, codeInternal, "broken off"))
			p.unanswered()
		}),
		kept("R10.2", "FAIL on 0 with a code of the application, streams alive", must, func(p *peer) {
			p.least(2, 0)
			p.ask("")
			p.ask("")
			p.slip(failFrame(0, 1<<31, "broken off"))
			p.unanswered()
		}),
		kept("R10.3", "FAIL on 0, then PING and a call in the same message", "nothing after FAIL is looked at", func(p *peer) {
			p.endWith(failFrame(0, codeInternal, ""), pingFrame(99), openFrame(1, kindCall, 0, nil))
			p.unanswered()
			if len(p.pongs) > 0 || len(p.theirs) > 0 {
				p.fail("10", "the echo answers what comes after FAIL on 0")
			}
		}),
		kept("R10.4", "FAIL on 0, then what would be a fault", "nothing after FAIL is looked at", func(p *peer) {
			p.endWith(failFrame(0, codeInternal, ""), frame{9, 0, nil})
			p.unanswered()
		}),
	}
}

// faultCases is rule 10: what comes after a fault.
func faultCases() []Case {
	return []Case{
		broken("R10.5", "a fault, and PINGs after it for half a second", codeProtocol, func(p *peer, code uint32) {
			p.spoil(frame{9, 0, nil})
			for i := range 10 {
				p.spoil(pingFrame(uint64(i)), openFrame(1, kindCall, 0, nil))
				p.pump(time.Now().Add(quiet))
			}
			p.wantFail(code)
		}),
		broken("R10.6", "three faults, each in a message of its own", codeProtocol, func(p *peer, code uint32) {
			p.spoil(frame{9, 0, nil})
			p.spoil(endFrame(7))
			p.breach(code, frame{10, 0, nil})
		}),
		broken("R10.7", "a fault while calls are under way", codeProtocol, func(p *peer, code uint32) {
			p.least(3, 1)
			for range 3 {
				c, _ := p.ask("")
				p.write(c, lettersOf(20)...)
			}
			p.breach(code, frame{100, 3, nil})
		}),
		kept("R10.8", "a fault on one connection, a call on another", "the other session is not harmed", func(p *peer) {
			p.spoil(frame{9, 0, nil})
			p.another().echoAndPart("after a fault")
			p.wantFail(codeProtocol)
		}),
		kept("R10.9", "the status that a WebSocket is closed with after a fault", "1002", func(p *peer) {
			if !p.web {
				p.skip("this transport is no WebSocket")
			}
			p.breach(codeProtocol, frame{9, 0, nil})
			var ce *transport.CloseError
			if !errors.As(p.ended, &ce) || ce.Status != 1002 {
				p.fail("10", "a fault ends a WebSocket with status 1002, not: %v", p.ended)
			}
		}),
		broken("R10.10", "a fault, and PINGs once FAIL on 0 has come", codeProtocol, lastSecond).must("FAIL on 0 with code 2; the echo reads for a second after it, and only then ends the transport"),
	}
}

// lastSecond wants the transport to last for half a second at least after a
// fault. The time is that since the fault was sent, so a suite that is slow
// sees too long a time, never too short a one.
func lastSecond(p *peer, code uint32) {
	const least = 500 * time.Millisecond
	p.hoped = "want FAIL on 0 and the transport open for a second; "
	began := time.Now()
	p.spoil(frame{9, 0, nil})
	for deadline := began.Add(p.wait); p.failed == nil && !p.over && p.pump(deadline); {
	}
	p.silent = true
	for i := uint64(0); p.failed != nil && !p.over && time.Since(began) < least; i++ {
		p.slip(pingFrame(i))
		p.pump(time.Now().Add(quiet))
	}
	if took := time.Since(began); p.failed != nil && p.over && took < least {
		p.fail("10", "the transport has ended within %v: closed while the peer still sends, it may lose FAIL on 0", took.Round(time.Millisecond))
	}
	p.wantFail(code)
}

// echoAndPart makes a call and ends the session.
func (p *peer) echoAndPart(metadata string) {
	p.least(1, 1)
	p.echo(metadata, "one", "two")
	p.bye()
}
