package mux

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestLostIsNeverEOF: neither a connection that ends nor a ctx that was
// canceled with a reader's io.EOF looks like the end of a stream.
func TestLostIsNeverEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := transport.Pair()
		a, b := start(t, ca, nil), start(t, cb, nil)
		c, in := streamPair(t, a, b)
		must(t, c.Write(t.Context(), []byte("first of many")))
		wantItem(t, in, "first of many")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.EOF)
		if _, err := in.Next(ctx); errors.Is(err, io.EOF) {
			t.Errorf("a ctx that was canceled with io.EOF: %v", err)
		}
		ca.Close()
		_, err := in.Next(t.Context())
		if errors.Is(err, io.EOF) || !errors.Is(err, ErrSessionLost) {
			t.Errorf("a connection that ended: %v", err)
		}
		<-a.Done()
		if _, err := a.Open(t.Context(), nil); !errors.Is(err, ErrSessionLost) {
			t.Errorf("Open on a lost session: %v", err)
		}
	})
}

// TestCollectIsNotCutShort: the same over omni's loops, which take io.EOF for
// a clean end.
func TestCollectIsNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		must(t, c.Write(t.Context(), []byte("first of many")))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(io.EOF) })
		if items, err := omni.Collect(ctx, in); err == nil || len(items) != 1 {
			t.Errorf("Collect: %d items, %v", len(items), err)
		}
	})
}

// TestLostPromisesNoRetry: of a stream that lived when the peer shut down
// nobody knows what was looked at.
func TestLostPromisesNoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		must(t, c.Write(t.Context(), []byte("charge the card")))
		wantItem(t, in, "charge the card")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var cut *CutError
		if err := b.Shutdown(ctx); !errors.As(err, &cut) {
			t.Errorf("Shutdown: %v", err)
		}
		<-c.Done()
		if err := c.Err(); errors.Is(err, omni.ErrShuttingDown) || !errors.Is(err, ErrSessionLost) {
			t.Errorf("the writer: %v", err)
		}
	})
}
