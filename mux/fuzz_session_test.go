package mux

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// FuzzSession plays a live session with its application from bytes: a scripted
// peer sends typed frames, most of them in order, and the application calls.
// Who breaks a rule is told so with the code of SPEC.md, who keeps them never;
// what the session sends keeps them too, credit above all; no call is left
// waiting for what is there (see laws) or after the end.
func FuzzSession(f *testing.F) {
	for _, program := range [][]byte{
		{0, 0x44, opOpen, 0, opData, 0, 3, opAccept, opNext, 0, opEnd, 0, opNext, 0, opNext, 0},
		{1, 0x44, opDial, 0, opWrite, 0, 5, opWrite, 0, 5, opRequest, 0, 9, opFinish, 0, opClose, 0, 0},
		{2, 0x11, opDial, 1, opWrite, 0, 2, opOpen, 2, opData, 0, 1, opEnd, 0, opNext, 0, opNext, 0, opFinish, 0, opClose, 0, 0},
		{3, 0x23, opOpen, 1, opAccept, opReply, 0, opWrite, 0, 4, opEnd, 0, opNext, 0, opFinish, 0, opClose, 0, 0, opBye, 1, opBye, 0},
		{0, 0x44, together + opOpen, 0, together + opData, 0, 3, opEnd, 0, opAccept, opNext, 0, opNext, 0},
		{4, 0x23, opOpen, 0, opAccept, opQuit, 1, 5, opFail, 0, 2, opOpen, 1, opAccept, opRefuse, 0},
		{5, 0x23, opDial, 0, opWrite, 0, 1, opBreak, 0, 7, opDial, 0, opClose, 0, 3, opWrite, 1, 1},
		{0, 0x81, opPing, opSleep, 40, opShutdown, opSleep, 200, opPong, 1, opOther, 200, 0, 3},
		{0, 0x44, opOpen, 0, opAccept, opNext, 0, opFail, 0, 2, opOpen, 1, opAccept, opShutdown, opReply, 1, opFinish, 0, opSleep, 1},
		// Breaches, one each.
		{0, 0x44, opOpen, 0, opData, 0, 1, opData, 0, 1, opData, 0, 1, opData, 0, 1, wild + opData, 0, 1},
		{0, 0x44, opOpen, 0, opOpen, 0, opOpen, 1, opOpen, 0, wild + opOpen, 1},
		{0, 0x44, opOpen, 0, opEnd, 0, wild + opEnd, 0},
		{0, 0x44, opDial, 0, wild + opClose, 0, 0},
		{0, 0x44, opDial, 0, wild + opRequest, 0, 255},
		{0, 0x44, opDial, 1, opOpen, 2, wild + opOpen, 2},
		{0, 0x44, opDial, 1, together + opClose, 0, 16, wild + opOpen, 2},
		{0, 0x44, opDial, 1, opFinish, 0, wild + opClose, 0, 0},
		{0, 0x44, opBye, 0, wild + opBye, 1},
		{0, 0x44, opOpen, 0, wild + opData, 0xff, 3},
		{0, 0x44, opOpen, 0, wild + opData, 0, 60, opOpen},
		{1, 0x44, wild + opOther, 20, 1, 4},
		{0, 0x44, wild + opCut, 3},
	} {
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 200 {
			return // more of the same
		}
		synctest.Test(t, func(t *testing.T) {
			p := newPlayer(t, program)
			for len(p.program) > 0 && !p.over {
				p.step()
			}
			p.finish()
		})
	})
}

// What a byte of the program does, in its low five bits. First the peer's
// frames, then what the application calls.
const (
	opOpen = iota
	opData
	opEnd
	opFail
	opRequest
	opClose
	opPong
	opBye   // a word on stream 0
	opOther // another type, or any payload
	opCut   // a message that is none
	opAccept
	opNext
	opQuit // the reader's Cancel
	opDial // Open or Call
	opWrite
	opFinish // the writer's End
	opBreak  // the writer's Cancel
	opReply
	opRefuse
	opPing
	opShutdown
	opSleep
	opAsk // the reader's Request
	ops

	hasty    = 0x20 // do not wait until all is quiet before
	together = 0x40 // in one message with the next frame
	wild     = 0xc0 // the frame need not be in order
)

