package conform

import "time"

// bytesOf is a message of HELLO with one change.
func bytesOf(change func(*frame)) []byte {
	f := roomy.frame()
	change(&f)
	return message(f)
}

// changed is roomy with one change.
func changed(change func(*hello)) hello {
	h := roomy
	change(&h)
	return h
}

// helloKept is rule 1, kept.
func helloKept() []Case {
	fine := func(id, title string, me hello) Case {
		return kept(id, title, "it is taken, and a call is echoed", func(p *peer) {
			p.least(1, 0)
			p.echo("")
		}).with(me)
	}
	return []Case{
		kept("R1.1", "the suite says nothing", "HELLO comes at once, and nothing before it", func(p *peer) {
			p.until("HELLO", func() bool { return p.peer != nil })
			p.greet(roomy)
		}).raw(),
		kept("R1.2", "the suite says nothing but HELLO", "there is one HELLO, its fields are in range, and the session goes on", func(p *peer) {
			p.settle()
		}),
		kept("R1.3", "HELLO comes after half a second", "nothing but HELLO, PING and ignored types comes before, and the session goes on", func(p *peer) {
			deadline := time.Now().Add(min(500*time.Millisecond, p.wait/2))
			for time.Now().Before(deadline) && !p.over {
				p.pump(deadline)
			}
			p.greet(roomy)
			p.alive()
		}).raw(),
		fine("R1.4", "HELLO of version 2", changed(func(h *hello) { h.version = 2 })),
		fine("R1.5", "HELLO of version 255 with 40 more bytes", changed(func(h *hello) { h.version, h.metadata = 255, zeros(40) })),
		fine("R1.6", "HELLO with metadata of any bytes", changed(func(h *hello) { h.metadata = []byte("\x00\xff{") })),
		fine("R1.7", "HELLO with 16 KiB of metadata", changed(func(h *hello) { h.metadata = []byte(letters(maxMetadata)) })),
		fine("R1.8", "HELLO with max_item 2^24", changed(func(h *hello) { h.maxItem = maxMaxItem })),
		fine("R1.9", "HELLO with max_item 0, items 5 and bytes 0", changed(func(h *hello) { h.maxItem, h.items, h.size = 0, 5, 0 })),
		fine("R1.10", "HELLO with items 0 and bytes 0", changed(func(h *hello) { h.items, h.size = 0, 0 })),
		fine("R1.11", "HELLO with items 0 and bytes below max_item", changed(func(h *hello) { h.items, h.size = 0, 5 })),
		fine("R1.12", "HELLO with the largest streams, items and bytes", changed(func(h *hello) { h.streams, h.items, h.size = 1<<32-1, 1<<32-1, 1<<32-1 })),
		fine("R1.13", "HELLO with streams 0", changed(func(h *hello) { h.streams = 0 })),
		kept("R1.16", "HELLO with the largest items and bytes, and items without any REQUEST", "numbers are unsigned: the credit is there", func(p *peer) {
			p.least(1, 1)
			p.echo("", lettersOf(5)...)
		}).with(changed(func(h *hello) { h.streams, h.items, h.size = 1<<32-1, 1<<32-1, 1<<32-1 })),
		kept("R1.14", "HELLO comes after 8 seconds", "that is not late", func(p *peer) {
			for deadline := time.Now().Add(8 * time.Second); time.Now().Before(deadline) && !p.over; {
				p.pump(deadline)
			}
			p.greet(roomy)
			p.alive()
		}).raw().slow(),
		broken("R1.15", "HELLO does not come", codeTimedOut, func(p *peer, code uint32) {
			early := time.Now().Add(9 * time.Second)
			for time.Now().Before(early) && p.failed == nil && !p.over {
				p.pump(early)
			}
			if p.failed != nil || p.over {
				p.fail("1", "the echo does not wait for HELLO for 10 seconds")
			}
			for late := time.Now().Add(2 * time.Second); time.Now().Before(late) && p.failed == nil && !p.over; {
				p.pump(late)
			}
			p.wantFail(code)
		}).raw().slow().must("FAIL on 0 with code 7 and a reason after 10 seconds (9 to 12), nothing after it, and the transport ended"),
	}
}

