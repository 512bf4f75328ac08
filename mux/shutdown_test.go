package mux

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestD01DrainBothWays: a shutdown while streams run both ways loses nothing:
// all items arrive, then the end, and both sessions end cleanly.
func TestD01DrainBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		ctx := t.Context()
		var work sync.WaitGroup
		stream := func(from, to *Session) {
			c := noErr[*omni.Consumer[[]byte]](t)(from.Open(ctx, nil))
			in := accept(t, to)
			work.Go(func() {
				for range 100 {
					if err := c.Write(ctx, []byte("x")); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
				}
				c.End()
				<-c.Done()
				if c.Err() != nil {
					t.Error(c.Err())
				}
			})
			work.Go(func() {
				if all, err := omni.Collect(ctx, in.Producer()); len(all) != 100 || err != nil {
					t.Errorf("%d items, %v", len(all), err)
				}
			})
		}
		stream(a, b)
		stream(b, a)
		time.Sleep(10 * time.Millisecond)
		must(t, a.Shutdown(ctx))
		work.Wait()
		must(t, b.Shutdown(ctx)) // it has followed
		for _, s := range []*Session{a, b} {
			<-s.Done()
			must(t, s.Err())
			_, err := s.Open(ctx, nil)
			wantIs(t, "Open afterwards", err, ErrClosed)
			_, err = s.Accept(ctx)
			wantIs(t, "Accept afterwards", err, ErrClosed)
		}
	})
}

// TestD02CutError: a stream that never ends is cut at the deadline, and named.
func TestD02CutError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), []byte("a's")))
		in := accept(t, b)
		noErr[*omni.Consumer[[]byte]](t)(b.Open(t.Context(), []byte("b's")))
		accept(t, a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		err := a.Shutdown(ctx)
		var cut *CutError
		if !errors.As(err, &cut) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Shutdown returns %v", err)
		}
		if took := time.Since(started); took < time.Minute || took > 62*time.Second {
			t.Fatalf("after %v", took)
		}
		slices.SortFunc(cut.Cut, func(x, y CutStream) int { return len(x.Metadata) - len(y.Metadata) })
		if len(cut.Cut) != 2 || !cut.Cut[0].Opened || cut.Cut[0].Number != 1 || cut.Cut[1].Opened || string(cut.Cut[1].Metadata) != "b's" {
			t.Fatalf("cut %+v", cut.Cut)
		}
		wantLost(t, "the writer", c.Err())
		_, err = in.Producer().Next(t.Context())
		wantLost(t, "the reader", err)
		<-b.Done()
	})
}

// TestD03ManyCloses: any number of Close and Shutdown at once, and from
// handlers, all return.
func TestD03ManyCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		var all sync.WaitGroup
		served := make(chan error, 1)
		go func() {
			served <- b.Serve(t.Context(), func(ctx context.Context, in *Incoming) error {
				return b.Close() // from inside
			})
		}()
		noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
		for i := range 100 {
			all.Go(func() {
				s := []*Session{a, b}[i%2]
				if i%3 == 0 {
					s.Shutdown(t.Context())
				} else {
					s.Close()
				}
			})
		}
		all.Wait()
		<-a.Done()
		<-b.Done()
		<-served
	})
}

// TestD03CrossingCloses: when both sides have said their last word, neither
// waits for the other to close first.
func TestD03CrossingCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		go s.Close()
		p.wantCode("its word", frameFail, 0, 1)
		crossed := time.Now()
		p.send(wPing(1), wFail(0, 1, "the session was closed"))
		<-s.Done()
		if took := time.Since(crossed); took > 0 {
			t.Fatalf("Close took %v", took)
		}
	})
}

// TestShutdownOfTheDead says how the session ended, also if its ctx has.
func TestShutdownOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wFail(0, 300, "enough"))
		<-s.Done()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			wantIs(t, "Shutdown", s.Shutdown(ctx), s.Err())
		}
	})
}

