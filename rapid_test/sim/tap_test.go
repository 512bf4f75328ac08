package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

	"omnistreams.dev/transport"
)

// The types of frames, from SPEC.md.
const (
	frHello = iota
	frOpen
	frData
	frEnd
	frFail
	frRequest
	frClose
)

// A frame is a header with its payload.
type frame struct {
	typ     byte
	stream  uint32
	payload []byte
}

// cut takes the first frame off a message; ok is false if there is none.
func cut(msg []byte) (f frame, rest []byte, ok bool) {
	if len(msg) < 9 {
		return f, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(msg[5:]))
	if n > uint64(len(msg)-9) {
		return f, nil, false
	}
	end := 9 + int(n)
	return frame{msg[0], binary.BigEndian.Uint32(msg[1:]), msg[9:end:end]}, msg[end:], true
}

// A tap is the transport.Conn of one end, which reads along: what is sent
// just before that, what is received just after.
type tap struct {
	transport.Conn
	l      *link
	side   int
	joined []byte
	nth    int // messages received
}

func (t *tap) Send(ctx context.Context, msg []byte) error {
	t.l.sees(t.side, true, msg, 0)
	return t.Conn.Send(ctx, msg)
}

// SendBuffers is Send of several pieces.
func (t *tap) SendBuffers(ctx context.Context, bufs [][]byte) error {
	t.joined = t.joined[:0]
	for _, b := range bufs {
		t.joined = append(t.joined, b...)
	}
	return t.Send(ctx, t.joined)
}

func (t *tap) Recv(ctx context.Context) ([]byte, error) {
	msg, err := t.Conn.Recv(ctx)
	switch {
	case err == nil:
		t.l.sees(t.side, false, msg, t.nth)
		t.nth++
	case errors.Is(err, io.ErrUnexpectedEOF):
		t.l.w.hit(cutInMessage)
	case err == io.EOF && !t.l.goodbye(t.side):
		t.l.w.hit(cutBetween)
	}
	return msg, err
}

// SetReadLimit passes the session's limit on, without which a flipped length
// would be believed.
func (t *tap) SetReadLimit(n int) { t.Conn.(transport.Limiter).SetReadLimit(n) }

// sees takes a message to account; nth counts those received.
func (l *link) sees(side int, sent bool, msg []byte, nth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := side
	if !sent {
		from = 1 - side
	}
	if l.lines[from].plan.FlipAt >= 0 {
		if sent {
			l.sent[from] = append(l.sent[from], bytes.Clone(msg))
		} else {
			l.classify(from, msg, nth)
		}
	}
	if l.blind {
		return
	}
	for len(msg) > 0 {
		f, rest, ok := cut(msg)
		if !ok {
			l.w.blame("session %d end %d: a message does not parse: %x", l.n, side, msg)
			return
		}
		l.views[side].frame(f, sent)
		msg = rest
	}
}

// classify compares a message with what was sent. If it differs inside the
// payload of one DATA frame, only an item has changed. A flip that was never
// classified hit a length, which lets everything behind it be misread.
func (l *link) classify(from int, got []byte, nth int) {
	if nth >= len(l.sent[from]) {
		l.misread()
		return
	}
	want := l.sent[from][nth]
	l.sent[from][nth] = nil
	if bytes.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		l.misread()
		return
	}
	for len(want) > 0 {
		w, restWant, ok1 := cut(want)
		g, restGot, ok2 := cut(got)
		if !ok1 || !ok2 || g.typ != w.typ || g.stream != w.stream || len(g.payload) != len(w.payload) {
			l.misread()
			return
		}
		if !bytes.Equal(g.payload, w.payload) {
			if w.typ != frData {
				l.misread()
				return
			}
			l.w.hit(flippedItem)
			l.spoiled.Store(true)
			l.harmless[from].Store(true)
		}
		want, got = restWant, restGot
	}
}

// misread ends what can be said about the wire.
func (l *link) misread() {
	if !l.blind {
		l.w.hit(flippedFrame)
	}
	l.blind = true
	l.harm("flip")
}
