package transport

import (
	"net"
	"sync/atomic"
	"time"
)

// Progress is how far a message is that is under way, in one direction.
type Progress struct {
	// Began is when the first byte of a message came that is here in part.
	// Zero if there is none, and for messages that go out: whoever called
	// Send knows.
	Began time.Time
	// Moved is when bytes of a message that was not complete yet came, or
	// went out, last. Zero if none ever did.
	Moved time.Time
}

// ProgressReporter is a Conn that tells how messages fare that are under way, so that a slow peer can
// be told from a dead one. The Conns of [Frame], [Dial], [Listen] and [Accept] are. Those of a
// [Pair] are not: their messages cross at once. That of [FromWebSocket], and in a browser that of
// Dial, knows nothing of what goes out, and in a browser of what comes in before it is whole.
type ProgressReporter interface {
	// Progress may be called at any time, by anyone, and does not wait. Bytes that go out are seen
	// as they are taken by what is below, in pieces of 60 KiB or less.
	Progress() (in, out Progress)
}

// pace notes when bytes move inside messages. It costs a look at the clock for each piece of a
// message that does not come, or go, as one.
type pace struct {
	base     time.Time
	inBegan  atomic.Int64 // ns since base, plus 1; 0 for never
	inMoved  atomic.Int64
	outMoved atomic.Int64
}

func newPace() *pace { return &pace{base: time.Now()} }

func (p *pace) now() int64 { return int64(time.Since(p.base)) + 1 }

// part is called when bytes came and their message is still not complete.
func (p *pace) part() {
	now := p.now()
	p.inMoved.Store(now)
	p.inBegan.CompareAndSwap(0, now)
}

// whole is called when a message is complete.
func (p *pace) whole() {
	if p.inBegan.Load() != 0 {
		p.inBegan.Store(0)
	}
}

// wrote is called when a piece of a message was taken.
func (p *pace) wrote() { p.outMoved.Store(p.now()) }

func (p *pace) at(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return p.base.Add(time.Duration(ns - 1))
}

// Progress implements ProgressReporter.
func (p *pace) Progress() (in, out Progress) {
	return Progress{p.at(p.inBegan.Load()), p.at(p.inMoved.Load())}, Progress{Moved: p.at(p.outMoved.Load())}
}

// writePaced is nc.Write in pieces, each of which is noted. A message may come
// in many calls: a WebSocket client's does, masked.
func (p *pace) writePaced(nc net.Conn, b []byte) (n int, err error) {
	for {
		piece := b[:min(len(b), maxWrite)]
		m, err := nc.Write(piece)
		n += m
		if err != nil {
			return n, err
		}
		p.wrote()
		if b = b[len(piece):]; len(b) == 0 {
			return n, nil
		}
	}
}
