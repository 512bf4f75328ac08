package conform

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"omnistreams.dev/transport"
)

// quiet is how long the echo is given to do what it must not do.
const quiet = 40 * time.Millisecond

// keptLines bounds the transcript of a case.
const keptLines = 120

// peer is the suite's side of one connection: raw, and led by a case. Its
// methods are for the case's goroutine alone; those that find a fault end that
// goroutine, as the failing calls of package testing do.
type peer struct {
	*ledger
	ctx  context.Context // of the case
	conn transport.Conn
	at   *endpoint
	raw  io.Writer // the byte stream below conn, nil if there is none
	in   *inbox
	wait time.Duration // for what must come

	linger func()                        // called when all that is left is to wait for the end
	again  func(*outcome) (*peer, error) // makes another connection
	pings  uint64                        // sent so far
	over   bool                          // the transport has ended
	ended  error                         // what it ended with
	web    bool                          // it is a WebSocket
	silent bool                          // the suite says nothing of its own accord any more
	*outcome
}

// outcome is what came of a case, of which there may be several connections.
type outcome struct {
	fault   error    // set before the goroutine ends
	skipped string   // why the case does not apply
	hoped   string   // what the case waits for, before what came instead
	lines   []string // of the transcript
	dropped int      // lines that were not kept
}

// note adds a line to the transcript.
func (o *outcome) note(format string, args ...any) {
	if len(o.lines) >= keptLines {
		o.lines = slices.Delete(o.lines, keptLines/2, keptLines/2+1) // the begin and the end tell most
		o.dropped++
	}
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
}

// fatal ends the case as failed.
func (o *outcome) fatal(err error) {
	if o.hoped != "" {
		err = fmt.Errorf("%s%w", o.hoped, err)
	}
	o.note("!  %v", err)
	o.fault = err
	runtime.Goexit()
}

// fail is fatal with the rule and a text.
func (o *outcome) fail(rule, format string, args ...any) { o.fatal(broke(rule, format, args...)) }

