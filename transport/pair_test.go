package transport_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

// Everything that waits, waits on channels of the bubble: nothing here hangs it.
func TestPairInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := transport.Pair()
		sent := 0
		go func() {
			defer a.Close()
			for sent < 100 && a.Send(bg, []byte{byte(sent)}) == nil {
				sent++
			}
		}()
		synctest.Wait()
		if sent == 0 || sent == 100 {
			t.Errorf("%d of 100 messages sent to nobody", sent)
		}
		for i := range 100 {
			time.Sleep(time.Hour)
			if msg, err := b.Recv(bg); err != nil || msg[0] != byte(i) {
				t.Fatalf("message %d: %v, %v", i, msg, err)
			}
		}
		if _, err := b.Recv(bg); err != io.EOF {
			t.Errorf("Recv: %v, want io.EOF", err)
		}
		if err := b.Send(bg, []byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Send to a closed peer: %v", err)
		}
		b.Close()
	})
}

// A ctx that ends in a waiting call ends it then, not before and not later.
func TestPairCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := transport.Pair()
		defer b.Close()
		ctx, cancel := context.WithTimeout(bg, time.Hour)
		defer cancel()
		start := time.Now()
		_, err := a.Recv(ctx)
		if !errors.Is(err, transport.ErrBroken) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Recv: %v", err)
		}
		if took := time.Since(start); took != time.Hour {
			t.Errorf("Recv took %v", took)
		}
	})
}
