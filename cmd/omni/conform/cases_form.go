package conform

import (
	"fmt"
	"slices"
	"time"
)

// formKept is rule 0, kept: messages, frames, numbers.
func formKept() []Case {
	return []Case{
		kept("R0.1", "a call with all its frames in one message", "every frame counts, and the call is echoed", func(p *peer) {
			p.least(1, 5)
			c, a := p.ask("grouped")
			p.until("credit", func() bool { return c.takes(5) })
			p.send(dataFrame(1, []byte("abcde")), pingFrame(1), endFrame(1))
			p.finish(c, a)
		}),
		kept("R0.2", "each frame in a message of its own", "a message of one frame is as good as any", func(p *peer) {
			p.least(1, 5)
			p.echo("single", "one", "two", "three")
		}),
		kept("R0.3", "PING in the first message, behind HELLO", "PONG: other frames may follow HELLO", func(p *peer) {
			p.send(roomy.frame(), pingFrame(7))
			p.until("PONG", func() bool { return len(p.pongs) > 0 })
		}).raw(),
		kept("R0.4", "frames of all types from 128 to 255", "they are ignored", ignoredTypes),
		kept("R0.5", "ignored types on streams that do not live, and in the middle of a message", "they are ignored", func(p *peer) {
			p.least(1, 3)
			c, a := p.ask("between")
			p.until("credit", func() bool { return c.takes(3) })
			p.send(frame{200, 1, []byte("x")}, dataFrame(1, []byte("abc")), frame{128, 1<<32 - 1, zeros(3000)}, endFrame(1), frame{255, 0, nil})
			p.finish(c, a)
		}),
	}
}

// numbersKept is rule 0, kept: metadata, numbers, items.
func numbersKept() []Case {
	return []Case{
		kept("R0.6", "metadata of any bytes", "the answer has the same", func(p *peer) {
			p.least(1, 0)
			for _, metadata := range []string{"", "\x00\xff\xfe\x80", "{\"name\":\"x\"}", "\xef\xbb\xbftext", letters(5000)} {
				p.echo(metadata)
			}
		}),
		kept("R0.7", "200 calls one after the other", "they are numbered 1 to 200 on both sides", func(p *peer) {
			p.least(1, 1)
			for range 200 {
				p.echo("n", "x")
			}
		}),
		kept("R0.8", "empty items among others", "one DATA frame is one item, an empty one too", func(p *peer) {
			p.least(1, 1)
			p.echo("", "", "a", "", "", "b", "")
		}),
		kept("R0.9", "items of 0 to 300 bytes", "items come back whole: none is cut, none joined", func(p *peer) {
			p.least(1, 300)
			items := make([]string, 300)
			for i := range items {
				items[i] = letters(i)
			}
			p.echo("sizes", items...)
		}),
		kept("R0.10", "a hundred PINGs in a message, a call in the middle", "the call is echoed", func(p *peer) {
			p.least(1, 0)
			var frames []frame
			for i := range 100 {
				frames = append(frames, pingFrame(uint64(i)))
			}
			frames = slices.Insert(frames, 50, openFrame(1, kindCall, 0, nil), endFrame(1))
			p.send(frames...)
			p.finish(p.own[1], p.answered(p.own[1]))
		}),
		kept("R0.11", "a one-way stream, then a call", "the answer has the number 1, not that of its call: each side numbers its own streams", func(p *peer) {
			p.least(2, 1)
			s := p.open("one way")
			p.wantBroken(s, "7")
			p.end(s)
			p.echo("", "x")
		}),
	}
}

// ignoredTypes sends each of them, alone and all at once.
func ignoredTypes(p *peer) {
	var all []frame
	for typ := 128; typ < 256; typ++ {
		f := frame{byte(typ), uint32(typ % 3), zeros(typ % 20)}
		p.send(f)
		all = append(all, f)
	}
	p.send(all...)
	p.alive()
}

