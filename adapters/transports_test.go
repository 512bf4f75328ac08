package adapters_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"omnistreams.dev/adapters"
	"omnistreams.dev/adapters/internal/wires"
	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// onEvery runs f over every transport.
func onEvery(t *testing.T, opt *mux.Options, f func(t *testing.T, a, b *mux.Session)) {
	for _, w := range wires.All() {
		t.Run(w.Name, func(t *testing.T) {
			a, b := w.Sessions(t, opt)
			f(t, a, b)
		})
	}
}

// dial returns the two ends of a call from a to b.
func dial(t *testing.T, a *mux.Session, l *adapters.Listener) (caller *adapters.Conn, acceptor net.Conn) {
	t.Helper()
	caller, err := adapters.DialConn(bg, a, nil)
	must(t, err)
	acceptor, err = l.Accept()
	must(t, err)
	return caller, acceptor
}

func TestA02OverEveryTransport(t *testing.T) {
	onEvery(t, nil, func(t *testing.T, a, b *mux.Session) {
		content, cut := randomItems(2, 20_000)
		c, err := a.Open(bg, nil)
		must(t, err)
		var writing sync.WaitGroup
		defer writing.Wait()
		writing.Go(func() {
			if err := omni.FromSlice(bg, cut).Pipe(bg, c); err != nil {
				t.Error(err)
			}
		})
		in, err := b.Accept(bg)
		must(t, err)
		if err := iotest.TestReader(adapters.NewReader(bg, in.Producer()), content); err != nil {
			t.Error(err)
		}
	})
}

// A02 for a Conn, and in both directions at once.
func TestA02ConnOverEveryTransport(t *testing.T) {
	onEvery(t, nil, func(t *testing.T, a, b *mux.Session) {
		caller, acceptor := dial(t, a, adapters.NewListener(b))
		content, _ := randomItems(9, 100_000)
		var wg sync.WaitGroup
		defer wg.Wait()
		for _, c := range []net.Conn{caller, acceptor} {
			wg.Go(func() {
				if n, err := c.Write(content); n != len(content) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
				check(t, c.(*adapters.Conn).CloseWrite())
			})
		}
		for _, c := range []net.Conn{caller, acceptor} {
			wg.Go(func() {
				if err := iotest.TestReader(c, content); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// A10: an expired deadline is the end of the call only, on every transport.
func TestA10OverEveryTransport(t *testing.T) {
	onEvery(t, nil, func(t *testing.T, a, b *mux.Session) {
		caller, acceptor := dial(t, a, adapters.NewListener(b))
		must(t, caller.SetDeadline(time.Now().Add(time.Millisecond)))
		_, err := caller.Read(make([]byte, 1))
		wantTimeout(t, err)
		written := 0
		for err = nil; err == nil; { // until the window is full
			var n int
			n, err = caller.Write(make([]byte, 100_000))
			written += n
		}
		wantTimeout(t, err)
		must(t, caller.SetDeadline(time.Time{}))
		var closing sync.WaitGroup
		defer closing.Wait()
		closing.Go(func() { check(t, caller.CloseWrite()) })
		n, err := io.Copy(io.Discard, acceptor)
		if n != int64(written) || err != nil {
			t.Errorf("Writes said %d bytes, the peer got %d, %v", written, n, err)
		}
		_, err = acceptor.Write([]byte("back"))
		must(t, err)
		must(t, acceptor.Close())
		if got, err := io.ReadAll(caller); string(got) != "back" || err != nil {
			t.Errorf("the way back: %q, %v", got, err)
		}
		if _, err := a.Ping(bg); err != nil {
			t.Error(err)
		}
	})
}

// pairSessions returns two sessions inside the process. In a bubble they must
// be closed before it ends.
func pairSessions(t *testing.T, opt *mux.Options) (a, b *mux.Session, stop func()) {
	t.Helper()
	x, y := transport.Pair()
	a, err := mux.New(x, opt)
	must(t, err)
	b, err = mux.New(y, opt)
	must(t, err)
	return a, b, func() {
		must(t, a.Close())
		must(t, b.Close())
	}
}

// The peer accepts items of 10 bytes only: a Conn knows, a Writer is told.
func TestSmallItems(t *testing.T) {
	a, b, stop := pairSessions(t, &mux.Options{MaxItem: 10})
	defer stop()
	caller, acceptor := dial(t, a, adapters.NewListener(b))
	content, _ := randomItems(1, 999)
	for _, ends := range [][2]net.Conn{{caller, acceptor}, {acceptor, caller}} {
		go func() {
			if n, err := ends[0].Write(content); n != len(content) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
		}()
		got := make([]byte, len(content))
		if _, err := io.ReadFull(ends[1], got); err != nil || !bytes.Equal(got, content) {
			t.Errorf("read other bytes, %v", err)
		}
	}

	c, err := a.Open(bg, nil)
	must(t, err)
	w := adapters.NewWriter(bg, c, nil)
	var tooLarge *mux.TooLargeError
	if n, err := w.Write(content); n != 0 || !errors.As(err, &tooLarge) {
		t.Errorf("Write = %d, %v", n, err)
	}
	if n, err := w.Write(content[:10]); n != 10 || err != nil { // the stream lives on
		t.Errorf("Write = %d, %v", n, err)
	}
}

func TestListenerRefusesOneWayStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := pairSessions(t, nil)
		defer stop()
		c, err := a.Open(bg, nil)
		must(t, err)
		caller, acceptor := dial(t, a, adapters.NewListener(b))
		must(t, caller.Close())
		must(t, acceptor.Close())
		<-c.Done()
		wantErr(t, c.Err(), omni.ErrRefused)
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := pairSessions(t, nil)
		defer stop()
		l := adapters.NewListener(b)
		caller, acceptor := dial(t, a, l)
		accepted := make(chan error, 1)
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		synctest.Wait()
		must(t, l.Close())
		wantErr(t, <-accepted, net.ErrClosed)
		_, err := l.Accept()
		wantErr(t, err, net.ErrClosed)
		wantErr(t, l.Close(), net.ErrClosed)
		// The Conns live on, and so do the session's other streams.
		_, err = caller.Write([]byte("x"))
		must(t, err)
		_, err = io.ReadFull(acceptor, make([]byte, 1))
		must(t, err)
		d, err := a.Call(bg, []byte("other"))
		must(t, err)
		in, err := b.Accept(bg)
		must(t, err)
		if string(in.Metadata()) != "other" || l.Addr().String() != "omni" {
			t.Errorf("metadata %q", in.Metadata())
		}
		d.Out.Cancel(nil)
	})
}

func TestListenerEndsWithSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := pairSessions(t, nil)
		defer stop()
		l := adapters.NewListener(b)
		must(t, a.Shutdown(bg))
		_, err := l.Accept()
		var op *net.OpError
		if !errors.As(err, &op) || op.Temporary() || op.Timeout() {
			t.Errorf("Accept after the session's end: %v", err)
		}
		_, err = adapters.DialConn(bg, a, nil)
		if !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("DialConn after the session's end: %v", err)
		}
	})
}

func TestDialConnRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := pairSessions(t, nil)
		defer stop()
		conn, err := adapters.DialConn(bg, a, []byte("meta"))
		must(t, err)
		in, err := b.Accept(bg)
		must(t, err)
		if string(in.Metadata()) != "meta" {
			t.Errorf("metadata %q", in.Metadata())
		}
		in.Refuse("no")
		_, err = conn.Read(make([]byte, 1))
		wantErr(t, err, omni.ErrRefused)
		must(t, conn.Close())
	})
}

// ctx is DialConn's alone: the Conn does not end with it.
func TestDialConnCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := pairSessions(t, &mux.Options{MaxStreams: 1})
		defer stop()
		ctx, cancel := context.WithCancelCause(bg)
		conn, err := adapters.DialConn(ctx, a, nil)
		must(t, err)
		go func() {
			synctest.Wait() // the second one waits for a slot
			cancel(errTest)
		}()
		_, err = adapters.DialConn(ctx, a, nil)
		wantErr(t, err, errTest)
		_, err = conn.Write([]byte("x"))
		must(t, err)
		acceptor, err := adapters.NewListener(b).Accept()
		must(t, err)
		_, err = io.ReadFull(acceptor, make([]byte, 1))
		must(t, err)
	})
}

// A Conn whose both sides closed gives its slot back.
func TestConnGivesItsSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, stop := pairSessions(t, &mux.Options{MaxStreams: 1})
		defer stop()
		l := adapters.NewListener(b)
		for range 10 {
			caller, acceptor := dial(t, a, l)
			_, err := caller.Write([]byte("never read"))
			must(t, err)
			must(t, caller.Close())
			must(t, acceptor.Close())
		}
		must(t, a.Shutdown(bg))
	})
}

// A lost session is an error and never a clean end.
func TestConnOfALostSession(t *testing.T) {
	a, b, stop := pairSessions(t, nil)
	defer stop()
	caller, acceptor := dial(t, a, adapters.NewListener(b))
	must(t, b.Close())
	for _, c := range []net.Conn{caller, acceptor} {
		n, err := c.Read(make([]byte, 1))
		if n != 0 || !errors.Is(err, mux.ErrSessionLost) {
			t.Errorf("Read = %d, %v", n, err)
		}
		for err = nil; err == nil; {
			_, err = c.Write([]byte("x"))
		}
		wantErr(t, err, mux.ErrSessionLost)
		must(t, c.Close())
	}
}
