package mux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestCheckPeer: the application sees the peer's metadata before anything
// else of it, and can turn it away.
func TestCheckPeer(t *testing.T) {
	for _, row := range []struct {
		err    error
		reason string // that the peer is told
	}{
		{nil, ""},
		{errors.New("the password is hunter2"), "this peer is not welcome"},
		{&omni.StreamError{Code: 1234, Reason: "no token"}, "no token"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ca, cb := transport.Pair()
			checked := make(chan struct{})
			b := start(t, cb, &Options{Metadata: []byte("b"), CheckPeer: func(metadata []byte) error {
				<-checked
				if string(metadata) != "a" {
					t.Errorf("CheckPeer gets %q", metadata)
				}
				return row.err
			}})
			a := start(t, ca, &Options{Metadata: []byte("a")})
			if got := noErr[[]byte](t)(a.Peer(t.Context())); string(got) != "b" {
				t.Fatalf("Peer is %q", got)
			}
			c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), []byte("early")))
			must(t, c.Write(t.Context(), []byte("early")))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if in, err := b.Accept(ctx); err == nil {
				t.Fatalf("%q was handed out before the check", in.Metadata())
			}
			close(checked)
			if row.err == nil {
				in := accept(t, b)
				wantItem(t, in.Producer(), "early")
				noErr[[]byte](t)(b.Peer(t.Context()))
				return
			}
			_, err := b.Accept(t.Context())
			wantIs(t, "Accept", err, row.err)
			_, err = b.Peer(t.Context())
			wantIs(t, "Peer", err, row.err)
			<-a.Done()
			var se *omni.StreamError
			if !errors.As(a.Err(), &se) || se.Code != omni.CodeRefused || se.Reason != row.reason || !se.Remote {
				t.Fatalf("the peer is told %v", a.Err())
			}
			wantLost(t, "the stream", c.Err())
			<-b.Done()
		})
	}
}

// TestCheckPeerThatHangs: Close waits for it; the session's end comes first.
func TestCheckPeerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		a, b := pair(t, &Options{CheckPeer: func([]byte) error { <-hang; return nil }})
		synctest.Wait() // both checks are under way
		closed := make(chan struct{})
		go func() { a.Close(); close(closed) }()
		_, err := a.Peer(t.Context())
		wantIs(t, "Peer", err, ErrClosed)
		synctest.Wait()
		select {
		case <-closed:
			t.Fatal("Close has not waited")
		default:
		}
		close(hang)
		<-closed
		<-b.Done()
	})
}

func TestPingStatsMaxItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{MaxItem: 1234})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if took, err := a.Ping(t.Context()); took != 0 || err != nil {
					t.Error(took, err)
				}
			})
		}
		all.Wait()
		if n, err := a.MaxItem(t.Context()); n != 1234 || err != nil {
			t.Fatal(n, err)
		}
		c, in := streamPair(t, a, b)
		d := noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), nil))
		must(t, c.Write(t.Context(), []byte("four")))
		must(t, d.Out.Write(t.Context(), []byte("sixsix")))
		synctest.Wait()
		sa, sb := a.Stats(), b.Stats()
		if sa.StreamsOpened != 2 || sa.ItemsSent != 2 || sa.BytesSent != 10 || sa.Opened != 2 || sa.Accepted != 0 {
			t.Fatalf("%+v", sa)
		}
		if sb.StreamsAccepted != 2 || sb.ItemsReceived != 2 || sb.BytesReceived != 10 || sb.Accepted != 2 || sb.Unaccepted != 1 {
			t.Fatalf("%+v", sb)
		}
		in.Cancel(nil)
		if sb = b.Stats(); sb.ItemsDropped != 1 {
			t.Fatalf("%+v", sb)
		}
		a.Close()
		_, err := a.Ping(t.Context())
		wantIs(t, "Ping afterwards", err, ErrClosed)
	})
}

// TestPingUnanswered honours its ctx and harms nothing.
func TestPingUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := s.Ping(ctx)
		wantIs(t, "Ping", err, context.DeadlineExceeded)
		f := p.next("PING")
		// A PONG answers all older PINGs, and late ones harm nobody.
		got := make(chan time.Duration, 1)
		go func() { d, _ := s.Ping(t.Context()); got <- d }()
		synctest.Wait()
		second := p.pending()[0]
		time.Sleep(2 * time.Second)
		p.send(rawFrame{8, 0, second.payload}, rawFrame{8, 0, f.payload})
		if d := <-got; d != 2*time.Second {
			t.Fatalf("the PONG took %v", d)
		}
	})
}

// TestDoneIsAReceipt: the writer's Done closes when the reader took the end,
// no sooner, and that is CLOSE with code 0 on the wire.
func TestDoneIsAReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, ""), wData(1, "x"), wEnd(1))
		in := accept(t, s).Producer()
		wantItem(t, in, "x")
		p.wantIdle("the end was not taken")
		if _, err := in.Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		p.want("now it was", wClose(1, 0, ""))

		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		must(t, c.Write(t.Context(), []byte("x")))
		must(t, c.End())
		wantItem(t, in, "x")
		synctest.Wait()
		select {
		case <-c.Done():
			t.Fatal("Done closed before the end was taken")
		default:
		}
		in.Next(t.Context())
		<-c.Done()
		must(t, c.Err())
	})
}

func (intCodec) Append(dst []byte, v int) ([]byte, error) {
	if v < 0 {
		return nil, errNegative
	}
	return fmt.Append(dst, v), nil
}

func (intCodec) Decode(data []byte) (v int, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

func (textCodec) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (textCodec) Decode(data []byte) (string, error) { return string(data), nil }
