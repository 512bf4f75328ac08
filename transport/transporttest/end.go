package transporttest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/transport"
)

// stuff sends until an error comes, which it does when the peer does not receive and an end comes.
func stuff(ctx context.Context, c transport.Conn) error {
	msg := message(1, 256<<10)
	for {
		if err := c.Send(ctx, msg); err != nil {
			return err
		}
	}
}

// closedBoth checks that c is closed, and says so.
func closedBoth(t *testing.T, c transport.Conn) {
	t.Helper()
	if err := c.Send(context.Background(), []byte("x")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Send after Close: %v, want ErrClosed", err)
	}
	if _, err := c.Recv(context.Background()); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Recv after Close: %v, want ErrClosed", err)
	}
}

func testCloseUnblocksRecv(t *testing.T, a, b transport.Conn) {
	in, out := make(chan struct{}), make(chan error, 1)
	go func() {
		close(in)
		_, err := a.Recv(context.Background())
		out <- err
	}()
	<-in
	atOnce(t, "Close beside Recv", func() {
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { _, _ = b.Recv(context.Background()) }) // a peer that is there to answer
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-out; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Recv: %v, want ErrClosed", err)
		}
	})
	closedBoth(t, a)
}

func testCloseUnblocksSend(t *testing.T, a, b transport.Conn) {
	out := make(chan error, 1)
	go func() { out <- stuff(context.Background(), a) }()
	atOnce(t, "Close beside Send", func() {
		a.Close() // may say that not all could be written
		if err := <-out; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Send: %v, want ErrClosed", err)
		}
	})
	closedBoth(t, a)
}

func testPeersCloseUnblocks(t *testing.T, a, b transport.Conn) {
	sent, received := make(chan error, 1), make(chan error, 1)
	go func() { sent <- stuff(context.Background(), a) }()
	go func() {
		_, err := a.Recv(context.Background())
		received <- err
	}()
	atOnce(t, "Send and Recv when the peer closes", func() {
		b.Close()
		// It has cut off what was being sent, so this may be more than an end.
		if err := <-received; err == nil || errors.Is(err, transport.ErrClosed) {
			t.Errorf("Recv: %v, want an error that is the peer's doing", err)
		}
		if err := <-sent; errors.Is(err, transport.ErrClosed) {
			t.Errorf("Send: %v, want an error that is the peer's doing", err)
		}
	})
}

// testCloseOften: any number of calls of Close, beside everything else, and all return.
func testCloseOften(t *testing.T, a, b transport.Conn) {
	atOnce(t, "Close of both ends, from all sides", func() {
		var wg sync.WaitGroup
		for _, c := range []transport.Conn{a, b} {
			wg.Go(func() { _ = stuff(context.Background(), c) })
			wg.Go(func() {
				for err := error(nil); err == nil; {
					_, err = c.Recv(context.Background())
				}
			})
			for range 4 {
				wg.Go(func() { c.Close() })
			}
		}
		wg.Wait()
	})
	for _, c := range []transport.Conn{a, b} {
		if err := c.Close(); err != nil {
			t.Errorf("one more Close: %v", err)
		}
		closedBoth(t, c)
	}
}

// errCause is told from the errors that package context has.
var errCause = errors.New("the cause")

// testCtxEndedBefore: nothing happens, and the Conn lives on.
func testCtxEndedBefore(t *testing.T, a, b transport.Conn) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errCause)
	for range 3 {
		if err := a.Send(ctx, message(1, 10)); !errors.Is(err, errCause) || errors.Is(err, transport.ErrBroken) {
			t.Errorf("Send: %v, want the ctx's cause alone", err)
		}
		if _, err := b.Recv(ctx); !errors.Is(err, errCause) || errors.Is(err, transport.ErrBroken) {
			t.Errorf("Recv: %v, want the ctx's cause alone", err)
		}
	}
	exchange(t, a, b, message(2, 10))
	exchange(t, b, a, message(3, 10))
}

// brokenBoth checks that c is broken until Close, and closed after it.
func brokenBoth(t *testing.T, c transport.Conn) {
	t.Helper()
	if err := c.Send(context.Background(), []byte("x")); !errors.Is(err, transport.ErrBroken) {
		t.Errorf("Send on a broken Conn: %v, want ErrBroken", err)
	}
	if _, err := c.Recv(context.Background()); !errors.Is(err, transport.ErrBroken) {
		t.Errorf("Recv on a broken Conn: %v, want ErrBroken", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close of a broken Conn: %v", err)
	}
	closedBoth(t, c)
}

// late is a ctx that ends once the call has seen that it had not.
type late struct {
	context.Context
	once   sync.Once
	cancel context.CancelCauseFunc
}

func newLate() *late {
	l := &late{}
	l.Context, l.cancel = context.WithCancelCause(context.Background())
	return l
}

func (l *late) Err() error {
	err := l.Context.Err()
	l.once.Do(func() { l.cancel(errCause) })
	return err
}

func testCtxEndsInRecv(t *testing.T, a, b transport.Conn) {
	atOnce(t, "Recv whose ctx ends", func() {
		_, err := a.Recv(newLate())
		if !errors.Is(err, transport.ErrBroken) || !errors.Is(err, errCause) {
			t.Errorf("Recv: %v, want ErrBroken and the cause", err)
		}
		brokenBoth(t, a)
		// It has closed itself: the peer learns it, cleanly or not.
		for err = nil; err == nil; {
			_, err = b.Recv(context.Background())
		}
	})
}

func testCtxEndsInSend(t *testing.T, a, b transport.Conn) {
	atOnce(t, "Send whose ctx ends", func() {
		// A Send that does not block may end before its ctx does. In the end one blocks.
		for {
			ctx, cancel := context.WithTimeoutCause(context.Background(), 100*time.Millisecond, errCause)
			err := stuff(ctx, a)
			cancel()
			if !errors.Is(err, errCause) {
				t.Errorf("Send: %v, want the cause", err)
			}
			if errors.Is(err, transport.ErrBroken) || t.Failed() {
				break
			}
		}
		brokenBoth(t, a)
		for err := error(nil); err == nil; {
			_, err = b.Recv(context.Background())
		}
	})
}

// testCtxEndsAfter: a ctx means nothing once its call has returned.
func testCtxEndsAfter(t *testing.T, a, b transport.Conn) {
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		atOnce(t, "Send and Recv with a ctx", func() {
			sent := make(chan error, 1)
			go func() { sent <- a.Send(ctx, []byte("x")) }()
			if got, err := b.Recv(ctx); err != nil || string(got) != "x" {
				t.Errorf("Recv: %q, %v", got, err)
			}
			if err := <-sent; err != nil {
				t.Errorf("Send: %v", err)
			}
		})
		cancel()
	}
	exchange(t, a, b, message(1, 10))
}
