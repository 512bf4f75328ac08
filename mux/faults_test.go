package mux

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// cutPipe is the end of a byte stream that ends after so many bytes written.
type cutPipe struct {
	net.Conn
	left int
}

func (c *cutPipe) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.left])
	c.left = 0
	c.Conn.Close()
	return n, errors.New("cut")
}

// outcome is what the ends of one side's streams saw.
type outcome struct {
	got     int   // items
	readErr error // after them
	wrote   int   // items for which Write returned nil
	sentErr error // the writer's Err when Done, or that of Open
}

// converse runs a short program on one side of a pair: it writes five items
// and ends, and reads what the other writes.
func converse(ctx context.Context, s *Session) (o outcome) {
	var both sync.WaitGroup
	both.Go(func() {
		c, err := s.Open(ctx, []byte("stream"))
		if err != nil {
			o.sentErr = err
			return
		}
		for i := range 5 {
			time.Sleep(time.Millisecond) // each in a message of its own: there are cuts between them
			if c.Write(ctx, []byte(strings.Repeat("x", i*7))) != nil {
				break
			}
			o.wrote++
		}
		time.Sleep(time.Millisecond)
		c.End()
		<-c.Done()
		o.sentErr = c.Err()
	})
	both.Go(func() {
		in, err := s.Accept(ctx)
		for err == nil {
			if _, err = in.Producer().Next(ctx); err == nil {
				o.got++
			}
		}
		o.readErr = err
	})
	both.Wait()
	return o
}

// TestN01CutAnywhere: the transport ends after every number of bytes of one
// direction. What was received is a prefix, both sides end, nothing hangs,
// and no end is made up.
func TestN01CutAnywhere(t *testing.T) {
	whole := false
	for n := 0; !whole; n++ {
		synctest.Test(t, func(t *testing.T) {
			ca, cb := net.Pipe()
			a := start(t, transport.Frame(&cutPipe{ca, n}), nil)
			b := start(t, transport.Frame(cb), nil)
			var oa, ob outcome
			var both sync.WaitGroup
			both.Go(func() { oa = converse(t.Context(), a); a.Shutdown(t.Context()) })
			both.Go(func() { ob = converse(t.Context(), b); b.Shutdown(t.Context()) })
			both.Wait()
			<-a.Done()
			<-b.Done()
			for _, o := range []struct{ r, w outcome }{{oa, ob}, {ob, oa}} {
				if o.r.got > 5 || o.r.readErr == io.EOF && o.r.got != 5 || o.r.readErr == nil {
					t.Fatalf("cut after %d: read %d items, then %v", n, o.r.got, o.r.readErr)
				}
				if o.w.sentErr == nil && o.r.readErr != io.EOF {
					t.Fatalf("cut after %d: the writer knows of an end that the reader has not seen: %v", n, o.r.readErr)
				}
				if o.r.got > o.w.wrote+1 {
					t.Fatalf("cut after %d: read %d of %d", n, o.r.got, o.w.wrote)
				}
			}
			whole = a.Err() == nil && b.Err() == nil
		})
		if n > 2000 {
			t.Fatal("the session never gets through")
		}
	}
}

// TestN11FlipAnyBit: every bit of a session's messages flipped, one at a
// time: an error, or other bytes in an item, metadata or reason; never a
// panic, a course without end, or items beyond what was granted.
func TestN11FlipAnyBit(t *testing.T) {
	cfg := simConfig{streams: 2, items: 2, maxItem: 16, bytes: 32, prefetch: 2}
	plans := [2][]simPlan{{{items: 8}, {call: true, items: 4}}, {{items: 6}}}
	play := func(flip int) (total int, w *world) {
		w = newWorld(cfg, 0, 4, plans)
		for step := 0; step < 2000; step++ {
			moves := w.moves()
			if len(moves) == 0 && !w.sides[0].drained {
				for _, s := range w.sides {
					s.e.drain("")
					s.drained = true
				}
				continue
			}
			if len(moves) == 0 {
				break
			}
			m := moves[0]
			if m.what == 'd' {
				msg := w.sides[m.side].inbox[0]
				if flip >= total && flip < total+8*len(msg) {
					msg[(flip-total)/8] ^= 1 << ((flip - total) % 8)
				}
				total += 8 * len(msg)
			}
			w.do(m)
		}
		return total, w
	}
	bits, w := play(-1)
	if w.fault != "" || w.sides[0].e.err != nil || !w.sides[0].e.over {
		t.Fatalf("unharmed: %s, %v", w.fault, w.sides[0].e.err)
	}
	t.Logf("%d bits", bits)
	unharmed := 0
	for flip := range bits {
		_, w := play(flip)
		for i, s := range w.sides {
			for _, in := range s.readers {
				if in.got > 20 {
					t.Fatalf("bit %d: side %d read %d items from one stream", flip, i, in.got)
				}
			}
		}
		if w.sides[0].e.err == nil && w.sides[1].e.err == nil {
			unharmed++
		}
	}
	if unharmed > bits/2 {
		t.Fatalf("%d of %d bits do not matter", unharmed, bits)
	}
}

