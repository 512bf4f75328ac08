package mux

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// find returns the only stream of a snapshot that is opened by that side and
// has that number.
func find(t *testing.T, snap Snapshot, opened bool, number uint32) StreamState {
	t.Helper()
	for _, st := range snap.Streams {
		if st.Opened == opened && st.Number == number {
			return st
		}
	}
	t.Fatalf("no such stream:\n%v", snap)
	return StreamState{}
}

// wantWaits fails unless the stream waits for that, since exactly then.
func wantWaits(t *testing.T, st StreamState, waits string, stuck bool, since time.Duration) {
	t.Helper()
	if st.Waits != waits || st.Stuck != stuck || st.Since != since {
		t.Fatalf("got %v\nwant: waits for %s, stuck %v, for %v", st, waits, stuck, since)
	}
}

// TestSnapshotOfWriters: whom a stream of this side waits for, and since when.
func TestSnapshotOfWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, nil)
		p.send(rawFrame{200, 0, ""})
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		synctest.Wait()
		time.Sleep(time.Second)
		wantWaits(t, find(t, s.Snapshot(), true, 1), "our writer", false, time.Second)
		for range 100 {
			must(t, c.Write(t.Context(), []byte("12345")))
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		st := find(t, s.Snapshot(), true, 1)
		wantWaits(t, st, "the peer's reader", false, 2*time.Second)
		if st.Items != (Credit{100, 100, 0}) || st.Bytes.Moved != 500 || st.Sent != "DATA" || st.Received != "" {
			t.Fatalf("%+v", st)
		}
		wrote := make(chan error)
		go func() { wrote <- c.Write(t.Context(), []byte("one more")) }()
		time.Sleep(3 * time.Second)
		wantWaits(t, find(t, s.Snapshot(), true, 1), "the peer's reader", true, 3*time.Second)
		p.send(wRequest(1, 101, 1<<20))
		must(t, <-wrote)
		must(t, c.End())
		synctest.Wait()
		time.Sleep(4 * time.Second)
		st = find(t, s.Snapshot(), true, 1)
		wantWaits(t, st, "the peer's reader", true, 4*time.Second)
		if st.Sent != "END" || st.Received != "REQUEST" {
			t.Fatalf("%+v", st)
		}
		p.send(wClose(1, 0, ""))
		synctest.Wait()
		if snap := s.Snapshot(); len(snap.Streams) != 0 || snap.State != "open" {
			t.Fatal(snap)
		}
	})
}

// TestSnapshotOfReaders is the same of the peer's streams.
func TestSnapshotOfReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, nil)
		p.send(wCall(1, "a name"), wData(1, "one"), wData(1, "two"))
		synctest.Wait()
		time.Sleep(time.Second)
		st := find(t, s.Snapshot(), false, 1)
		wantWaits(t, st, "our Accept", true, time.Second)
		if st.Kind != "call" || string(st.Metadata) != "a name" || st.Items != (Credit{64, 2, 0}) {
			t.Fatalf("%+v", st)
		}
		in := accept(t, s)
		time.Sleep(time.Second)
		wantWaits(t, find(t, s.Snapshot(), false, 1), "our reader", true, 2*time.Second)
		wantItem(t, in.Producer(), "one")
		time.Sleep(time.Second)
		wantWaits(t, find(t, s.Snapshot(), false, 1), "our reader", true, time.Second)
		wantItem(t, in.Producer(), "two")
		time.Sleep(time.Second)
		wantWaits(t, find(t, s.Snapshot(), false, 1), "the peer's writer", false, time.Second)
		in.Producer().Cancel(nil)
		time.Sleep(time.Second)
		wantWaits(t, find(t, s.Snapshot(), false, 1), "our Reply", true, time.Second)
		c := noErr[*omni.Consumer[[]byte]](t)(in.Reply(t.Context(), nil))
		synctest.Wait()
		time.Sleep(time.Second)
		st = find(t, s.Snapshot(), false, 1)
		wantWaits(t, st, "the peer's writer", true, time.Second)
		if st.Sent != "CLOSE" || st.Received != "DATA" {
			t.Fatalf("%+v", st)
		}
		answer := find(t, s.Snapshot(), true, 1)
		if answer.Kind != "answer" || answer.Answers != 1 {
			t.Fatalf("%+v", answer)
		}
		must(t, c.End())
		p.send(wEnd(1), wClose(1, 0, ""))
		synctest.Wait()
		if snap := s.Snapshot(); len(snap.Streams) != 0 {
			t.Fatal(snap)
		}
	})
}

