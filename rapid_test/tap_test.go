package laws

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// A wire is the transport between two sessions with a tap at each end, which
// sees a message just before it is sent and just after it was received.
type wire struct {
	h    *history
	taps [2]*tap

	mu       sync.Mutex
	messages int // sent, by both sides
}

// A tap is a transport.Conn that reads along.
type tap struct {
	transport.Conn
	w    *wire
	side int
	view view

	pauses [2]*rand.Rand // of Send and of Recv, each with one caller at a time
	joined []byte
}

func newWire(h *history, a, b transport.Conn) *wire {
	w := &wire{h: h}
	for i, conn := range []transport.Conn{a, b} {
		t := &tap{Conn: conn, w: w, side: i}
		t.view = view{h: h, side: i, own: map[uint32]*lane{}, theirs: map[uint32]*lane{}}
		for j := range t.pauses {
			t.pauses[j] = rand.New(rand.NewPCG(h.p.Seed, uint64(2*i+j)))
		}
		w.taps[i] = t
	}
	return w
}

// pause lets others go first, or time pass.
func (t *tap) pause(r *rand.Rand) {
	switch n := r.IntN(8); {
	case n == 0 && t.w.h.p.Pauses:
		time.Sleep(time.Duration(r.IntN(200)) * time.Microsecond)
	case n < 4:
		for range n {
			runtime.Gosched()
		}
	}
}

func (t *tap) Send(ctx context.Context, msg []byte) error {
	t.sees(msg, true)
	t.pause(t.pauses[0])
	return t.Conn.Send(ctx, msg)
}

// SendBuffers is Send of several pieces.
func (t *tap) SendBuffers(ctx context.Context, bufs [][]byte) error {
	t.joined = t.joined[:0]
	for _, b := range bufs {
		t.joined = append(t.joined, b...)
	}
	t.sees(t.joined, true)
	t.pause(t.pauses[0])
	if v, ok := t.Conn.(transport.BuffersSender); ok {
		return v.SendBuffers(ctx, bufs)
	}
	return t.Conn.Send(ctx, t.joined)
}

func (t *tap) Recv(ctx context.Context) ([]byte, error) {
	msg, err := t.Conn.Recv(ctx)
	if err == nil {
		t.pause(t.pauses[1])
		t.sees(msg, false)
	}
	return msg, err
}

func (t *tap) SetReadLimit(n int) {
	if l, ok := t.Conn.(transport.Limiter); ok {
		l.SetReadLimit(n)
	}
}

// sees takes a message to account, and cuts the wire when it is time.
func (t *tap) sees(msg []byte, sent bool) {
	w := t.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if sent {
		w.messages++
		if w.messages == w.h.p.Cut {
			for _, other := range w.taps {
				go other.Conn.Close() // it ends what waits, also this Send
			}
		}
	}
	frames, err := parseMessage(msg)
	if err != nil {
		w.h.broke(10, "side %d, sent %v: %v", t.side, sent, err)
		return
	}
	var again []byte
	for _, f := range frames {
		again = f.append(again)
		t.view.frame(&f, sent)
	}
	if !bytes.Equal(again, msg) {
		w.h.broke(10, "a message does not parse into what it was made of:\n%x\n%x", msg, again)
	}
	t.view.budget()
}

// atRest compares the two taps when nothing is on its way.
func (w *wire) atRest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, t := range w.taps {
		for _, l := range t.view.theirs {
			t.view.room(l)
		}
		for id, l := range t.view.own {
			other := w.taps[1-i].view.theirs[id]
			if other == nil || *l != *other {
				w.h.broke(8, "half %d: at rest side %d counts %+v, the other %+v", l.key, i, *l, other)
			}
		}
	}
}

// stats holds a session's own counters to what the tap saw.
func (w *wire) stats(side int, st mux.Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var accepted, arrived, taken, bytesIn uint64
	for key, r := range w.h.halves {
		if w.h.p.writerSide(key) == side {
			accepted += uint64(r.account.written)
		} else {
			taken += uint64(r.taken)
		}
	}
	for _, l := range w.taps[side].view.theirs {
		arrived += l.items
		bytesIn += l.bytes
	}
	if st.ItemsSent != accepted {
		w.h.broke(11, "side %d: %d items were accepted from writers, it counts %d", side, accepted, st.ItemsSent)
	}
	if st.ItemsReceived != arrived || st.BytesReceived != bytesIn {
		w.h.broke(11, "side %d: %d items and %d bytes arrived, it counts %d and %d", side, arrived, bytesIn, st.ItemsReceived, st.BytesReceived)
	}
	if arrived != taken+st.ItemsDropped {
		w.h.broke(11, "side %d: %d items arrived, %d were taken and %d dropped", side, arrived, taken, st.ItemsDropped)
	}
}

// sum checks that what was written and not sent was dropped for a reason.
func (w *wire) sum() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.taps {
		for _, l := range t.view.own {
			written := uint64(w.h.halves[l.key].account.written)
			if l.items > written || l.items < written && l.code == 0 {
				w.h.broke(11, "half %d: %d items were written and %d sent, and it was closed with code %d", l.key, written, l.items, l.code)
			}
		}
	}
}
