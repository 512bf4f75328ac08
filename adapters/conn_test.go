package adapters_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/adapters"
	"omnistreams.dev/omni"
)

// connPair returns two connected Conns over streams in the process.
func connPair(window, itemSize int) (a, b *adapters.Conn) {
	opt := &omni.Options{Prefetch: window}
	p1, c1 := omni.NewStream[[]byte](opt)
	p2, c2 := omni.NewStream[[]byte](opt)
	size := &adapters.ConnOptions{ItemSize: itemSize}
	return adapters.NewConn(p1, c2, size), adapters.NewConn(p2, c1, size)
}

// wantTimeout fails the test if err is not what net says a timeout is.
func wantTimeout(t *testing.T, err error) {
	t.Helper()
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("error %v (%T), want a timeout", err, err)
	}
}

func TestA10ReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connPair(4, 0)
		start := time.Now()
		must(t, a.SetReadDeadline(start.Add(time.Second)))
		buf := make([]byte, 8)
		n, err := a.Read(buf)
		if took := time.Since(start); n != 0 || took != time.Second {
			t.Errorf("Read = %d after %v", n, took)
		}
		wantTimeout(t, err)
		_, err = b.Write([]byte("late"))
		must(t, err)
		_, err = a.Read(buf)
		wantTimeout(t, err) // still, though there is something
		_, err = a.Write([]byte("other way"))
		must(t, err)
		must(t, a.SetReadDeadline(time.Time{}))
		if n, err := a.Read(buf); string(buf[:n]) != "late" || err != nil {
			t.Errorf("after the deadline was taken away: %q, %v", buf[:n], err)
		}
	})
}

// A deadline that moves is obeyed by the Read that waits already.
func TestA10DeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, moves := range [][]time.Duration{
			{10 * time.Second}, {time.Second, 10 * time.Second}, {time.Minute, 10 * time.Second}, {10 * time.Second, 10 * time.Second},
		} {
			a, _ := connPair(4, 0)
			start := time.Now()
			go func() {
				for _, d := range moves {
					synctest.Wait()
					check(t, a.SetDeadline(start.Add(d)))
				}
			}()
			_, err := a.Read(make([]byte, 1))
			wantTimeout(t, err)
			if took := time.Since(start); took != 10*time.Second {
				t.Errorf("deadlines %v: the Read took %v", moves, took)
			}
			must(t, a.Close())
		}
	})
}

func TestA10PastDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connPair(4, 0)
		_, err := b.Write([]byte("x"))
		must(t, err)
		read := make(chan error, 1)
		go func() {
			_, err := b.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		past := time.Now().Add(-time.Second)
		must(t, a.SetDeadline(past))
		must(t, a.SetDeadline(past))
		must(t, b.SetDeadline(past)) // while b waits
		wantTimeout(t, <-read)
		for range 20 { // nothing is left to chance
			n, err := a.Read(make([]byte, 1))
			if n != 0 {
				t.Error("a Read after its deadline")
			}
			wantTimeout(t, err)
			n, err = a.Write([]byte("x"))
			if n != 0 {
				t.Error("a Write after its deadline")
			}
			wantTimeout(t, err)
		}
	})
}

// A05, A10: what a Write says it wrote is what the peer gets, and the stream
// goes on behind it.
func TestA10WriteDeadlineInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connPair(3, 4)
		must(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		content := []byte("0123456789abcdefghij")
		n, err := a.Write(content)
		if n != 12 {
			t.Errorf("Write = %d, want 12: 3 items of 4", n)
		}
		wantTimeout(t, err)
		must(t, a.SetWriteDeadline(time.Time{}))
		go func() {
			_, err := a.Write(content[n:])
			check(t, err)
			check(t, a.Close())
		}()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("the peer got %q, %v", got, err)
		}
	})
}

// A Write waits for its turn behind another one, and its deadline counts then.
func TestA10DeadlineWhileAnotherWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := connPair(-1, 0)
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := a.Write([]byte("x"))
				errs <- err
			}()
		}
		synctest.Wait()
		must(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		wantTimeout(t, <-errs)
		wantTimeout(t, <-errs)
	})
}