// skip ends the case as one that says nothing about this echo.
func (o *outcome) skip(format string, args ...any) {
	o.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// transmit hands bytes to the transport as one message. An error is no fault
// yet: the echo may have ended the session, which whoever waits finds.
func (p *peer) transmit(msg []byte) {
	ctx, cancel := context.WithTimeout(p.ctx, 10*p.wait)
	defer cancel()
	if err := p.conn.Send(ctx, msg); err != nil {
		p.note(">  not sent: %v", err)
	}
}

// send sends frames that keep the rules, as one message.
func (p *peer) send(frames ...frame) {
	for _, f := range frames {
		p.note(">  %v", f)
		p.given(f)
	}
	p.transmit(message(frames...))
}

// slip sends frames that the ledger is not to know of.
func (p *peer) slip(frames ...frame) {
	for _, f := range frames {
		p.note(">! %v", f)
	}
	p.transmit(message(frames...))
}

// pump takes one message and reports whether one came before the deadline.
func (p *peer) pump(deadline time.Time) bool {
	msg, err := p.in.next(p.ctx, deadline)
	if err != nil {
		p.note("<  the transport ends: %v", err)
		p.over, p.ended = true, err
		return false
	}
	if msg == nil {
		return false
	}
	frames, err := p.taken(msg)
	for _, f := range frames {
		p.note("<  %v", f)
	}
	if err != nil {
		p.fatal(err)
	}
	for _, f := range frames {
		if f.typ == tPing && !p.silent && p.saidHello && !p.saidBye {
			p.slip(frame{tPong, 0, f.payload})
		}
	}
	return true
}

// until takes messages until ok, which must be before the time to wait is over.
func (p *peer) until(what string, ok func() bool) {
	p.untilWithin(p.wait, what, ok)
}

// untilWithin is until with a time of its own.
func (p *peer) untilWithin(d time.Duration, what string, ok func() bool) {
	deadline := time.Now().Add(d)
	for !ok() {
		switch {
		case p.failed != nil:
			p.fail("", "want %s; the echo ends the session with code %d %q", what, p.failed.code, p.failed.reason)
		case p.over:
			p.fail("", "want %s; the transport has ended", what)
		case !p.pump(deadline) && !p.over:
			p.fail("", "want %s; nothing more came for %v", what, d)
		}
	}
}

// settle takes what comes until nothing has come for a while, after the echo
// has shown by PONG that it has read all that was sent.
func (p *peer) settle() {
	p.alive()
	for p.pump(time.Now().Add(quiet)) {
	}
	if p.failed != nil {
		p.fail("", "the echo ends the session with code %d %q", p.failed.code, p.failed.reason)
	}
	if p.over {
		p.fail("", "the echo ends the transport")
	}
}

// alive sends a PING and waits for its PONG: all that was sent before has been
// read then, and was found in order.
func (p *peer) alive() {
	p.pings++
	f := pingFrame(0x4f4d4e49<<32 | p.pings)
	p.send(f)
	p.until(fmt.Sprintf("PONG with %x", f.payload), func() bool { return p.pongs[string(f.payload)] })
}

// greet sends HELLO and waits for that of the echo.
func (p *peer) greet(h hello) {
	p.send(h.frame())
	p.until("HELLO", func() bool { return p.peer != nil })
}

// breach sends frames as one message, of which the last breaks a rule, and
// wants that to be answered as rule 10 says.
func (p *peer) breach(code uint32, frames ...frame) {
	last := len(frames) - 1
	for _, f := range frames[:last] {
		p.note(">  %v", f)
		p.given(f)
	}
	p.note(">! %v", frames[last])
	p.transmit(message(frames...))
	p.wantFail(code)
}

// breachBytes is breach with a message as it is on the wire.
func (p *peer) breachBytes(code uint32, msg []byte) {
	p.note(">! %d bytes %.40x", len(msg), msg)
	p.transmit(msg)
	p.wantFail(code)
}

// wantFail waits for FAIL on 0 with this code and then for the end.
func (p *peer) wantFail(code uint32) {
	p.silent = true
	p.hoped = fmt.Sprintf("want FAIL on 0 with code %d; ", code)
	deadline := time.Now().Add(max(time.Second, p.wait/2))
	for p.failed == nil {
		if p.over {
			p.fail("10", "the transport has ended without it")
		}
		if !p.pump(deadline) && !p.over {
			p.fail("10", "it does not come")
		}
	}
	p.hoped = ""
	if p.failed.code != code {
		p.fail("10", "want FAIL on 0 with code %d, not %d %q", code, p.failed.code, p.failed.reason)
	}
	p.wantEnd()
}

// wantEnd waits until the echo has ended the transport, which it does by
// itself a second after its FAIL. Nothing more may come.
func (p *peer) wantEnd() {
	p.silent = true
	p.linger()
	deadline := time.Now().Add(max(2*time.Second, p.wait))
	for !p.over {
		if !p.pump(deadline) && !p.over {
			p.fail("10", "the session is over, and the echo does not end the transport")
		}
	}
}

// bye ends the session in order: what lives is broken off, and both say
// goodbye. It is what every case ends with whose session still lives.
func (p *peer) bye() {
	var words []frame
	for _, n := range sorted(p.own) {
		if s := p.own[n]; s.said == nil {
			words = append(words, failFrame(n, codeCanceled, "the case is over"))
		}
	}
	for _, n := range sorted(p.theirs) {
		if s := p.theirs[n]; s.closed == nil {
			words = append(words, closeFrame(n, s.receipt(), ""))
		}
	}
	if !p.saidClose && !p.saidEnd {
		words = append(words, closeFrame(0, codeShutdown, "the case is over"))
	}
	if !p.saidEnd {
		words = append(words, endFrame(0))
	}
	if len(words) > 0 {
		p.send(words...)
	}
	p.parted()
}

// parted waits for the echo's words on 0 after the suite's own, letting go of
// answers that cross them.
func (p *peer) parted() {
	p.until("END on 0 and the last word on every stream", func() bool {
		for _, n := range sorted(p.theirs) {
			if s := p.theirs[n]; s.closed == nil {
				p.send(closeFrame(n, s.receipt(), ""))
			}
		}
		return p.heardEnd && p.living() == 0
	})
	p.send(failFrame(0, codeDone, ""))
	deadline := time.Now().Add(p.wait)
	for p.failed == nil && !p.over && p.pump(deadline) {
	}
	if p.failed == nil || p.failed.code != codeDone {
		p.fail("12", "want the goodbye, FAIL on 0 with code 0, after END on 0 of both sides and the end of every stream")
	}
	p.wantEnd()
}

// receipt is the code to close an answer with: 0 once its end was seen.
func (s *stream) receipt() uint32 {
	if s.said != nil {
		return codeDone
	}
	return codeCanceled
}

// sorted is the numbers of streams, in order.
func sorted(set map[uint32]*stream) []uint32 {
	numbers := make([]uint32, 0, len(set))
	for n := range set {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}

// stall writes on the byte stream below the messages: a length of its own
// choice, and whatever is to come after it.
func (p *peer) stall(length uint32, body []byte) {
	if p.raw == nil {
		p.skip("this transport is no byte stream")
	}
	p.note(">! a message of %d bytes is announced, %d follow", length, len(body))
	b := binary.BigEndian.AppendUint32(nil, length)
	if _, err := p.raw.Write(append(b, body...)); err != nil {
		p.note(">  not sent: %v", err)
	}
}
