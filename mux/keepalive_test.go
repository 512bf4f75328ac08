package mux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// pinging are options with a short keepalive: PING after 2 s of silence, dead
// 3 s later.
func pinging() *Options {
	return &Options{KeepAlive: 2 * time.Second, KeepAliveTimeout: 3 * time.Second}
}

// TestHelloTimeout: HELLO is due within 10 seconds, whatever the keepalive.
func TestHelloTimeout(t *testing.T) {
	for _, opt := range []*Options{nil, pinging()} {
		synctest.Test(t, func(t *testing.T) {
			cfg, _ := newConfig(opt)
			s, p := meet(t, cfg)
			started := time.Now()
			p.next("HELLO")
			time.Sleep(10*time.Second - 1)
			p.wantIdle("not late yet")
			time.Sleep(time.Nanosecond)
			p.wantFail("late", 7)
			<-s.Done()
			if took := time.Since(started); took < 10*time.Second || took > 11*time.Second {
				t.Fatalf("over after %v", took)
			}
		})
	}
}

// TestK01PongJustInTime: a PONG one nanosecond before the timeout saves the
// session, one after it does not.
func TestK01PongJustInTime(t *testing.T) {
	for _, early := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, p := meetOpt(t, pinging())
			time.Sleep(2*time.Second - 1)
			p.wantIdle("the silence is short")
			time.Sleep(time.Nanosecond)
			ping := p.next("PING")
			if ping.typ != byte(framePing) {
				t.Fatalf("got %v", ping)
			}
			pong := rawFrame{8, 0, ping.payload}
			if early {
				time.Sleep(3*time.Second - 1)
				p.send(pong)
				time.Sleep(2*time.Second - 2)
				p.wantIdle("alive")
				time.Sleep(2 * time.Nanosecond)
				if ping = p.next("the next PING"); ping.typ != byte(framePing) {
					t.Fatalf("got %v", ping)
				}
				return
			}
			time.Sleep(3 * time.Second)
			synctest.Wait()
			p.conn.Send(t.Context(), join(pong))
			p.wantFail("dead", 7)
			<-s.Done()
			wantIs(t, "Err", s.Err(), omni.ErrTimeout)
		})
	}
}

// TestK01PongAtOnce: an answer in the same instant counts too.
func TestK01PongAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, pinging())
		for range 10 {
			time.Sleep(2 * time.Second)
			ping := p.next("PING")
			p.send(rawFrame{8, 0, ping.payload})
			p.wantIdle("alive")
		}
		if s.e.over {
			t.Fatal(s.e.err)
		}
	})
}

// TestK02OtherPongs: PONGs that match no PING are ignored and keep nobody
// alive, unlike any other frame.
func TestK02OtherPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, pinging())
		started := time.Now()
		for n := uint64(1 << 63); !s.e.over && time.Since(started) < time.Minute; n++ {
			p.conn.Send(t.Context(), join(wPong(n), rawFrame{8, 0, "12345678"}))
			time.Sleep(time.Second / 3)
			synctest.Wait()
		}
		if took := time.Since(started); took > 6*time.Second {
			t.Fatalf("such PONGs kept the session alive for %v", took)
		}
		wantIs(t, "Err", s.e.err, omni.ErrTimeout)

		_, p = meetOpt(t, pinging())
		for range 100 {
			p.send(rawFrame{200, 0, "anything"})
			time.Sleep(1900 * time.Millisecond)
		}
		p.wantIdle("no PING was due")
	})
}

// TestN03K04Blackhole: a peer that has vanished is noticed in exactly the
// keepalive's two times, though this side writes on, and unblocks everything.
func TestN03K04Blackhole(t *testing.T) {
	for _, writing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, p := meetOpt(t, pinging())
			p.send(wOpen(1, ""), wData(1, "a"))
			in := accept(t, s)
			wantItem(t, in.Producer(), "a")
			c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
			synctest.Wait()
			started := time.Now()
			if writing {
				go func() {
					for c.Write(t.Context(), []byte("x")) == nil {
						time.Sleep(100 * time.Millisecond)
					}
				}()
			}
			_, err := in.Producer().Next(t.Context())
			wantLost(t, "the reader", err)
			wantIs(t, "the reader", err, omni.ErrTimeout)
			if took := time.Since(started); took != 5*time.Second {
				t.Fatalf("noticed after %v", took)
			}
			<-c.Done()
			wantLost(t, "the writer", c.Err())
			<-s.Done()
			canary(t)
		})
	}
}