// TestD04OpenCrossesShutdown: streams that cross CLOSE on 0 are served or
// refused as never looked at; none is left without a word.
func TestD04OpenCrossesShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, "accepted"), wOpen(2, "waiting"), wData(2, "x"))
		accept(t, s)
		gone := make(chan error, 1)
		go func() { gone <- s.Shutdown(t.Context()) }()
		p.want("it begins", wClose(0, 8, ""))
		p.wantCode("not handed out", frameClose, 2, 8)
		p.want("no more calls are held", wEnd(0))
		p.send(wOpen(3, "crossing"), wCall(4, "crossing"))
		p.wantCode("crossing", frameClose, 3, 8)
		p.wantCode("crossing", frameClose, 4, 8)
		_, err := s.Accept(t.Context())
		wantIs(t, "Accept", err, omni.ErrShuttingDown)
		_, err = s.Open(t.Context(), nil)
		wantIs(t, "Open", err, omni.ErrShuttingDown)
		p.send(wFail(2, 8, ""), wFail(3, 8, ""), wFail(4, 8, ""), wFail(1, 1, ""), wEnd(0))
		p.wantIdle("the first stream is still held")
		s.e.theirs[1].cancel(omni.ErrCanceled)
		s.mu.Lock()
		s.unlock()
		p.want("all is done", wClose(1, 1, ""), wFail(0, 0, ""))
		p.send(wFail(0, 0, ""))
		must(t, <-gone)
	})
}

// TestD06SilentAfterShutdown: a peer that begins a shutdown and then says
// nothing more is seen out at the deadline.
func TestD06SilentAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, &Options{KeepAlive: time.Hour})
		noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		p.next("OPEN")
		p.send(wClose(0, 8, "bye"))
		p.want("nor do we", wEnd(0))
		_, err := s.Open(t.Context(), nil)
		var se *omni.StreamError
		if !errors.As(err, &se) || se.Code != 8 || se.Reason != "bye" || !se.Remote {
			t.Fatalf("Open returns %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		err = s.Shutdown(ctx)
		var cut *CutError
		if !errors.As(err, &cut) || len(cut.Cut) != 1 {
			t.Fatalf("Shutdown returns %v", err)
		}
		if took := time.Since(started); took > 62*time.Second {
			t.Fatalf("after %v", took)
		}
		p.wantCode("CLOSE on 0 does not go after END on 0", frameFail, 0, 8)
	})
}

// TestShutdownDeadlineCode: what a deadline cuts, the peer is told, is the
// shutdown's doing.
func TestShutdownDeadlineCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, ""))
		accept(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		gone := make(chan error, 1)
		go func() { gone <- s.Shutdown(ctx) }()
		p.wantFail("the deadline has passed", 8)
		var cut *CutError
		if err := <-gone; !errors.As(err, &cut) {
			t.Fatal(err)
		}
	})
}

// TestD08BlockedCalls: each call that can wait returns at once when the
// session is closed, when the peer breaks it off, and when the transport is
// cut, with an error that is not io.EOF.
func TestD08BlockedCalls(t *testing.T) {
	ends := map[string]func(*Session, *rawPeer){
		"Close": func(s *Session, p *rawPeer) { s.Close() },
		"FAIL":  func(s *Session, p *rawPeer) { p.send(wFail(0, 300, "enough")) },
		"cut":   func(s *Session, p *rawPeer) { p.cut() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, _ := newConfig(small())
				s, p := meet(t, cfg)
				ctx := t.Context()
				p.send(wHello(16, 3, 0, 0, ""))
				w := noErr[*omni.Consumer[[]byte]](t)(s.Open(ctx, nil))
				d := noErr[*Duplex[[]byte, []byte]](t)(s.Call(ctx, nil))
				ended := noErr[*omni.Consumer[[]byte]](t)(s.Open(ctx, nil))
				must(t, ended.End())
				p.send(wOpen(1, ""), wData(1, "kept"), wEnd(1))
				full := accept(t, s)
				p.send(wOpen(2, ""))
				in := accept(t, s)
				onlyErr := func(_ any, err error) error { return err }
				calls := map[string]func() error{
					"Open":      func() error { return onlyErr(s.Open(ctx, nil)) },
					"Call":      func() error { return onlyErr(s.Call(ctx, nil)) },
					"Accept":    func() error { return onlyErr(s.Accept(ctx)) },
					"Ping":      func() error { return onlyErr(s.Ping(ctx)) },
					"Write":     func() error { return w.Write(ctx, []byte("x")) },
					"Demand":    func() error { return onlyErr(w.Demand(ctx)) },
					"Next":      func() error { return onlyErr(in.Producer().Next(ctx)) },
					"the call":  func() error { return d.Out.Write(ctx, []byte("x")) },
					"an answer": func() error { return onlyErr(d.In.Next(ctx)) },
					"Metadata":  func() error { return onlyErr(d.Metadata(ctx)) },
					"Done":      func() error { <-ended.Done(); return ended.Err() },
				}
				var all sync.WaitGroup
				began := time.Now()
				for what, call := range calls {
					all.Go(func() {
						err := call()
						if err == nil || err == io.EOF || time.Since(began) > 0 {
							t.Errorf("%s returns %v after %v", what, err, time.Since(began))
						}
					})
				}
				synctest.Wait()
				end(s, p)
				all.Wait()
				p.cut()
				<-s.Done()
				// What had arrived is still to be had, but not the end:
				// the writer never learns that it was taken.
				wantItem(t, full.Producer(), "kept")
				_, err := full.Producer().Next(ctx)
				wantLost(t, "a stream whose end was here", err)
				if name == "Close" {
					wantIs(t, "Err", s.Err(), ErrClosed)
					wantIs(t, "the stream", err, ErrClosed)
				}
				if s.Err() == nil || s.Err() == io.EOF {
					t.Errorf("Err is %v", s.Err())
				}
			})
		})
	}
}

