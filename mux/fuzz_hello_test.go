package mux

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// FuzzHello takes a HELLO by its fields and a first message as it comes. What
// is parsed is encoded to the same bytes (L10), and a session that gets it
// ends with the code of SPEC.md or works within the limits it was told.
func FuzzHello(f *testing.F) {
	const most = 1<<32 - 1
	f.Add(byte(1), uint32(16), uint32(4), uint32(4), uint32(64), []byte("m"), []byte(nil))
	f.Add(byte(1), uint32(0), uint32(0), uint32(0), uint32(0), []byte(nil), []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(byte(255), uint32(1<<24), uint32(most), uint32(most), uint32(most), []byte("\xff"), join(wOpen(1, "")))
	f.Add(byte(0), uint32(1), uint32(1), uint32(1), uint32(0), []byte(nil), join(wHello(9, 1, 1, 9, ""), wOpen(1, ""), wEnd(0)))
	f.Add(byte(1), uint32(1<<24+1), uint32(1), uint32(1), uint32(1), []byte(nil), join(wHello(9, 1, 1, 9, ""))[:20])
	f.Add(byte(1), uint32(9), uint32(1), uint32(0), uint32(0), bytes.Repeat([]byte("m"), maxMetadata), []byte{0})
	f.Fuzz(func(t *testing.T, version byte, maxItem, streams, items, size uint32, metadata, raw []byte) {
		h := hello{version, maxItem, streams, items, size, metadata}
		whole := h.append(nil)
		payload := "OMNI" + string([]byte{version}) + u32s(maxItem, streams, items, size) + string(metadata)
		if want := (rawFrame{0, 0, payload}).append(nil); !bytes.Equal(whole, want) {
			t.Fatalf("%+v is encoded as %x, want %x", h, whole, want)
		}
		helloAgain(t, whole)
		helloAgain(t, rawFrame{0, 0, string(raw)}.append(nil))
		synctest.Test(t, func(t *testing.T) { greetBy(t, whole) })
		if len(raw) > 0 {
			synctest.Test(t, func(t *testing.T) { greetBy(t, raw) })
		}
	})
}

// helloAgain parses a HELLO and encodes what was found.
func helloAgain(t *testing.T, whole []byte) {
	f, _, bad := cutFrame(whole)
	if bad != nil {
		t.Fatalf("%x is cut: %v", whole, bad)
	}
	h, bad := parseHello(f)
	code := helloCode(rawFrame{byte(f.typ), f.stream, string(f.payload)})
	if bad == nil && code != 0 || bad != nil && bad.Code != code {
		t.Fatalf("%x gives %v, want code %d", whole, bad, code)
	}
	if bad == nil && !bytes.Equal(h.append(nil), whole) {
		t.Fatalf("%x is encoded as %x", whole, h.append(nil))
	}
}

// helloCode is what SPEC.md says to the first frame of all (rules 1 and 9), 0
// if it is in order. It is written from the text, not from the code.
func helloCode(f rawFrame) omni.Code {
	p := f.payload
	switch {
	case f.typ != 0:
		return 2
	case len(p) >= 4 && p[:4] != "OMNI", len(p) > 4 && p[4] == 0:
		return 9
	case f.stream != 0, len(p) < 21:
		return 2
	case len(p) > 21+16<<10:
		return 4
	}
	l := limitsOf(p)
	if l.maxItem > 1<<24 || l.items > 0 && l.bytes < l.maxItem {
		return 2
	}
	return 0
}

// limits are what a side says in its HELLO.
type limits struct{ maxItem, streams, items, bytes uint32 }

func limitsOf(payload string) limits {
	u32 := func(i int) uint32 { return binary.BigEndian.Uint32([]byte(payload[i:])) }
	return limits{u32(5), u32(9), u32(13), u32(17)}
}

// greetBy gives a session a first message: a HELLO, or anything.
func greetBy(t *testing.T, msg []byte) {
	cfg := small1(t)
	s, p := meet(t, cfg)
	p.next("its HELLO")
	p.sendBytes(msg)
	frames, err := split(msg)
	code := omni.CodeProtocol // of a cut frame
	switch {
	case len(msg) > minMessage:
		code = omni.CodeTooLarge // nothing in it counts
	case len(frames) > 0:
		code = helloCode(frames[0])
	}
	switch {
	case code != 0:
		p.wantFail("a bad HELLO", code)
		<-s.Done()
		var se *omni.StreamError
		_, peerErr := s.Peer(t.Context())
		if !errors.As(s.Err(), &se) || se.Code != code || !errors.As(peerErr, &se) || se.Code != code {
			t.Fatalf("Err is %v, Peer's %v, the peer was told %d", s.Err(), peerErr, code)
		}
	case err == nil && len(frames) == 1:
		useHello(t, s, p, limitsOf(frames[0].payload), frames[0].payload[21:])
	default: // a HELLO, and something behind it
		wantAnswerOrEnd(t, s, p)
	}
}

// wantAnswerOrEnd fails the test if the session neither answers a PING nor has
// ended.
func wantAnswerOrEnd(t *testing.T, s *Session, p *rawPeer) {
	// If the transport has ended, that shows below.
	_ = p.conn.Send(t.Context(), join(wPing(4711)))
	for _, f := range p.pending() {
		if f == wPong(4711) {
			return
		}
	}
	select {
	case <-s.Done():
	case <-time.After(2 * lingerTime):
		t.Fatalf("neither a PONG nor an end, but %v", p.pending())
	}
}

// useHello moves an item each way, within the limits of the peer.
func useHello(t *testing.T, s *Session, p *rawPeer, l limits, metadata string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got := noErr[[]byte](t)(s.Peer(ctx)); string(got) != metadata {
		t.Fatalf("metadata %.40q, want %.40q", got, metadata)
	}
	if n := noErr[int](t)(s.MaxItem(ctx)); n != int(l.maxItem) {
		t.Fatalf("MaxItem %d, want %d", n, l.maxItem)
	}
	p.send(wOpen(1, "in"), wData(1, "item"), wEnd(1))
	in := accept(t, s).Producer()
	wantItem(t, in, "item")
	_, _ = in.Next(t.Context()) // that it was the end, the wire says
	p.want("what came was read", wClose(1, 0, ""))
	c, err := s.Open(ctx, []byte("m"))
	if l.streams == 0 {
		wantIs(t, "Open without a slot", err, context.DeadlineExceeded)
		p.wantIdle("no slot")
		return
	}
	must(t, err)
	p.want("it opens", wOpen(1, "m"))
	if l.maxItem < 1<<12 {
		wantIs(t, "an item too long", c.Write(ctx, make([]byte, l.maxItem+1)), omni.ErrTooLarge)
	}
	item := strings.Repeat("x", int(min(l.maxItem, 1000)))
	written := make(chan error, 1)
	go func() { written <- c.Write(t.Context(), []byte(item)) }()
	if l.items == 0 {
		p.wantIdle("no credit")
		p.send(wRequest(1, 1, uint64(len(item))))
	}
	p.want("it writes", wData(1, item))
	must(t, <-written)
	must(t, c.End())
	p.want("it ends", wEnd(1))
	p.send(wClose(1, 0, ""))
	<-c.Done()
	must(t, c.Err())
}
