package transport_test

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

func progress(t *testing.T, c transport.Conn) (in, out transport.Progress) {
	t.Helper()
	r, ok := c.(transport.ProgressReporter)
	if !ok {
		t.Fatalf("%T reports no progress", c)
	}
	return r.Progress()
}

// TestProgressIn: a message that comes in parts is seen from its first byte
// on, to the nanosecond, and no more when it is whole.
func TestProgressIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, nc := net.Pipe()
		c := transport.Frame(nc)
		defer c.Close()
		defer raw.Close()
		got := make(chan []byte)
		go func() {
			for {
				msg, err := c.Recv(context.Background())
				if err != nil {
					return
				}
				got <- append([]byte(nil), msg...)
			}
		}()
		start := time.Now()
		whole := append(binary.BigEndian.AppendUint32(nil, 200<<10), make([]byte, 200<<10)...)
		for i, cut := range []int{0, 1, 3, 4, 5, 100, 70_000, len(whole)} {
			if i > 0 {
				last := []int{0, 1, 3, 4, 5, 100, 70_000}[i-1]
				if _, err := raw.Write(whole[last:cut]); err != nil {
					t.Fatal(err)
				}
			}
			if cut == len(whole) {
				<-got
			}
			synctest.Wait()
			in, _ := progress(t, c)
			switch {
			case cut == 0 && in != transport.Progress{}:
				t.Fatalf("nothing came, %v", in)
			case cut == len(whole) && !in.Began.IsZero():
				t.Fatalf("all came, began %v", in.Began)
			case cut > 0 && cut < len(whole) && (in.Began.Sub(start) != time.Second || time.Since(in.Moved) != 0):
				t.Fatalf("after %d bytes: began %v, moved %v ago", cut, in.Began.Sub(start), time.Since(in.Moved))
			}
			time.Sleep(time.Second)
		}
	})
}

// TestProgressOut: each piece of a long message that was taken is seen.
func TestProgressOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, nc := net.Pipe()
		c := transport.Frame(nc)
		defer c.Close()
		defer raw.Close()
		const n = 200 << 10
		sent := make(chan error, 1)
		go func() { sent <- c.Send(context.Background(), make([]byte, n)) }()
		buf, moves := make([]byte, 1000), map[time.Time]bool{}
		for read := 0; read < n+4; {
			time.Sleep(time.Second)
			m, err := raw.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			read += m
			synctest.Wait()
			if _, out := progress(t, c); !out.Moved.IsZero() {
				moves[out.Moved] = true
			}
		}
		if err := <-sent; err != nil || len(moves) != 3 {
			t.Fatalf("%v, %d pieces were seen, not 3", err, len(moves))
		}
	})
}

// TestProgressWebSocket: the same of a real WebSocket, either way.
func TestProgressWebSocket(t *testing.T) {
	l, err := transport.Listen(t.Context(), "ws://127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := transport.Dial(t.Context(), l.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// More than a socket takes, and nobody reads.
	msg := make([]byte, 64<<20)
	b.(transport.Limiter).SetReadLimit(len(msg))
	sent := make(chan error, 1)
	go func() { sent <- a.Send(context.Background(), msg) }()
	for {
		if _, out := progress(t, a); !out.Moved.IsZero() {
			break
		}
		time.Sleep(time.Millisecond) // TCP gives no other sign
	}
	seen := make(chan bool)
	go func() {
		for {
			if in, _ := progress(t, b); !in.Began.IsZero() && !in.Moved.Before(in.Began) {
				close(seen)
				return
			}
			time.Sleep(10 * time.Microsecond)
		}
	}()
	if _, err := b.Recv(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-seen
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if in, _ := progress(t, b); !in.Began.IsZero() {
		t.Fatal("all came, and it is still under way")
	}
}