// TestS04SlowDrain: a peer that takes a byte a second is given up as a whole;
// it never sees half a frame and then others.
func TestS04SlowDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := net.Pipe()
		s := start(t, transport.Frame(ca), pinging())
		peer := transport.Frame(cb)
		must(t, peer.Send(t.Context(), join(wHello(1<<16, 4, 4, 1<<20, ""))))
		var other sync.WaitGroup
		other.Go(func() {
			for peer.Send(t.Context(), join(rawFrame{200, 0, ""})) == nil {
				time.Sleep(time.Second)
			}
		})
		defer other.Wait()
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		must(t, c.Write(t.Context(), make([]byte, 1<<16)))
		watchdog := time.AfterFunc(time.Hour, func() {
			t.Error("the session lives on")
			cb.Close()
		})
		defer watchdog.Stop()
		var seen []byte
		for b := make([]byte, 1); ; time.Sleep(time.Second) {
			if _, err := cb.Read(b); err != nil {
				break
			}
			seen = append(seen, b...)
		}
		<-s.Done()
		wantIs(t, "Err", s.Err(), omni.ErrTimeout)
		for len(seen) >= 4 && len(seen) >= 4+int(binary.BigEndian.Uint32(seen)) {
			n := 4 + int(binary.BigEndian.Uint32(seen))
			if _, err := split(seen[4:n]); err != nil {
				t.Fatal(err)
			}
			seen = seen[n:]
		}
		peer.Close()
	})
}

// TestN05StalledMessage: a peer that sends half a message and no more is
// given up by the keepalive, and calls honour their ctx until then.
func TestN05StalledMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := net.Pipe()
		cfg, _ := newConfig(pinging())
		s, p := meetOver(t, cfg, transport.Frame(ca), transport.Frame(cb))
		p.greet()
		p.send(wOpen(1, ""))
		in := accept(t, s)
		started := time.Now()
		cb.Write([]byte{0, 0, 1, 0, 2}) // 256 bytes are to come, one does
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := in.Producer().Next(ctx)
		wantIs(t, "Next", err, context.DeadlineExceeded)
		in.Producer().Cancel(nil)
		p.wantCode("a cancel goes out", frameClose, 1, 1)
		<-s.Done()
		if took := time.Since(started); took > 6*time.Second {
			t.Fatalf("given up after %v", took)
		}
		wantIs(t, "Err", s.Err(), omni.ErrTimeout)
	})
}

