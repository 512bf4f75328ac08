package npm09

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// failingConn is a connection whose Send fails from some time on.
type failingConn struct {
	transport.Conn
	broken atomic.Bool
}

func (c *failingConn) Send(ctx context.Context, msg []byte) error {
	if c.broken.Load() {
		return errors.New("connection reset by peer")
	}
	return c.Conn.Send(ctx, msg)
}

func meetFailing(t *testing.T) (*Session, *failingConn, *rawPeer) {
	ca, cb := transport.Pair()
	f := &failingConn{Conn: ca}
	s, err := New(f, nil)
	must(t, err)
	p := &rawPeer{t: t, conn: cb, done: make(chan struct{})}
	go p.read()
	t.Cleanup(func() { cb.Close(); s.Close(); <-p.done })
	return s, f, p
}

// TestSendFailsBeforeAllIsRead: a connection that takes nothing any more is the end, and
// what came complete can be read.
func TestSendFailsBeforeAllIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, p := meetFailing(t)
		p.send(create(0, "x"), end(0))
		in := accept(t, s)
		c := open(t, s, "mine")
		synctest.Wait()
		f.broken.Store(true)
		must(t, c.End())
		synctest.Wait()
		if _, err := in.Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		<-s.Done()
	})
}

// TestSendOfEndFails: an END that was not sent has not arrived.
func TestSendOfEndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, p := meetFailing(t)
		c := open(t, s, "mine")
		synctest.Wait()
		p.send(request(0, 255))
		synctest.Wait()
		f.broken.Store(true)
		for range 100 {
			_ = c.Write(t.Context(), []byte("item")) // it may be lost already
		}
		_ = c.End()
		<-c.Done()
		<-s.Done()
		if c.Err() == nil && s.Err() == nil {
			t.Fatal("Send failed, 100 items and END are lost, and nobody is told")
		}
	})
}

// TestShutdownAfterThePeerLeft: nothing was lost, so there is no error.
func TestShutdownAfterThePeerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, ""))
		in := accept(t, s)
		synctest.Wait()
		p.send(data(0, "x"), end(0))
		synctest.Wait()
		p.conn.Close()
		synctest.Wait()
		over := make(chan error, 1)
		go func() { over <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		wantItem(t, in.Producer(), "x")
		if _, err := in.Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		must(t, <-over)
	})
}

// TestTerminateAfterThePeerLeft: what was due means nothing then.
func TestTerminateAfterThePeerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, ""), create(1, ""))
		a, b := accept(t, s), accept(t, s)
		synctest.Wait()
		p.send(data(1, "x"), end(1))
		synctest.Wait()
		Terminating(a.Producer()).Cancel(nil)
		synctest.Wait()
		p.conn.Close()
		time.Sleep(time.Second)
		wantItem(t, b.Producer(), "x")
		if _, err := b.Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		<-s.Done()
		must(t, s.Err())
	})
}

// TestThePeerLeavesUnaccepted: the session is over though nobody accepts.
func TestThePeerLeavesUnaccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, ""), end(0))
		synctest.Wait()
		p.conn.Close()
		time.Sleep(24 * time.Hour)
		if !isDone(s.Done()) {
			t.Fatal("a day after the connection ended Done is open")
		}
	})
}

// TestRefusedAreNotHeld: a stream that was let go keeps no other from Accept, though
// its END may never come.
func TestRefusedAreNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, &Options{Options: mux.Options{MaxStreams: 2}})
		p.send(create(0, ""), create(1, ""), create(2, ""))
		accept(t, s).Refuse("unknown")
		accept(t, s).Refuse("unknown")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := s.Accept(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

// TestShutdownRefuses: nobody waits for the END of what was refused.
func TestShutdownRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, "waits for credit"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		must(t, s.Shutdown(ctx))
	})
}

// TestHandlersOfEndedStreams: a handler reads what came complete, though the connection
// is lost behind it.
func TestHandlersOfEndedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		got := make(chan error, 1)
		served := make(chan error, 1)
		go func() {
			served <- s.Serve(t.Context(), func(ctx context.Context, in *mux.Incoming) error {
				if string(in.Metadata()) == "other" {
					<-ctx.Done()
					return nil
				}
				n := 0
				for {
					_, err := in.Producer().Next(ctx)
					if err == io.EOF {
						if n != 3 {
							err = errors.New("short")
						} else {
							err = nil
						}
						got <- err
						return nil
					}
					if err != nil {
						got <- err
						return nil
					}
					n++
					time.Sleep(time.Second)
				}
			})
		}()
		p.send(create(0, "whole"), create(1, "other"))
		synctest.Wait()
		p.send(data(0, "a"), data(0, "b"), data(0, "c"), end(0))
		synctest.Wait()
		p.conn.Close()
		if err := <-got; err != nil {
			t.Error("the stream had ended, its reader got:", err)
		}
		<-served
	})
}

