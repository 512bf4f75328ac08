package transport

import (
	"bytes"
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The memory of one huge message does not stay for as long as the Conn lives.
func TestKeepsNoHugeBuffer(t *testing.T) {
	for name, pair := range map[string]func() (Conn, Conn){
		"Pair": Pair,
		"Frame": func() (Conn, Conn) {
			a, b := net.Pipe()
			return Frame(a), Frame(b)
		},
	} {
		a, b := pair()
		ctx := context.Background()
		go func() {
			defer a.Close()
			for _, n := range []int{keepBuffer + 10, 10, 10} {
				if err := a.Send(ctx, make([]byte, n)); err != nil {
					t.Errorf("%s: Send: %v", name, err)
				}
			}
		}()
		for i := range 3 {
			msg, err := b.Recv(ctx)
			if err != nil {
				t.Fatalf("%s: Recv: %v", name, err)
			}
			if i == 2 && cap(msg) > keepBuffer {
				t.Errorf("%s: a message of %d bytes in memory of %d", name, len(msg), cap(msg))
			}
		}
		for _, c := range []Conn{a, b} {
			if f, ok := c.(*frameConn); ok && (cap(f.long) > keepBuffer || cap(f.out) > keepBuffer) {
				t.Errorf("%s: %d bytes to receive and %d to send are kept", name, cap(f.long), cap(f.out))
			}
		}
		b.Close()
	}
}

// Nothing of what was sent is kept for longer than Send, not even when it fails.
func TestSendKeepsNothing(t *testing.T) {
	a, b := net.Pipe()
	b.Close()
	c := Frame(a).(*frameConn)
	c.vectored = true // net.Pipe takes the pieces one after the other
	if err := c.SendBuffers(context.Background(), [][]byte{{1}, make([]byte, copyBelow)}); err == nil {
		t.Fatal("SendBuffers to a closed peer: nil")
	}
	for i, piece := range c.pieces[:cap(c.pieces)] {
		if piece != nil {
			t.Errorf("piece %d is kept", i)
		}
	}
	if err := c.Send(context.Background(), []byte{1}); err == nil || c.one[0] != nil {
		t.Errorf("Send: %v, keeps %v", err, c.one[0])
	}
	c.Close()
}

// A Send that Close finds halfway comes to its end before the peer sees the Conn's.
func TestPairClosesBehindSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair()
		c := a.(*pairConn)
		c.sending <- struct{}{} // a Send is about to hand over its message
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			a.Close()
		}()
		received := make(chan string, 2)
		go func() {
			for range 2 {
				msg, err := b.Recv(context.Background())
				if err != nil {
					msg = []byte(err.Error())
				}
				received <- string(msg)
			}
		}()
		synctest.Wait()
		if len(received) != 0 {
			t.Errorf("the peer is told %q while a Send goes on", <-received)
		}
		c.out.msgs <- []byte("hello")
		<-c.sending
		if first, second := <-received, <-received; first != "hello" || second != "EOF" {
			t.Errorf("the peer received %q and %q", first, second)
		}
		<-closed
		b.Close()
	})
}

// A process that is short of files waits, longer each time, instead of giving up or spinning.
func TestAcceptPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		pause, start := acceptPause{}, time.Now()
		for range 10 {
			if !pause.after(&net.OpError{Op: "accept", Err: syscall.EMFILE}, never) {
				t.Fatal("gives up for want of files")
			}
		}
		if waited := time.Since(start); waited != (5+10+20+40+80+160+320+640+1000+1000)*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		if pause.after(errors.New("broken"), never) {
			t.Error("goes on after an error that stays")
		}
		close(never)
		if pause.after(syscall.EMFILE, never) {
			t.Error("goes on after the end")
		}
	})
}

func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://host/path":             "ws://host/path",
		"ws://me:pass@host/a@b?t=1":  "ws://...@host/a@b?...",
		"ws://me:p@ss@host":          "ws://...@host",
		"unix:path":                  "unix:path",
		"tcp://host:1?":              "tcp://host:1",
		"not a URL ?x":               "not a URL ?...",
		"ws://me:pass@ho st:80/%zz/": "ws://...@ho st:80/%zz/",
	} {
		if got := redact(raw); got != want {
			t.Errorf("redact(%q) = %q, want %q", raw, got, want)
		}
	}
}

// What joins pieces gives the pieces.
func TestTotal(t *testing.T) {
	if n, err := total([][]byte{{1}, nil, {2, 3}}, 3); n != 3 || err != nil {
		t.Errorf("total: %d, %v", n, err)
	}
	var long *TooLongError
	if _, err := total([][]byte{{1}, {2, 3}}, 2); !errors.As(err, &long) || *long != (TooLongError{3, 2}) {
		t.Errorf("total beyond the limit: %v", err)
	}
	if !bytes.Contains([]byte(long.Error()), []byte("3 bytes")) {
		t.Errorf("Error: %s", long)
	}
}
