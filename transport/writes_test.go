package transport

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"testing"
)

// countWriter is a byte stream that notes how long its writes are. It is no
// connection of the system, so each piece is a write of its own.
type countWriter struct {
	net.Conn
	longest int
}

func (w *countWriter) Write(p []byte) (int, error) {
	w.longest = max(w.longest, len(p))
	return w.Conn.Write(p)
}

// Messages of any length, in any pieces, arrive whole: long ones leave in several system calls, and
// the read buffer grows under them.
func TestLongMessagesInPieces(t *testing.T) {
	a, b := net.Pipe()
	counter := &countWriter{Conn: a}
	x, y := Frame(counter).(*frameConn), Frame(b).(*frameConn)
	x.vectored = true
	defer x.Close()
	defer y.Close()
	var sizes []int
	for _, n := range []int{1, copyBelow, maxWrite, 2 * maxWrite, 3 * maxWrite, readBuffer, readAlone, longReadBuffer, 300 << 10} {
		for d := -6; d <= 6; d++ {
			sizes = append(sizes, max(1, n+d))
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	rnd.Shuffle(len(sizes), func(i, k int) { sizes[i], sizes[k] = sizes[k], sizes[i] })
	message := func(i int) []byte {
		return bytes.Repeat([]byte{byte(i), byte(i >> 8), 'x'}, sizes[i]/3+1)[:sizes[i]]
	}
	go func() {
		for i := range sizes {
			msg := message(i)
			var pieces [][]byte
			for len(msg) > 0 {
				n := min(len(msg), 1+rnd.IntN(1+2*sizes[i]/3))
				pieces, msg = append(pieces, msg[:n]), msg[n:]
			}
			if err := x.SendBuffers(context.Background(), pieces); err != nil {
				t.Error(err)
				x.Close()
				return
			}
		}
	}()
	for i := range sizes {
		got, err := y.Recv(context.Background())
		if err != nil || !bytes.Equal(got, message(i)) {
			t.Fatalf("message %d of %d bytes: got %d bytes, %v", i, sizes[i], len(got), err)
		}
	}
	if counter.longest > maxWrite {
		t.Errorf("a write of %d bytes, %d at most are due", counter.longest, maxWrite)
	}
	if len(y.in) != longReadBuffer {
		t.Errorf("the read buffer has %d bytes after all that", len(y.in))
	}
}

// A peer that sends little gets a small read buffer.
func TestReadBufferStaysSmall(t *testing.T) {
	a, b := net.Pipe()
	x, y := Frame(a), Frame(b).(*frameConn)
	defer x.Close()
	defer y.Close()
	go func() {
		for range 100 {
			if err := x.Send(context.Background(), make([]byte, 1000)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 100 {
		if _, err := y.Recv(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(y.in) != readBuffer {
		t.Errorf("the read buffer has %d bytes", len(y.in))
	}
}