// player is the scripted peer of a session, and its application.
type player struct {
	*rawPeer
	s       *Session
	ledger  ledger
	program []byte
	ending  byte       // how the session ends at last
	mute    bool       // PINGs are not answered by themselves
	batch   []byte     // of a message that is not given yet
	pings   []rawFrame // that the session has sent
	expect  omni.Code  // of the FAIL that the peer has earned; 0 for none
	over    bool       // the session has said FAIL on 0, or ended
	app
}

// newPlayer starts a session over either transport and exchanges HELLOs.
func newPlayer(t *testing.T, program []byte) *player {
	p := &player{program: program}
	how, lim := p.byte(), p.byte()
	p.ending, p.mute = how>>1&3, how&8 != 0
	two := transport.Pair
	if how&1 != 0 {
		two = net2
	}
	ca, cb := two()
	p.s, p.rawPeer = meetOver(t, small1(t), ca, cb)
	l := limits{maxItem: uint32(lim >> 4), streams: uint32(lim >> 2 & 3), items: uint32(lim & 3)}
	l.bytes = l.maxItem * max(1, l.items)
	hello := p.next("its HELLO")
	if hello.typ != 0 || helloCode(hello) != 0 {
		t.Fatalf("its HELLO is %v", hello)
	}
	p.ledger = newLedger(l, limitsOf(hello.payload))
	p.send(wHello(l.maxItem, l.streams, l.items, l.bytes, ""))
	p.settle()
	return p
}

// byte takes the next of the program.
func (p *player) byte() (b byte) {
	if len(p.program) > 0 {
		b, p.program = p.program[0], p.program[1:]
	}
	return b
}

func (p *player) step() {
	b := p.byte()
	switch {
	case len(p.batch) > 0: // all was quiet before its first frame
	case b&hasty == 0 || b&wild == together:
		p.settle()
	default:
		p.drain()
	}
	if p.over {
		return
	}
	if op := b & 0x1f; op < opAccept {
		p.frame(op, b&wild)
	} else {
		p.flush()
		p.call(op)
	}
}

// frame sends a frame of the peer.
func (p *player) frame(op, how byte) {
	wild := how == wild
	var f rawFrame
	switch op {
	case opOpen:
		f = p.openFrame(wild)
	case opData:
		id := p.pick(thePeer, wild)
		n := p.byte() % 64
		if !wild {
			n %= 17
		}
		f = wData(id, strings.Repeat(string('a'+n%26), int(n)))
	case opEnd:
		f = wEnd(p.pick(thePeer, wild))
	case opFail:
		f = wFail(p.pick(thePeer, wild), omni.Code(p.byte()), "broken")
	case opRequest:
		f = p.requestFrame(wild)
	case opClose:
		f = wClose(p.pick(theSession, wild), omni.Code(p.byte()/8), "enough")
	case opPong:
		f = wPong(uint64(p.byte()))
		if len(p.pings) > 0 && !wild {
			f = p.pings[len(p.pings)-1]
			f.typ = byte(framePong)
		}
	case opBye:
		f = [...]rawFrame{wEnd(0), wClose(0, 8, "bye"), wFail(0, 0, ""), wFail(0, 300, "bye")}[p.byte()%4]
	case opOther:
		f = p.anyFrame()
	case opCut:
		p.cutFrame(p.byte(), wild)
		return
	}
	p.play(f, how)
}

// pick chooses one of the streams that a side has opened and that live; wild
// may miss it.
func (p *player) pick(side int, wild bool) uint32 {
	x := p.byte()
	ids := slices.Sorted(maps.Keys(p.ledger[side].open))
	id := p.ledger[side].next - 1 // which does not live, or is 0
	if len(ids) > 0 {
		id = ids[int(x)%len(ids)]
	}
	if wild && x >= 0xc0 {
		id += uint32(x) - 0xe0
	}
	return id
}

func (p *player) openFrame(wild bool) rawFrame {
	x := p.byte()
	id := p.ledger[thePeer].next
	if wild && x >= 0xc0 {
		id += uint32(x) - 0xe0
	}
	tag := fmt.Sprint("stream ", id)
	switch x % 3 {
	case 0:
		return wOpen(id, tag)
	case 1:
		return wCall(id, tag)
	}
	calls := slices.Sorted(maps.Keys(p.ledger[theSession].open))
	for _, c := range calls {
		if p.ledger[theSession].open[c].kind == kindCall {
			return wAnswer(id, c, tag)
		}
	}
	return wAnswer(id, uint32(x), tag)
}