// TestD10WriteRacesEnd: every Write that returned nil is delivered before the
// end, and the others say that the stream has ended.
func TestD10WriteRacesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{MaxStreams: 10})
		for round := range 200 {
			c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
			var all sync.WaitGroup
			var mu sync.Mutex
			written := 0
			for w := range 4 {
				all.Go(func() {
					for n := 0; ; n++ {
						if w == 0 && n == round%10 { // with credit left
							c.End()
						}
						err := c.Write(t.Context(), []byte("x"))
						if err != nil {
							if err != omni.ErrEnded {
								t.Error(err)
							}
							return
						}
						mu.Lock()
						written++
						mu.Unlock()
					}
				})
			}
			got := noErr[[][]byte](t)(omni.Collect(t.Context(), accept(t, b).Producer()))
			all.Wait()
			if len(got) != written {
				t.Fatalf("%d written, %d delivered", written, len(got))
			}
		}
	})
}

// TestD13NothingIsLeft: when Close has returned, its goroutines have too.
func TestD13NothingIsLeft(t *testing.T) {
	for range 20 {
		ca, cb := transport.Pair()
		a, err := New(ca, nil)
		must(t, err)
		b, err := New(cb, nil)
		must(t, err)
		_, err = a.Open(context.Background(), nil)
		must(t, err)
		a.Close()
		b.Close()
		for _, s := range []*Session{a, b} {
			select {
			case <-s.Done():
			default:
				t.Fatal("Done is open after Close")
			}
		}
	}
}

// TestGoodbyeTooEarly: FAIL 0 with code 0 before this side's END on 0 is not
// answered.
func TestGoodbyeTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wEnd(0), wFail(0, 0, ""))
		p.wantClosed("an early goodbye")
		<-s.Done()
	})
	// With a stream that lives it is no clean end.
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, ""), wFail(0, 0, ""))
		p.wantClosed("an early goodbye")
		<-s.Done()
		if s.Err() == nil {
			t.Fatal("a stream was lost, and Err is nil")
		}
	})
}

// TestD08CallAtPeersEnd: a Call that waits for a slot learns that the peer
// answers no more.
func TestD08CallAtPeersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := newConfig(nil)
		must(t, err)
		s, p := meet(t, cfg)
		p.send(wHello(1<<16, 0, 0, 0, ""))
		called := make(chan error, 1)
		go func() { _, err := s.Call(t.Context(), nil); called <- err }()
		synctest.Wait()
		p.send(wEnd(0))
		synctest.Wait()
		select {
		case err := <-called:
			wantIs(t, "Call", err, omni.ErrShuttingDown)
		default:
			t.Fatal("Call waits for a slot that it could not use")
		}
	})
}
