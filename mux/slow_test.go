package mux

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// TestS01NeverRead: streams that nobody reads, with all their credit used,
// slow no other down and leave it its window.
func TestS01NeverRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{Window: 1 << 20})
		for range 100 {
			c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
			accept(t, b)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			for c.Write(ctx, make([]byte, 100<<10)) == nil {
			}
			cancel()
		}
		c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
		go func() {
			for range 1000 {
				c.Write(t.Context(), make([]byte, 10<<10))
			}
			c.End()
		}()
		started := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		all, err := omni.Collect(ctx, accept(t, b).Producer())
		if len(all) != 1000 || err != nil || time.Since(started) > 0 {
			t.Fatalf("%d items in %v, %v", len(all), time.Since(started), err)
		}
	})
}

// TestS03BlockedHandler: a handler that hangs stalls its stream alone.
func TestS03BlockedHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{MaxStreams: 2})
		hang := make(chan struct{})
		defer close(hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go b.Serve(t.Context(), func(ctx context.Context, in *Incoming) error {
			if string(in.Metadata()) == "hang" {
				<-hang
			}
			_, err := omni.Collect(ctx, in.Producer())
			return err
		})
		noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), []byte("hang")))
		for range 10 {
			c := noErr[*omni.Consumer[[]byte]](t)(a.Open(ctx, nil))
			must(t, c.Write(ctx, []byte("x")))
			must(t, c.End())
			select {
			case <-c.Done():
			case <-ctx.Done():
				t.Fatal("a stream waits for the handler that hangs")
			}
			must(t, c.Err())
		}
		noErr[time.Duration](t)(b.Ping(ctx))
	})
}

// TestS05DroppedAfterEnd: END is here, items are unread, the reader leaves.
func TestS05DroppedAfterEnd(t *testing.T) {
	eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
		s, p := meet(small())
		fresh := s.Stats()
		for id := range uint32(20) {
			p.send(wOpen(id+1, ""), wData(id+1, "x"), wData(id+1, "y"), wEnd(id+1))
			in := accept(t, s)
			in.Producer().Cancel(nil)
			p.want("not all was taken", wClose(id+1, 1, ""))
		}
		st := s.Stats()
		if st.Accepted != 0 || st.WindowsFree != fresh.WindowsFree || st.ItemsDropped != 40 {
			t.Fatalf("%+v", st)
		}
	})
}

// TestS06LongPause: a reader that pauses for ten minutes goes on where it
// was, and meanwhile nothing was granted that it had not taken.
func TestS06LongPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, small())
		c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
		go func() {
			for i := range 100 {
				if err := c.Write(t.Context(), []byte{byte(i)}); err != nil {
					t.Error(err)
				}
			}
			c.End()
		}()
		in := accept(t, b)
		wantItem(t, in.Producer(), "\x00")
		time.Sleep(10 * time.Minute)
		if st := a.Stats(); st.ItemsSent > 1+4 {
			t.Fatalf("%d items were sent, one was taken of a window of 4", st.ItemsSent)
		}
		for i := 1; i < 100; i++ {
			wantItem(t, in.Producer(), string([]byte{byte(i)}))
		}
		if _, err := in.Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
	})
}

// TestS09I11FailAfterItems: what came before the error is delivered before it.
func TestS09I11FailAfterItems(t *testing.T) {
	eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
		s, p := meet(small())
		p.send(wOpen(1, ""), wData(1, "a"), wData(1, "b"), wFail(1, 42, "broken"))
		in := accept(t, s)
		wantItem(t, in.Producer(), "a")
		wantItem(t, in.Producer(), "b")
		for range 2 {
			_, err := in.Producer().Next(t.Context())
			var se *omni.StreamError
			if !errors.As(err, &se) || se.Code != 42 || se.Reason != "broken" || !se.Remote {
				t.Fatal(err)
			}
		}
		p.want("it was taken", wClose(1, 0, ""))
	})
}