// TestServeEndsAfterThePeerLeft: handlers have their time to drain.
func TestServeEndsAfterThePeerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		got := make(chan error, 1)
		served := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			served <- s.Serve(ctx, func(ctx context.Context, in *mux.Incoming) error {
				n := 0
				for {
					_, err := in.Producer().Next(ctx)
					if err != nil {
						if err == io.EOF && n == 3 {
							err = nil
						}
						got <- err
						return nil
					}
					n++
					time.Sleep(time.Second)
				}
			})
		}()
		p.send(create(0, "whole"))
		synctest.Wait()
		p.send(data(0, "a"), data(0, "b"), data(0, "c"), end(0))
		synctest.Wait()
		p.conn.Close()
		synctest.Wait()
		cancel() // SIGTERM: 10 s to drain
		if err := <-got; err != nil {
			t.Error("reader got:", err)
		}
		must(t, <-served)
	})
}

// TestServeAfterThePeerLeft: what came complete is served.
func TestServeAfterThePeerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, &Options{Options: mux.Options{MaxStreams: 1}})
		p.send(create(0, ""), end(0), create(1, ""), end(1), create(2, ""), end(2))
		synctest.Wait()
		p.conn.Close()
		synctest.Wait()
		var served atomic.Int32
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := s.Serve(ctx, func(ctx context.Context, in *mux.Incoming) error {
			_, err := in.Producer().Next(ctx)
			if err == io.EOF {
				served.Add(1)
			}
			return nil
		})
		if served.Load() != 3 || err != nil || ctx.Err() != nil {
			t.Fatalf("served %d of 3, %v, ctx: %v", served.Load(), err, ctx.Err())
		}
	})
}

// TestRequestCrossesEnd: 0.9.0 adds it to the credit of the next stream of that
// number, which is not the peer's fault.
func TestRequestCrossesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, "first"))
		in := accept(t, s)
		p.want("credit", request(0, 64))
		for range 40 {
			p.send(data(0, "x"))
		}
		for range 40 {
			wantItem(t, in.Producer(), "x")
		}
		synctest.Wait() // REQUEST(0, 32 or so) is on its way
		// The peer has all 256 numbers in use, so the number that is free now is used again.
		p.send(end(0), create(0, "second"))
		if _, err := in.Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		accept(t, s)
		synctest.Wait()
		// Now all REQUESTs arrive at the peer; the package adds them up for the sender that has the number.
		p.mu.Lock()
		demand := 0
		for _, m := range p.got {
			if strings.HasPrefix(m, "\x04\x00") {
				demand += int(m[2])
			}
		}
		p.mu.Unlock()
		for range demand {
			p.send(data(0, "y"))
		}
		synctest.Wait()
		if isDone(s.Done()) {
			t.Fatal("an honest peer's session ends:", s.Err())
		}
	})
}

// TestLoopsOfEndedStreams: likewise for a loop, whose ctx must live on.
func TestLoopsOfEndedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		n := 0
		var last error
		served := make(chan error, 1)
		go func() {
			served <- s.Serve(t.Context(), func(ctx context.Context, in *mux.Incoming) error {
				if string(in.Metadata()) == "other" {
					<-ctx.Done()
					return nil
				}
				for _, err := range in.Producer().All(ctx) {
					if err != nil {
						last = err
						return nil
					}
					n++
					time.Sleep(time.Second)
				}
				return nil
			})
		}()
		p.send(create(0, "whole"), create(1, "other"))
		synctest.Wait()
		for range 5 {
			p.send(data(0, "a"))
		}
		p.send(end(0))
		synctest.Wait()
		p.conn.Close()
		<-served
		if n != 5 || last != nil {
			t.Fatal(n, last)
		}
	})
}

// TestShutdownLosesNothing: many short streams arrive, though their opener leaves at once.
func TestShutdownLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := transport.Pair()
		a, err := New(ca, nil)
		must(t, err)
		b, err := New(cb, nil)
		must(t, err)
		for range 600 {
			c := open(t, a, "x")
			must(t, c.End())
		}
		must(t, a.Shutdown(t.Context()))
		synctest.Wait()
		var ins []*mux.Incoming
		for {
			in, err := b.Accept(t.Context())
			if err != nil {
				break
			}
			ins = append(ins, in)
		}
		for _, in := range ins {
			if _, err := in.Producer().Next(t.Context()); err != io.EOF {
				t.Fatal(err)
			}
		}
		if len(ins) != 600 {
			t.Error("accepted", len(ins), "of 600")
		}
		b.Close()
	})
}