// TestK05Options is each field that cannot work, named.
func TestK05Options(t *testing.T) {
	for _, row := range []struct {
		field string
		opt   Options
	}{
		{"Metadata", Options{Metadata: make([]byte, 16<<10+1)}},
		{"MaxItem", Options{MaxItem: -1}},
		{"MaxItem", Options{MaxItem: 1<<24 + 1}},
		{"MaxStreams", Options{MaxStreams: 1 << 20, MaxItem: 1 << 20}},
		{"Prefetch", Options{Prefetch: 1 << 17}},
		{"Prefetch", Options{Prefetch: 1 << 16, MaxStreams: 128}},
		{"Window", Options{Window: -1}},
		{"Window", Options{Window: 1 << 10}},
		{"Budget", Options{Budget: -1}},
		{"Budget", Options{Budget: 1 << 20}},
		{"Budget", Options{Budget: 1 << 60}},
		{"KeepAlive", Options{KeepAlive: -1}},
		{"KeepAliveTimeout", Options{KeepAliveTimeout: -time.Second}},
		{"DrainTimeout", Options{DrainTimeout: -1}},
		{"MessageTimeout", Options{MessageTimeout: -1}},
		{"WriteTimeout", Options{WriteTimeout: maxSilence + 1}},
	} {
		ca, cb := transport.Pair()
		s, err := New(ca, &row.opt)
		if s != nil || err == nil || !strings.Contains(err.Error(), "Options.") || !strings.Contains(err.Error(), row.field) {
			t.Errorf("%+v: %v, want an error that names %s", row.opt, err, row.field)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if _, err := cb.Recv(ctx); err == nil || ctx.Err() != nil {
			t.Fatalf("%s: the transport was not closed", row.field)
		}
		cancel()
		cb.Close()
	}
	for _, good := range []Options{
		{}, {MaxStreams: -1}, {Prefetch: -1}, {MaxItem: 1}, {MaxItem: 1 << 24, MaxStreams: 2},
		{KeepAlive: 1}, {KeepAlive: time.Hour, KeepAliveTimeout: 1}, {Metadata: make([]byte, 16<<10)},
		{Budget: 1 << 53 / 2}, {MaxItem: 1 << 20, Window: 1<<31 - 1, MaxStreams: 1},
	} {
		if _, err := newConfig(&good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

// TestK06IdleSessions: a session has two goroutines, and an idle minute
// starts no others.
func TestK06IdleSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		before := runtime.NumGoroutine()
		var all []*Session
		for range n {
			a, b := pair(t, nil)
			all = append(all, a, b)
		}
		time.Sleep(61 * time.Second) // no timer is running just now
		synctest.Wait()
		if now := runtime.NumGoroutine() - before; now > 2*2*n {
			t.Fatalf("%d goroutines for %d sessions", now, 2*n)
		}
		for _, s := range all {
			s.Close()
		}
	})
}

// TestK09EndedContexts: with a ctx that has ended a call does nothing.
func TestK09EndedContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wCall(1, ""))
		in := accept(t, s)
		d := noErr[*Duplex[[]byte, []byte]](t)(s.Call(t.Context(), nil))
		p.want("call", wCall(1, ""))
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		before := s.Stats()
		_, openErr := s.Open(ctx, nil)
		_, callErr := s.Call(ctx, nil)
		_, acceptErr := s.Accept(ctx)
		_, pingErr := s.Ping(ctx)
		_, replyErr := in.Reply(ctx, nil)
		_, metaErr := d.Metadata(ctx)
		_, nextErr := in.Producer().Next(ctx)
		for what, err := range map[string]error{
			"Open": openErr, "Call": callErr, "Accept": acceptErr, "Ping": pingErr, "Reply": replyErr,
			"Metadata": metaErr, "Next": nextErr, "Write": d.Out.Write(ctx, []byte("x")),
		} {
			wantIs(t, what, err, cause)
		}
		if after := s.Stats(); after != before {
			t.Fatalf("before %+v, after %+v", before, after)
		}
		p.wantIdle("no frame, no number")
		p.send(wOpen(2, "still here"))
		if _, err := s.Accept(ctx); err == nil {
			return // handing out what is here already is in order too
		}
		if got := accept(t, s).Metadata(); string(got) != "still here" {
			t.Fatalf("Accept lost a stream: %q", got)
		}
	})
}

// faultyConn is a Conn whose calls fail after a while.
type faultyConn struct {
	transport.Conn
	sends, recvs int
	err          error
}

func (c *faultyConn) Send(ctx context.Context, msg []byte) error {
	if c.sends--; c.sends < 0 {
		return c.err
	}
	return c.Conn.Send(ctx, msg)
}

func (c *faultyConn) Recv(ctx context.Context) ([]byte, error) {
	if c.recvs--; c.recvs < 0 {
		return nil, c.err
	}
	return c.Conn.Recv(ctx)
}

// TestN07N08FaultyConn: any error of the transport ends the session with that
// error, streams are lost, and nothing hangs.
func TestN07N08FaultyConn(t *testing.T) {
	for _, fault := range []error{io.ErrShortWrite, io.EOF, io.ErrNoProgress, errors.New("cosmic ray")} {
		for n := range 4 {
			for _, sending := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					ca, cb := transport.Pair()
					c := &faultyConn{ca, 1000, 1000, fault}
					if sending {
						c.sends = n
					} else {
						c.recvs = n
					}
					a, b := start(t, c, nil), start(t, cb, nil)
					var other sync.WaitGroup
					other.Go(func() {
						out, err := b.Open(t.Context(), nil)
						for err == nil {
							err = out.Write(t.Context(), []byte("x"))
							time.Sleep(time.Second)
						}
					})
					defer other.Wait()
					out, err := a.Open(t.Context(), nil)
					for err == nil {
						err = out.Write(t.Context(), []byte("x"))
						time.Sleep(time.Second)
					}
					want := fault
					if fault == io.EOF {
						want = io.ErrUnexpectedEOF // no clean end of anything
					}
					wantIs(t, fmt.Sprint(n, " then ", fault), err, want)
					<-a.Done()
					<-b.Done()
					if out != nil {
						wantLost(t, "the writer", out.Err())
					}
					if err := a.Err(); errors.Is(err, io.EOF) || !errors.Is(err, want) {
						t.Fatalf("Err is %v", err)
					}
				})
			}
		}
	}
}