// TestSnapshotOfOpens: calls of Open and Call that wait.
func TestSnapshotOfOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := newConfig(nil)
		must(t, err)
		s, p := meet(t, cfg)
		if snap := s.Snapshot(); snap.State != "greeting" {
			t.Fatal(snap)
		}
		p.send(wHello(1<<16, 1, 0, 0, ""))
		p.next("HELLO")
		noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		ctx, cancel := context.WithCancel(t.Context())
		opened := make(chan error)
		go func() { _, err := s.Open(ctx, nil); opened <- err }()
		time.Sleep(time.Second)
		wantWaits(t, find(t, s.Snapshot(), true, 0), "the peer's slots", true, time.Second)
		cancel()
		<-opened
		for _, st := range s.Snapshot().Streams {
			if st.Number == 0 {
				t.Fatal(st)
			}
		}
	})
}

// TestWatch: the stream that is stuck is named after exactly the limit, idle
// ones never are.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, &Options{KeepAlive: time.Hour})
		noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil)) // idle
		watched := make(chan error)
		go func() { watched <- s.Watch(t.Context(), 10*time.Second) }()
		time.Sleep(time.Minute + time.Second/3)
		p.send(wOpen(1, ""), wData(1, "a"), wData(1, "b"))
		started := time.Now()
		in := accept(t, s)
		time.Sleep(9 * time.Second)
		wantItem(t, in.Producer(), "a") // it moves
		err := <-watched
		var stall *StallError
		if !errors.As(err, &stall) || stall.Stream.Number != 1 || stall.Stream.Opened || stall.Stream.Waits != "our reader" {
			t.Fatal(err)
		}
		if took := time.Since(started); took != 19*time.Second {
			t.Fatalf("after %v", took)
		}
		// The other ways to end.
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(omni.ErrRefused)
		wantIs(t, "ctx", s.Watch(ctx, time.Hour), omni.ErrRefused)
		wantPanic(t, "no limit", func() { s.Watch(ctx, 0) })
		s.Close()
		wantIs(t, "closed", s.Watch(t.Context(), time.Hour), ErrClosed)
		if snap := s.Snapshot(); snap.State != "over" || len(snap.Streams) != 0 {
			t.Fatal(snap)
		}
	})
}

// TestSnapshotString is what people get to read.
func TestSnapshotString(t *testing.T) {
	snap := Snapshot{
		State: "open", Age: time.Minute, Silence: 3 * time.Second, Sending: time.Second, RoundTrip: time.Millisecond,
		Stats: Stats{ItemsSent: 64, ItemsReceived: 3},
		Streams: []StreamState{
			{Opened: true, Number: 4, Kind: "one-way", Waits: "the peer's reader", Stuck: true, Since: 2 * time.Second,
				Items: Credit{64, 64, 0}, Bytes: Credit{1000, 900, 0}, Queued: 12, Sent: "DATA", Received: "REQUEST"},
			{Number: 7, Kind: "call", Metadata: []byte("na\x1bme"), Waits: "the peer's writer", Since: 1500,
				Items: Credit{64, 3, 3}, Bytes: Credit{500, 30, 30}, Received: "DATA"},
			{Opened: true, Waits: "the peer's slots", Stuck: true},
		},
	}
	want := `session open for 1m0s, peer heard 3s ago, transport busy for 1s, round trip 1ms
streams: 3; items sent: 64, received: 3
  our one-way 4: STUCK for 2s, waits for the peer's reader; items 64 of 64, bytes 900 of 1000, 12 bytes queued; last sent DATA, received REQUEST
  peer's call 7 "na\x1bme": idle for 1.5µs, waits for the peer's writer; items 3 of 64, 3 taken, bytes 30 of 500, 30 taken; last sent nothing, received DATA
  calls of Open and Call: busy for 0s, waits for the peer's slots; items 0 of 0, bytes 0 of 0; last sent nothing, received nothing`
	if got := snap.String(); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains((&StallError{snap.Streams[0], time.Second}).Error(), "our one-way 4") {
		t.Fatal("the error does not name the stream")
	}
}