// TestBadInputOverTCP: what is not this protocol, or breaks it, over real
// sockets: a clear error, this session's end and nobody else's.
func TestBadInputOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	connect := func(opt *Options) (*Session, net.Conn) {
		peer, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		conn, err := l.Accept()
		must(t, err)
		s, err := New(transport.Frame(conn), opt)
		must(t, err)
		return s, peer
	}
	ca, cb := tcp(t)
	living := start(t, transport.Frame(ca), nil)
	other := start(t, transport.Frame(cb), nil)
	c, in := streamPair(t, living, other)
	var all sync.WaitGroup

	framed := func(frames ...rawFrame) []byte {
		msg := join(frames...)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)
	}
	hello := wHello(16, 4, 4, 64, "")
	random := make([]byte, 1<<20)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	random[0] = 0xff // too long a message
	for _, row := range []struct {
		name  string
		bytes []byte
		is    error
	}{
		{"W10 random bytes", random, omni.ErrTooLarge},
		{"W10 an HTTP request", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), omni.ErrTooLarge},
		{"W10 a TLS hello", tlsHello(), omni.ErrTooLarge},
		{"a bad version", framed(rawFrame{0, 0, "OMNI\x00" + u32s(16, 1, 1, 16)}), omni.ErrVersion},
		{"another protocol", framed(rawFrame{0, 0, "HTTP\x01" + u32s(16, 1, 1, 16)}), omni.ErrVersion},
		{"a cut frame", framed(hello)[:20], io.ErrUnexpectedEOF},
		{"half a frame in a message", append(framed(hello), 0, 0, 0, 3, 1, 0, 0), omni.ErrProtocol},
		{"an oversized item", framed(hello, wOpen(1, ""), wData(1, strings.Repeat("x", 17))), omni.ErrTooLarge},
		{"a frame for a dead stream", framed(hello, wData(7, "x")), omni.ErrProtocol},
		{"DATA without credit", framed(hello, wOpen(1, ""), wData(1, ""), wData(1, ""), wData(1, ""), wData(1, ""), wData(1, "")), omni.ErrNoCredit},
	} {
		s, peer := connect(small())
		all.Go(func() {
			read := make(chan []byte)
			go func() {
				all, _ := io.ReadAll(io.LimitReader(peer, 1<<16))
				read <- all
			}()
			peer.Write(row.bytes) // perhaps nobody reads to the end
			if row.is == io.ErrUnexpectedEOF {
				peer.(*net.TCPConn).CloseWrite()
			}
			select {
			case <-s.Done():
			case <-time.After(8 * time.Second):
				t.Errorf("%s: the session goes on", row.name)
				s.Close()
			}
			peer.Close()
			if reply := <-read; len(reply) > 400 {
				t.Errorf("%s: answered with %d bytes", row.name, len(reply))
			}
			if err := s.Err(); !errors.Is(err, row.is) {
				t.Errorf("%s: %v, want %v", row.name, err, row.is)
			}
		})
		must(t, c.Write(t.Context(), []byte(row.name)))
		wantItem(t, in, row.name)
	}
	all.Wait()
	must(t, c.Write(t.Context(), []byte("still here")))
	wantItem(t, in, "still here")
}