// helloBroken is rule 1, broken.
func helloBroken() []Case {
	set := func(at int, b string) []byte { return bytesOf(func(f *frame) { copy(f.payload[at:], b) }) }
	short := func(n int) []byte { return bytesOf(func(f *frame) { f.payload = f.payload[:n] }) }
	cases := []Case{
		badFirst("R1.20", "another magic", codeVersion, set(0, "HTTP")),
		badFirst("R1.21", "the magic in lower case", codeVersion, set(0, "omni")),
		badFirst("R1.22", "another magic and nothing else", codeVersion, message(frame{tHello, 0, []byte("OMNJ")})),
		badFirst("R1.23", "another magic on stream 5: magic before stream", codeVersion, bytesOf(func(f *frame) { f.payload[0], f.stream = 'o', 5 })),
		badFirst("R1.24", "another magic, metadata too long: magic before length", codeVersion, bytesOf(func(f *frame) {
			f.payload[0] = 'o'
			f.payload = append(f.payload, zeros(maxMetadata+1)...)
		})),
		badFirst("R1.25", "version 0", codeVersion, set(4, "\x00")),
		badFirst("R1.26", "version 0 and nothing after it: version before length", codeVersion, message(frame{tHello, 0, []byte("OMNI\x00")})),
		badFirst("R1.27", "version 0, max_item too large: version before fields", codeVersion, set(4, "\x00\xff\x00\x00\x00")),
		badFirst("R1.30", "an empty HELLO", codeProtocol, short(0)),
		badFirst("R1.31", "HELLO with three bytes", codeProtocol, short(3)),
		badFirst("R1.32", "HELLO with the magic alone", codeProtocol, short(4)),
		badFirst("R1.33", "HELLO with magic and version alone", codeProtocol, short(5)),
		badFirst("R1.34", "HELLO with 20 bytes", codeProtocol, short(20)),
		badFirst("R1.35", "HELLO on stream 1", codeProtocol, bytesOf(func(f *frame) { f.stream = 1 })),
		badFirst("R1.36", "max_item 2^24 + 1", codeProtocol, set(5, "\x01\x00\x00\x01")),
		badFirst("R1.37", "max_item 2^32 - 1", codeProtocol, set(5, "\xff\xff\xff\xff")),
		badFirst("R1.38", "version 2 with max_item 2^24 + 1", codeProtocol, set(4, "\x02\x01\x00\x00\x01")),
		badFirst("R1.39", "16 KiB and a byte of metadata", codeTooLarge, bytesOf(func(f *frame) { f.payload = append(f.payload, zeros(maxMetadata+1)...) })),
		badFirst("R1.40", "OPEN comes first", codeProtocol, message(openFrame(1, kindCall, 0, nil))),
		badFirst("R1.41", "PING comes first", codeProtocol, message(pingFrame(1))),
		badFirst("R1.42", "END on 0 comes first", codeProtocol, message(endFrame(0))),
		badFirst("R1.44", "an ignored type comes first", codeProtocol, message(frame{200, 0, nil})),
		badFirst("R1.45", "an ignored type comes before HELLO in one message", codeProtocol, message(frame{200, 0, nil}, roomy.frame())),
		badFirst("R1.46", "an unknown type comes first", codeProtocol, message(frame{77, 0, nil})),
		badFirst("R1.47", "a request of HTTP", codeProtocol, []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")),
		badFirst("R1.48", "HELLO twice in one message", codeProtocol, message(roomy.frame(), roomy.frame())),
	}
	again := roomy.frame()
	wrong := frame{tHello, 0, append([]byte("NOPE"), again.payload[4:]...)}
	return append(cases,
		badFirst("R1.43", "FAIL on 0 comes first", codeProtocol, message(failFrame(0, codeInternal, "no"))),
		badFrames("R1.49", "a second HELLO", codeProtocol, again),
		badFrames("R1.50", "a second HELLO with another magic: form before number", codeVersion, wrong))
}
