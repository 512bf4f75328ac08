package mux

import "encoding/binary"

// pinger holds what is to be said of PING and PONG: state, not a queue. Of
// our own PINGs only the newest need go out, of the peer's only the newest
// need be answered, since a PONG answers its PING and every older one.
type pinger struct {
	last     uint64 // number of our newest PING, which is its payload
	given    uint64 // newest that went out
	ponged   uint64 // newest that was answered
	answered signal // ponged has grown

	pongDue bool
	pong    [8]byte // the peer's newest PING
}

func (p *pinger) due() bool { return p.pongDue || p.unsent() }

// unsent says whether our newest PING has not gone out.
func (p *pinger) unsent() bool { return p.given < p.last }

// next makes one more PING and returns its number.
func (p *pinger) next() uint64 {
	p.last++
	return p.last
}

func (p *pinger) asked(payload []byte) {
	p.pongDue = true
	copy(p.pong[:], payload)
}

// answer takes a PONG and reports whether it answers anything: one that
// nobody asked for means nothing.
func (p *pinger) answer(payload []byte) bool {
	n := binary.BigEndian.Uint64(payload)
	if n <= p.ponged || n > p.given {
		return false
	}
	p.ponged = n
	p.answered.fire()
	return true
}

// append appends what is due.
func (p *pinger) append(b []byte) []byte {
	if p.pongDue {
		p.pongDue = false
		b = append(appendHeader(b, framePong, 0, 8), p.pong[:]...)
	}
	if p.given < p.last {
		p.given = p.last
		b = binary.BigEndian.AppendUint64(appendHeader(b, framePing, 0, 8), p.last)
	}
	return b
}
