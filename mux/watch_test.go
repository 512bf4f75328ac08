package mux

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// gatedConn is a transport that takes a message for each token.
type gatedConn struct {
	transport.Conn
	tokens chan struct{}
}

func (g *gatedConn) Send(ctx context.Context, msg []byte) error {
	<-g.tokens
	return g.Conn.Send(ctx, msg)
}

// gated is a session after the handshake whose transport takes no more, and
// its peer, which reads what comes.
func gated(t *testing.T) (*Session, *gatedConn, transport.Conn) {
	t.Helper()
	ca, cb := transport.Pair()
	g := &gatedConn{ca, make(chan struct{}, 1)}
	g.tokens <- struct{}{}
	s, err := New(g, nil)
	must(t, err)
	must(t, cb.Send(t.Context(), join(wHello(1<<18, 100, 1000, 1<<30, ""))))
	go func() {
		for {
			if _, err := cb.Recv(context.Background()); err != nil {
				return
			}
		}
	}()
	synctest.Wait()
	t.Cleanup(func() {
		close(g.tokens)
		s.Close()
		cb.Close()
	})
	return s, g, cb
}

// every calls f once in d until the test is over.
func every(t *testing.T, d time.Duration, f func()) {
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-time.After(d):
				f()
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		running.Wait()
	})
}

// wantStall fails unless Watch finds a stall at once that waits for that.
func wantStall(t *testing.T, s *Session, waits string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	err := s.Watch(ctx, 5*time.Second)
	var stall *StallError
	if !errors.As(err, &stall) || stall.Stream.Waits != waits {
		t.Fatalf("%v, want a stall that waits for %s\n%v", err, waits, s.Snapshot())
	}
}

// TestWatchATransportThatTakesNothing: what is in the message that it has is
// stuck, an item, an OPEN or a REQUEST.
func TestWatchATransportThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g, peer := gated(t)
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		synctest.Wait()
		wantStall(t, s, "the transport")
		must(t, c.Write(t.Context(), []byte("behind OPEN")))
		if st := find(t, s.Snapshot(), true, 1); st.Sent != "OPEN" {
			t.Fatal(st)
		}
		g.tokens <- struct{}{}
		synctest.Wait()
		wantStall(t, s, "the transport")
		g.tokens <- struct{}{}
		synctest.Wait()
		if st := find(t, s.Snapshot(), true, 1); st.Stuck || st.Waits != "our writer" || st.Sent != "DATA" {
			t.Fatal(st)
		}
		must(t, peer.Send(t.Context(), join(wOpen(1, "in"))))
		accept(t, s).Producer().Request(1000)
		synctest.Wait()
		wantStall(t, s, "the transport")
	})
}

// TestWatchForgivesTheIdle: an item that was written just now has not waited
// for as long as its stream was idle.
func TestWatchForgivesTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g, peer := gated(t)
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		d := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		g.tokens <- struct{}{}
		synctest.Wait()
		for range 6 {
			time.Sleep(10 * time.Second)
			must(t, peer.Send(t.Context(), join(rawFrame{200, 0, ""})))
		}
		must(t, c.Write(t.Context(), []byte("the transport has this")))
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		must(t, d.Write(t.Context(), []byte("this was just written")))
		wantWaits(t, find(t, s.Snapshot(), true, 2), "the transport", true, 100*time.Millisecond)
	})
}

// TestWatchSeesThroughRequests: a REQUEST that grants nothing is no move.
func TestWatchSeesThroughRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := newConfig(nil)
		must(t, err)
		s, p := meet(t, cfg)
		p.send(wHello(1<<16, 1, 0, 0, ""))
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		go c.Write(t.Context(), []byte("x"))
		synctest.Wait()
		every(t, 3*time.Second, func() { p.conn.Send(context.Background(), join(wRequest(1, 0, 0))) })
		wantStall(t, s, "the peer's reader")
	})
}

// TestWatchCallBesideOpens: Opens that succeed do not hide a Call that waits
// for the budget.
func TestWatchCallBesideOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := newConfig(nil)
		must(t, err)
		s, p := meet(t, cfg)
		p.send(wHello(1<<16, 1000, 64, 1<<20, ""))
		synctest.Wait()
		for s.Stats().AnswersFree >= s.e.budget.share {
			noErr[*Duplex[[]byte, []byte]](t)(s.Call(t.Context(), nil))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.Call(ctx, nil)
		every(t, 2*time.Second, func() { s.Open(ctx, nil) })
		wantStall(t, s, "our budget")
	})
}

// TestWatchCalls: a call without an answer waits for the Reply; one whose
// answer moves is not stuck, though its question was never read.
func TestWatchCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		call := noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), nil))
		must(t, call.Out.End())
		in := accept(t, b)
		synctest.Wait()
		wantStall(t, a, "the peer's Reply")
		out := noErr[*omni.Consumer[[]byte]](t)(in.Reply(t.Context(), nil))
		every(t, time.Second, func() { out.Write(t.Context(), []byte("news")) })
		go func() {
			for range call.In.All(t.Context()) {
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		for _, s := range []*Session{a, b} {
			if err := s.Watch(ctx, 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
	})
}

// TestSnapshotOfPurePull: a writer without credit waits for the peer's reader,
// and is not stuck before it has something to write.
func TestSnapshotOfPurePull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := newConfig(nil)
		must(t, err)
		s, p := meet(t, cfg)
		p.send(wHello(1<<16, 1, 0, 0, ""))
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		go c.Demand(t.Context())
		time.Sleep(time.Second)
		wantWaits(t, find(t, s.Snapshot(), true, 1), "the peer's reader", false, time.Second)
	})
}

// TestRefusedCounts: only what is safe to retry is a refusal.
func TestRefusedCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		go b.Serve(t.Context(), func(ctx context.Context, in *Incoming) error {
			if string(in.Metadata()) == "refuse" {
				in.Refuse("no")
				return nil
			}
			_, _ = in.Producer().Next(ctx)
			return &omni.StreamError{Code: 300, Reason: "no such user"}
		})
		for n, name := range []string{"look", "refuse"} {
			call := noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), []byte(name)))
			_ = call.Out.Write(t.Context(), []byte("question"))
			if _, err := call.Metadata(t.Context()); err == nil {
				t.Fatal("an answer")
			}
			synctest.Wait()
			if got, told := b.Stats().Refused, a.Stats().RefusedByPeer; got != uint64(n) || told != got {
				t.Fatalf("%s: %d refused, the other side was told %d times", name, got, told)
			}
		}
	})
}