func TestConnWritesStayTogether(t *testing.T) {
	a, b := connPair(2, 3)
	for _, letter := range []string{"a", "b"} {
		go func() {
			for range 20 {
				if _, err := a.Write(bytes.Repeat([]byte(letter), 10)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	buf := make([]byte, 10)
	for range 40 {
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf, bytes.Repeat(buf[:1], 10)) {
			t.Fatalf("two Writes are mixed: %q", buf)
		}
	}
}

func TestA09CloseWriteThenRead(t *testing.T) {
	a, b := connPair(0, 0)
	_, err := a.Write([]byte("question"))
	must(t, err)
	must(t, a.CloseWrite())
	must(t, a.CloseWrite())
	q, err := io.ReadAll(b)
	if string(q) != "question" || err != nil {
		t.Fatalf("the peer read %q, %v", q, err)
	}
	_, err = b.Write([]byte("answer"))
	must(t, err)
	must(t, b.Close())
	ans, err := io.ReadAll(a)
	if string(ans) != "answer" || err != nil {
		t.Errorf("read %q, %v after CloseWrite", ans, err)
	}
	_, err = a.Write([]byte("x"))
	wantErr(t, err, omni.ErrEnded)
}

func TestA09CloseTwice(t *testing.T) {
	a, b := connPair(0, 0)
	must(t, a.Close())
	for range 2 {
		wantErr(t, a.Close(), net.ErrClosed)
	}
	wantErr(t, a.CloseWrite(), net.ErrClosed)
	wantErr(t, a.SetDeadline(time.Time{}), net.ErrClosed)
	wantErr(t, a.SetReadDeadline(time.Now()), net.ErrClosed)
	wantErr(t, a.SetWriteDeadline(time.Now()), net.ErrClosed)
	for _, buf := range [][]byte{nil, make([]byte, 1)} {
		_, err := a.Read(buf)
		wantErr(t, err, net.ErrClosed)
		_, err = a.Write(buf)
		wantErr(t, err, net.ErrClosed)
	}
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the peer reads %d, %v, want the end", n, err)
	}
	_, err := b.Write([]byte("x"))
	wantErr(t, err, omni.ErrCanceled)
	must(t, b.Close())
}

func TestA09CloseUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connPair(-1, 4)
		errs := make(chan error, 4)
		for range 2 {
			go func() {
				_, err := a.Read(make([]byte, 1))
				errs <- err
			}()
			go func() {
				_, err := a.Write([]byte("x"))
				errs <- err
			}()
		}
		synctest.Wait()
		start := time.Now()
		must(t, a.SetDeadline(start.Add(time.Hour))) // Close stops the timers
		must(t, a.Close())
		for range 4 {
			err := <-errs
			wantErr(t, err, net.ErrClosed)
			if took := time.Since(start); took != 0 {
				t.Errorf("after %v", took)
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				t.Errorf("%v is a timeout", err)
			}
		}
		must(t, b.Close())
	})
}

// Close after a deadline has passed is a Close still.
func TestA09CloseAfterDeadline(t *testing.T) {
	a, _ := connPair(0, 0)
	must(t, a.SetDeadline(time.Unix(1, 0)))
	must(t, a.Close())
	_, err := a.Read(make([]byte, 1))
	wantErr(t, err, net.ErrClosed)
}

func TestA09CloseDeliversWhatWasWritten(t *testing.T) {
	a, b := connPair(0, 4)
	_, err := a.Write([]byte("0123456789"))
	must(t, err)
	must(t, a.Close())
	if got, err := io.ReadAll(b); string(got) != "0123456789" || err != nil {
		t.Errorf("the peer got %q, %v", got, err)
	}
}

func TestA03ConnZeroLength(t *testing.T) {
	a, b := connPair(0, 0)
	for _, c := range []*adapters.Conn{a, b} {
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v", n, err)
		}
		if n, err := c.Write(nil); n != 0 || err != nil {
			t.Errorf("Write(nil) = %d, %v", n, err)
		}
	}
	must(t, a.Close())
	if got, err := io.ReadAll(b); len(got) != 0 || err != nil {
		t.Errorf("an empty Write arrived as %q, %v", got, err)
	}
}

func TestConnBreaksOff(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	q, d := omni.NewStream[[]byte](nil)
	conn := adapters.NewConn(p, d, nil)
	c.Cancel(&omni.StreamError{Code: 300, Reason: "why"})
	_, err := conn.Read(make([]byte, 1))
	var op *net.OpError
	var se *omni.StreamError
	if !errors.As(err, &op) || op.Op != "read" || !errors.As(err, &se) || se.Code != 300 {
		t.Errorf("Read: %v", err)
	}
	q.Cancel(io.EOF) // an EOF that is not one
	_, err = conn.Write([]byte("x"))
	if err == nil || err == io.EOF {
		t.Errorf("Write: %v", err)
	}
	must(t, conn.Close())
}

func TestConnAddr(t *testing.T) {
	a, _ := connPair(0, 0)
	for _, addr := range []net.Addr{a.LocalAddr(), a.RemoteAddr()} {
		if addr.Network() != "omni" || addr.String() != "omni" {
			t.Errorf("address %s %s", addr.Network(), addr)
		}
	}
	p, c := omni.NewStream[[]byte](nil)
	here, there := &net.TCPAddr{Port: 1}, &net.TCPAddr{Port: 2}
	b := adapters.NewConn(p, c, &adapters.ConnOptions{LocalAddr: here, RemoteAddr: there})
	if b.LocalAddr() != here || b.RemoteAddr() != there {
		t.Errorf("addresses %v, %v", b.LocalAddr(), b.RemoteAddr())
	}
}