// tlsHello is the first thing that a TLS client says.
func tlsHello() []byte {
	a, b := net.Pipe()
	go tls.Client(a, &tls.Config{ServerName: "example"}).Handshake()
	buf := make([]byte, 4096)
	n, _ := b.Read(buf)
	a.Close()
	b.Close()
	return buf[:n]
}

// TestVanishedPeer: when the peer is gone every stream is lost, over TCP too.
func TestVanishedPeer(t *testing.T) {
	for _, half := range []bool{true, false} {
		ca, cb := tcp(t)
		s := start(t, transport.Frame(ca), nil)
		cb.Write(binary.BigEndian.AppendUint32(nil, uint32(len(join(wHello(16, 4, 4, 64, ""), wOpen(1, ""), wData(1, "x"), wEnd(1))))))
		cb.Write(join(wHello(16, 4, 4, 64, ""), wOpen(1, ""), wData(1, "x"), wEnd(1)))
		in := accept(t, s)
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		d := noErr[*Duplex[[]byte, []byte]](t)(s.Call(t.Context(), nil))
		if half {
			cb.(*net.TCPConn).CloseWrite() // it ends in order, without a goodbye
		} else {
			cb.(*net.TCPConn).SetLinger(0)
			cb.Close()
		}
		<-s.Done()
		wantItem(t, in.Producer(), "x")
		_, err := in.Producer().Next(t.Context())
		wantLost(t, "a reader whose END was here", err)
		<-c.Done()
		wantLost(t, "a writer", c.Err())
		_, err = d.In.Next(t.Context())
		wantLost(t, "an answer", err)
		_, err = d.Metadata(t.Context())
		wantLost(t, "its metadata", err)
		cb.Close()
	}
}

// TestP15NilArguments: what must not be nil panics at the call.
func TestP15NilArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		d := noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), nil))
		in := accept(t, b)
		var none context.Context
		var r Router
		for name, f := range map[string]func(){
			"New":            func() { New(nil, nil) },
			"Open":           func() { a.Open(none, nil) },
			"Call":           func() { a.Call(none, nil) },
			"Accept":         func() { a.Accept(none) },
			"Ping":           func() { a.Ping(none) },
			"Peer":           func() { a.Peer(none) },
			"MaxItem":        func() { a.MaxItem(none) },
			"Shutdown":       func() { a.Shutdown(none) },
			"Metadata":       func() { d.Metadata(none) },
			"Reply":          func() { in.Reply(none, nil) },
			"Write":          func() { d.Out.Write(none, nil) },
			"Next":           func() { d.In.Next(none) },
			"Serve":          func() { a.Serve(none, func(context.Context, *Incoming) error { return nil }) },
			"a nil handler":  func() { a.Serve(t.Context(), nil) },
			"Handle":         func() { r.Handle("x", nil) },
			"a nil listener": func() { Serve(t.Context(), nil, nil, r.Serve) },
			"typed Open":     func() { Open[int](t.Context(), a, nil, nil) },
			"typed Call":     func() { Call[int, int](t.Context(), a, nil, nil, nil) },
			"As":             func() { As[int](in, nil) },
			"typed Reply":    func() { Reply[int](t.Context(), in, nil, nil) },
			"Encode":         func() { Encode[int](nil, nil) },
			"Decode":         func() { Decode[int](nil, nil) },
		} {
			wantPanic(t, name, f)
		}
		if st := a.Stats(); st.Opened != 1 {
			t.Errorf("a panic left a stream open: %+v", st)
		}
		if _, err := in.Reply(t.Context(), nil); err != nil {
			t.Errorf("a panic left an answer open: %v", err)
		}
		noErr[time.Duration](t)(a.Ping(t.Context()))
	})
}

// TestFaultsName is for people: an error says who, what and why.
func TestFaultsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wData(9, "x"))
		reason := p.wantFail("a dead stream", 2)
		for _, word := range []string{"DATA", "9"} {
			if !strings.Contains(reason, word) || !strings.Contains(fmt.Sprint(s.Err()), word) {
				t.Fatalf("%q does not name %s", reason, word)
			}
		}
	})
}