func (p *player) requestFrame(wild bool) rawFrame {
	id := p.pick(theSession, wild)
	x := uint64(p.byte())
	if wild && x >= 0xf0 {
		return wRequest(id, 1<<53-0xf8+x, 1<<53) // about the most that is allowed
	}
	items, bytes := x%8, x*2
	if e := p.ledger[theSession].open[id]; e != nil {
		items, bytes = items+uint64(len(e.sent)), bytes+e.size
	}
	if x == 7 {
		bytes = 1<<53 - 1 // not counted
	}
	return wRequest(id, items, bytes)
}

// anyFrame is of any type, with any short payload.
func (p *player) anyFrame() rawFrame {
	f := rawFrame{typ: p.byte(), stream: uint32(p.byte() % 4)}
	n := min(int(p.byte()%32), len(p.program))
	f.payload, p.program = string(p.program[:n]), p.program[n:]
	return f
}

// cutFrame sends a message that is no row of frames, which is code 2, or is
// too long, which is code 4.
func (p *player) cutFrame(x byte, wild bool) {
	if !wild {
		return
	}
	msg, code := join(wPing(1), wPing(2))[:18+x%16], omni.CodeProtocol
	if x%16 == 0 || x == 0xff {
		msg, code = join(rawFrame{200, 0, strings.Repeat("x", minMessage)}), omni.CodeTooLarge
	} else if x%16 == 1 {
		msg = join(wPing(1))[:8]
	}
	if p.settle(); !p.over {
		p.expect = code
		p.give(msg)
		p.settle()
	}
}

// play sends a frame if it is in order, or if it is to be wild: then all must
// be quiet, so that the books of both sides are the same. They are within a
// message, too, since the session takes that as a whole.
func (p *player) play(f rawFrame, how byte) {
	code := p.ledger.check(thePeer, f)
	if code != 0 && how != wild {
		p.flush()
		return
	}
	last := code != 0 || f.typ == byte(frameFail) && f.stream == 0
	if last && len(p.batch) == 0 {
		if p.settle(); p.over {
			return
		}
		code = p.ledger.check(thePeer, f)
	}
	if code == 0 {
		p.ledger.book(thePeer, f)
	}
	p.expect = code
	p.batch = f.append(p.batch)
	if how == together && !last {
		return
	}
	p.flush()
	if last {
		p.settle()
	}
}

// flush gives the message that was kept for more frames.
func (p *player) flush() {
	if len(p.batch) > 0 {
		p.give(p.batch)
		p.batch = nil
	}
}

// give sends a message. That the transport has ended is seen by drain.
func (p *player) give(msg []byte) { _ = p.conn.Send(p.t.Context(), msg) }

// settle waits until all is quiet, and then holds the session to the laws.
func (p *player) settle() {
	p.flush()
	for {
		synctest.Wait()
		if !p.drain() {
			break // nothing had to be answered
		}
	}
	switch {
	case p.expect != 0 && !p.over:
		p.t.Fatalf("a breach with code %d passed", p.expect)
	case !p.over:
		p.laws()
	}
}

// drain books what the session has sent, and says whether it had to answer.
func (p *player) drain() (answered bool) {
	p.mu.Lock()
	got, err := p.got, p.err
	p.got = nil
	p.mu.Unlock()
	for _, f := range got {
		p.judge(f)
		if f.typ == byte(framePing) {
			p.pings = append(p.pings, f)
			if !p.mute && !p.over {
				f.typ = byte(framePong)
				p.give(join(f))
				answered = true
			}
		}
	}
	p.over = p.over || err != nil
	return answered
}

// finish ends the session and waits for all calls. The bubble would not end
// if a goroutine were left.
func (p *player) finish() {
	if !p.over {
		p.settle()
	}
	began := time.Now()
	switch p.ending {
	case 0:
		p.closed = true
		p.s.Close()
	case 1:
		p.cut()
	case 2:
		p.shutdown()
		p.settle()
		p.cut()
	default:
		p.play(wFail(0, 300, "the end"), 0)
		p.settle()
		p.cut()
	}
	<-p.s.Done()
	if took := time.Since(began); took > 3*time.Second {
		p.t.Fatalf("the end took %v", took)
	}
	p.calls.Wait()
	p.drain()
	p.readOut()
}
