package conform

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"omnistreams.dev/transport"
)

// quiet is how long the echo is given to do what it must not do.
const quiet = 40 * time.Millisecond

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
	wrong  []frame                       // sent, though no echo may serve them
	over   bool                          // the transport has ended
	ended  error                         // what it ended with
	web    bool                          // it is a WebSocket
	silent bool                          // the suite says nothing of its own accord any more
	*outcome
}

// transmit hands bytes to the transport as one message. An error is no fault
// yet: the echo may have ended the session, which whoever waits finds.
func (p *peer) transmit(msg []byte) {
	most := 5 * p.wait
	ctx, cancel := context.WithTimeout(p.ctx, most)
	defer cancel()
	err := p.conn.Send(ctx, msg)
	switch {
	case err == nil:
	case p.ctx.Err() != nil:
		p.late()
	case ctx.Err() != nil:
		p.fail("11", "the echo reads nothing: a message of %d bytes could not be sent within %v", len(msg), most)
	default:
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

// slip sends frames that the ledger need not know of, but are in order.
func (p *peer) slip(frames ...frame) {
	for _, f := range frames {
		p.note(">  %v", f)
	}
	p.transmit(message(frames...))
}

// spoil sends frames of which none is in order.
func (p *peer) spoil(frames ...frame) {
	p.blame(frames...)
	p.transmit(message(frames...))
}

// blame notes frames that are about to be sent as wrong.
func (p *peer) blame(frames ...frame) {
	for _, f := range frames {
		p.note(">! %v", f)
	}
	p.wrong = append(p.wrong, frames...)
}

// pump takes one message and reports whether one came before the deadline.
func (p *peer) pump(deadline time.Time) bool {
	msg, err := p.in.next(p.ctx, deadline)
	if err != nil {
		if p.ctx.Err() != nil {
			p.late()
		}
		p.note("<  the transport ends: %v", err)
		p.over, p.ended = true, err
		return false
	}
	if msg == nil {
		return false
	}
	p.heard = true
	before := p.failed
	frames, err := p.taken(msg)
	for _, f := range frames {
		p.note("<  %v", f)
	}
	if err != nil && len(frames) > 0 && before == nil {
		if f := frames[len(frames)-1]; p.serves(f) != "" {
			p.fail("", "the echo sends %v: it serves %s, which is wrong", f, p.serves(f))
		}
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

// serves is the wrong frame that the echo would send f for, "" if there is
// none: then f is a fault of its own.
func (p *peer) serves(f frame) string {
	n := f.stream
	switch a := p.theirs[n]; {
	case f.form() != nil:
		return ""
	case f.typ == tOpen:
		_, n, _ = f.opening()
	case f.typ == tData || f.typ == tEnd || f.typ == tFail:
		if a == nil {
			return ""
		}
		n = a.call.number
	}
	for _, w := range p.wrong {
		if n != 0 && w.stream == n && (w.typ == tOpen || f.typ != tOpen && w.typ >= tData && w.typ <= tFail) {
			return fmt.Sprintf("%s %d", typeNames[w.typ], n)
		}
	}
	return ""
}

// late ends a case for whose length the suite is to blame, or whoever stops it.
func (p *peer) late() {
	what := ""
	if p.waits != nil {
		what = "; the last it waited for: " + p.waits()
	}
	p.fail("", "%v%s", context.Cause(p.ctx), what)
}

// until takes messages until ok, which must be before the time to wait is over.
func (p *peer) until(what string, ok func() bool) {
	p.untilOf(func() string { return what }, ok)
}

// untilOf is until with words for what is missing when it is.
func (p *peer) untilOf(what func() string, ok func() bool) {
	p.waits = what
	for deadline := time.Now().Add(p.wait); !ok(); {
		switch {
		case p.failed != nil:
			p.fail("", "want %s; the echo ends the session with code %d %q", what(), p.failed.code, p.failed.reason)
		case p.over:
			p.fail("", "want %s; the transport has ended%s", what(), itsLog)
		case !p.pump(deadline) && !p.over:
			p.fail("", "want %s; it does not come within %v", what(), p.wait)
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
	p.absent = p.peer == nil
	p.until("HELLO", func() bool { return p.peer != nil })
	p.absent = false
}

// breach sends frames as one message, of which the last breaks a rule, and
// wants that to be answered as rule 10 says.
func (p *peer) breach(code uint32, frames ...frame) {
	last := len(frames) - 1
	for _, f := range frames[:last] {
		p.note(">  %v", f)
		p.given(f)
	}
	p.blame(frames[last])
	p.transmit(message(frames...))
	p.wantFail(code)
}

// breachBytes is breach with a message as it is on the wire.
func (p *peer) breachBytes(code uint32, msg []byte) {
	p.note(">! %d bytes %.40x", len(msg), msg)
	for f, rest, err := cut(msg); err == nil; f, rest, err = cut(rest) {
		p.wrong = append(p.wrong, f)
	}
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
			p.fail("10", "the transport has ended without it%s", itsLog)
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
	p.untilOf(p.missing, func() bool {
		for _, n := range sorted(p.theirs) {
			if s := p.theirs[n]; s.closed == nil {
				p.send(closeFrame(n, s.receipt(), ""))
			}
		}
		return p.heardEnd && p.living() == 0
	})
	p.send(failFrame(0, codeDone, ""))
	p.wantGoodbye("both have said END on 0 and no stream lives")
	p.wantEnd()
}

// wantGoodbye waits for FAIL on 0 with code 0, which is due.
func (p *peer) wantGoodbye(due string) {
	deadline := time.Now().Add(p.wait)
	for p.failed == nil && !p.over && p.pump(deadline) {
	}
	if p.failed == nil || p.failed.code != codeDone {
		p.fail("12", "want the goodbye, FAIL on 0 with code 0: %s", due)
	}
}

// missing is what the echo owes when the suite has said its last words.
func (p *peer) missing() string {
	var words []string
	for _, n := range sorted(p.theirs) {
		if s := p.theirs[n]; s.said == nil && s.closed != nil {
			words = append(words, fmt.Sprintf("FAIL %d, the answer to CLOSE %d", n, n))
		}
	}
	for _, n := range sorted(p.own) {
		if p.own[n].closed == nil {
			words = append(words, fmt.Sprintf("CLOSE %d", n))
		}
	}
	if !p.heardEnd {
		words = append(words, "END on 0")
	}
	if more := len(words) - 4; more > 0 {
		words = append(words[:4], fmt.Sprintf("%d more", more))
	}
	return strings.Join(words, "; ")
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