// formBroken is rule 0, broken.
func formBroken() []Case {
	cases := []Case{
		broken("R0.20", "a message without bytes", codeProtocol, func(p *peer, code uint32) {
			p.stall(0, nil)
			p.wantFail(code)
		}),
		badBytes("R0.21", "one byte", codeProtocol, []byte{tPing}),
		badBytes("R0.22", "a header cut after 8 bytes", codeProtocol, message(pingFrame(1))[:8]),
		badBytes("R0.23", "a payload cut by one byte", codeProtocol, message(pingFrame(1))[:16]),
		badBytes("R0.24", "one byte after a whole frame", codeProtocol, append(message(pingFrame(1)), 0)),
		badBytes("R0.25", "a frame of 2^32-1 bytes", codeProtocol, append(headerOf(tData, 1, 1<<32-1), "abc"...)),
		badBytes("R0.26", "a cut frame of an ignored type", codeProtocol, append(headerOf(200, 0, 9), "abc"...)),
		badBytes("R0.27", "a header alone, its payload missing", codeProtocol, headerOf(tOpen, 1, 5)),
		broken("R0.28", "the rest of a message does not come", codeTimedOut, func(p *peer, code uint32) {
			p.stall(1000, zeros(10))
			p.silent = true // a PONG would be inside the message
			for late := time.Now().Add(time.Minute); p.failed == nil && !p.over && p.pump(late); {
			}
			p.wantFail(code)
		}).slow().must("within a minute FAIL on 0 with code 7 and a reason, nothing after it, and the transport ended"),
		badFrames("R0.30", "OPEN on stream 0", codeProtocol, openFrame(0, kindCall, 0, nil)),
		badFrames("R0.31", "DATA on stream 0", codeProtocol, dataFrame(0, []byte("x"))),
		badFrames("R0.32", "REQUEST on stream 0", codeProtocol, requestFrame(0, 1, 1)),
		badFrames("R0.33", "PING on stream 1", codeProtocol, frame{tPing, 1, zeros(8)}),
		badFrames("R0.34", "PONG on stream 2^32-1", codeProtocol, frame{tPong, 1<<32 - 1, zeros(8)}),
	}
	for i, typ := range []byte{9, 10, 31, 32, 63, 64, 100, 126, 127} {
		cases = append(cases, badFrames(fmt.Sprintf("R0.%d", 40+i), fmt.Sprintf("a frame of type %d", typ), codeProtocol, frame{typ, 0, nil}))
	}
	for typ := byte(9); typ < 128; typ++ { // all of them take a few seconds more
		cases = append(cases, badFrames(fmt.Sprintf("R0.%d", 100+int(typ)), fmt.Sprintf("a frame of type %d on stream 1, with a payload", typ), codeProtocol, frame{typ, 1, zeros(8)}).slow())
	}
	return append(append(cases, wrongLengths()...), wrongOpens()...)
}

// wrongLengths is payloads below their least length or off a fixed one.
func wrongLengths() (cases []Case) {
	for i, t := range []struct {
		title string
		bad   frame
	}{
		{"OPEN with an empty payload", frame{tOpen, 1, nil}},
		{"OPEN with 4 bytes", frame{tOpen, 1, zeros(4)}},
		{"END on 0 with a payload", frame{tEnd, 0, zeros(1)}},
		{"END on 1 with a payload", frame{tEnd, 1, zeros(1)}},
		{"FAIL on 0 with 3 bytes", frame{tFail, 0, zeros(3)}},
		{"FAIL on 1 with an empty payload", frame{tFail, 1, nil}},
		{"CLOSE on 0 with an empty payload", frame{tClose, 0, nil}},
		{"CLOSE on 1 with 3 bytes", frame{tClose, 1, zeros(3)}},
		{"REQUEST with 0 bytes", frame{tRequest, 1, nil}},
		{"REQUEST with 8 bytes", frame{tRequest, 1, zeros(8)}},
		{"REQUEST with 15 bytes", frame{tRequest, 1, zeros(15)}},
		{"REQUEST with 17 bytes", frame{tRequest, 1, zeros(17)}},
		{"PING with 0 bytes", frame{tPing, 0, nil}},
		{"PING with 7 bytes", frame{tPing, 0, zeros(7)}},
		{"PING with 9 bytes", frame{tPing, 0, zeros(9)}},
		{"PONG with 7 bytes", frame{tPong, 0, zeros(7)}},
		{"PONG with 9 bytes", frame{tPong, 0, zeros(9)}},
	} {
		cases = append(cases, badFrames(fmt.Sprintf("R0.%d", 50+i), t.title, codeProtocol, t.bad))
	}
	return cases
}

// wrongOpens is kinds and numbers.
func wrongOpens() []Case {
	first := openFrame(1, kindCall, 0, nil)
	return []Case{
		badFrames("R0.70", "OPEN of kind 3", codeProtocol, openFrame(1, 3, 0, nil)),
		badFrames("R0.71", "OPEN of kind 255", codeProtocol, openFrame(1, 255, 1, nil)),
		badFrames("R0.72", "a one-way stream that answers 1", codeProtocol, openFrame(1, kindOneWay, 1, nil)),
		badFrames("R0.73", "a call that answers 1", codeProtocol, openFrame(1, kindCall, 1, nil)),
		badFrames("R0.74", "an answer to call 0", codeProtocol, openFrame(1, kindAnswer, 0, nil)),
		badFrames("R0.80", "the first stream has the number 2", codeProtocol, openFrame(2, kindCall, 0, nil)),
		broken("R0.81", "a number is skipped", codeProtocol, func(p *peer, code uint32) {
			p.least(2, 0)
			p.breach(code, first, openFrame(3, kindCall, 0, nil))
		}),
		broken("R0.82", "the number of a living stream is used again", codeProtocol, func(p *peer, code uint32) {
			p.least(2, 0)
			p.breach(code, first, first)
		}),
		broken("R0.83", "the number of a dead stream is used again", codeProtocol, func(p *peer, code uint32) {
			p.least(1, 0)
			p.echo("")
			p.breach(code, first)
		}),
		badFrames("R0.84", "the first stream has the number 2^32-1", codeProtocol, openFrame(1<<32-1, kindCall, 0, nil)),
	}
}
