package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"omnistreams.dev/omni"
)

// streamPair opens one stream from a to b and returns its two ends.
func streamPair(t testing.TB, a, b *Session) (*omni.Consumer[[]byte], *omni.Producer[[]byte]) {
	t.Helper()
	c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
	return c, accept(t, b).Producer()
}

// TestX01ReaderCancels: the writer learns code and reason, what was on its
// way is dropped, and the slot comes back.
func TestX01ReaderCancels(t *testing.T) {
	eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
		s, p := meet(&Options{MaxStreams: 1, Prefetch: 4})
		for id := uint32(1); id < 20; id++ {
			p.send(wOpen(id, ""), wData(id, "a"))
			in := accept(t, s).Producer()
			in.Cancel(&omni.StreamError{Code: 999, Reason: "enough"})
			p.want("the cause", wClose(id, 999, "enough"))
			p.send(wData(id, "b"), wData(id, "c"), wFail(id, 999, ""))
			_, err := in.Next(t.Context())
			var se *omni.StreamError
			if !errors.As(err, &se) || se.Code != 999 || se.Remote {
				t.Fatalf("Next returns %v", err)
			}
		}
		p.wantIdle("all is forgotten")
		if st := s.Stats(); st.ItemsDropped != 3*19 || st.Accepted != 0 {
			t.Fatalf("%+v", st)
		}
		p.send(wOpen(20, ""), wData(20, "1"), wData(20, "2"), wData(20, "3"), wData(20, "4"))
		accept(t, s).Producer().Cancel(nil)
		p.want("canceled", wClose(20, 1, ""))
		p.send(wData(20, "5")) // I07: what crosses is dropped, but within credit
		p.wantFail("beyond credit", 3)
	})
}

// TestX01X06WriterLearns is the same from the writer's side, where Write waits
// for credit (X06).
func TestX01X06WriterLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{Prefetch: 2})
		c, in := streamPair(t, a, b)
		must(t, c.Write(t.Context(), []byte("1")))
		must(t, c.Write(t.Context(), []byte("2")))
		blocked := make(chan error, 1)
		go func() { blocked <- c.Write(t.Context(), []byte("3")) }()
		synctest.Wait()
		in.Cancel(&omni.StreamError{Code: 700, Reason: "why"})
		synctest.Wait()
		for i, err := range []error{<-blocked, c.Write(t.Context(), nil), c.Err(), c.End()} {
			var se *omni.StreamError
			if !errors.As(err, &se) || se.Code != 700 || se.Reason != "why" || !se.Remote {
				t.Fatalf("the writer got %v (%d)", err, i)
			}
		}
		<-c.Done()
		if st := a.Stats(); st.Opened != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// TestX02CancelCodes: what each kind of error says on the wire.
func TestX02CancelCodes(t *testing.T) {
	for _, row := range []struct {
		err  error
		code omni.Code
		why  string
	}{
		{nil, 1, ""},
		{context.Canceled, 1, ""},
		{fmt.Errorf("wrapped: %w", context.Canceled), 1, ""},
		{context.DeadlineExceeded, 7, ""},
		{errors.New("the database password is hunter2"), 6, ""},
		{&omni.StreamError{Code: 400, Reason: "bad request"}, 400, "bad request"},
		{fmt.Errorf("wrapped: %w", &omni.StreamError{Code: 401, Reason: "who?"}), 401, "who?"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, p := meetOpt(t, small())
			c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
			c.Cancel(row.err)
			p.want(fmt.Sprint(row.err), wOpen(1, ""), wFail(1, row.code, row.why))
			p.send(wOpen(1, ""))
			accept(t, s).Producer().Cancel(row.err)
			p.want(fmt.Sprint(row.err), wClose(1, row.code, row.why))
		})
	}
}

// TestX03BothCancel: both ends at the same moment, many times: once each, and
// every slot comes back.
func TestX03BothCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{MaxStreams: 1})
		for range 500 {
			c, in := streamPair(t, a, b)
			var both sync.WaitGroup
			both.Go(func() { c.Cancel(nil) })
			both.Go(func() { in.Cancel(nil) })
			both.Wait()
			if c.Err() == nil || in.Err() == nil {
				t.Fatalf("Err is %v and %v", c.Err(), in.Err())
			}
		}
		synctest.Wait()
		if a.e.ownSlots != 0 || b.e.theirSlots != 0 {
			t.Fatalf("%d and %d slots", a.e.ownSlots, b.e.theirSlots)
		}
	})
	// Those two words seldom cross; here they do.
	e := newEngine(small1(t))
	e.receive(join(wHello(16, 4, 4, 64, "")))
	_, err := e.takeSlot(false)
	must(t, err)
	var m message
	e.open(kindOneWay, nil, nil).cancel(omni.ErrCanceled)
	e.pack(&m)
	e.receive(join(wClose(1, 77, "enough")))
	e.pack(&m)
	if got := packed(&m); len(got) != 0 || e.ownSlots != 0 || e.err != nil {
		t.Fatalf("%v goes out behind FAIL, %d slots, %v", got, e.ownSlots, e.err)
	}
}

// TestX05FromInside: every call may be made from inside a loop over items.
func TestX05FromInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		for range 3 {
			must(t, c.Write(t.Context(), []byte("x")))
		}
		n := 0
		for _, err := range in.All(t.Context()) {
			if err != nil {
				break
			}
			n++
			in.Request(1)
			c.End()
			if n == 2 {
				in.Cancel(nil)
				a.Close()
			}
		}
		if n != 2 {
			t.Fatalf("%d items", n)
		}
	})
}

// TestP03P04AfterTheEnd: what comes after a terminal call changes nothing.
func TestP03P04AfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		must(t, c.End())
		must(t, c.End())
		wantIs(t, "Write after End", c.Write(t.Context(), nil), omni.ErrEnded)
		c.Cancel(nil)
		if _, err := in.Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		in.Cancel(nil)
		if _, err := in.Next(t.Context()); err != io.EOF || in.Err() != nil {
			t.Fatal(err, in.Err())
		}
		<-c.Done()
		must(t, c.Err())

		c, in = streamPair(t, a, b)
		cause := errors.New("cause")
		c.Cancel(cause)
		c.Cancel(errors.New("another"))
		wantIs(t, "End after Cancel", c.End(), cause)
		wantIs(t, "Write after Cancel", c.Write(t.Context(), nil), cause)
		_, err := in.Next(t.Context())
		wantIs(t, "the reader", err, omni.ErrInternal)
	})
}

// TestP01P02EmptyItems: nil and empty items are items.
func TestP01P02EmptyItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		for _, v := range [][]byte{nil, {}, []byte("x"), nil} {
			must(t, c.Write(t.Context(), v))
		}
		must(t, c.End())
		for _, want := range []string{"", "", "x", ""} {
			wantItem(t, in, want)
		}
		if _, err := in.Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
	})
}

// TestP05P06ManyHands: several writers and readers of one stream: each item
// goes to one reader, and each writer's items keep their order.
func TestP05P06ManyHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{Prefetch: 8})
		c, in := streamPair(t, a, b)
		var writers, readers sync.WaitGroup
		for w := range byte(4) {
			writers.Go(func() {
				for i := range byte(200) {
					if err := c.Write(t.Context(), []byte{w, i}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var mu sync.Mutex
		seen := map[string]bool{}
		for range 3 {
			readers.Go(func() {
				var last [4]int
				for {
					v, err := in.Next(t.Context())
					if err != nil {
						if err != io.EOF {
							t.Error(err)
						}
						return
					}
					if int(v[1]) < last[v[0]] {
						t.Errorf("writer %d: item %d after %d", v[0], v[1], last[v[0]])
					}
					last[v[0]] = int(v[1])
					mu.Lock()
					if seen[string(v)] {
						t.Errorf("%v came twice", v)
					}
					seen[string(v)] = true
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		c.End()
		readers.Wait()
		if len(seen) != 800 {
			t.Fatalf("%d items", len(seen))
		}
	})
}

// TestReaderMayKeepItems: an item is the reader's; what the writer does to
// its slice afterwards changes nothing.
func TestReaderMayKeepItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		var kept [][]byte
		for _, size := range []int{1, 100, 1 << 10, 5000, 100_000} {
			for i := range 20 {
				item := make([]byte, size)
				item[0], item[size-1] = byte(i+1), byte(i+1)
				must(t, c.Write(t.Context(), item))
				clear(item)
				kept = append(kept, noErr[[]byte](t)(in.Next(t.Context())))
			}
		}
		for n, item := range kept {
			if i := byte(n%20 + 1); item[0] != i || item[len(item)-1] != i {
				t.Fatalf("item %d of %d bytes has changed: %d", n, len(item), item[0])
			}
		}
	})
}

// TestReuse: with Reuse an item is good until the next one is asked for.
func TestReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		if Reuse(in) != in {
			t.Fatal("another stream")
		}
		go func() {
			for i := range 500 {
				size := []int{0, 3, 1000, 5000, 70_000}[i%5]
				item := make([]byte, size)
				for k := range item {
					item[k] = byte(i)
				}
				if err := c.Write(t.Context(), item); err != nil {
					t.Error(err)
				}
			}
			c.End()
		}()
		for i := range 500 {
			item := noErr[[]byte](t)(in.Next(t.Context()))
			synctest.Wait() // whatever else arrives
			for k := range item {
				if item[k] != byte(i) {
					t.Fatalf("item %d: byte %d is %d", i, k, item[k])
				}
			}
		}
	})
}

// TestX01CloseBeforeQueuedEnd: CLOSE finds items or END still queued: they are
// dropped, and FAIL is the answer.
func TestX01CloseBeforeQueuedEnd(t *testing.T) {
	for _, items := range []int{0, 1} {
		e := newEngine(small1(t))
		e.receive(join(wHello(16, 4, 4, 64, "")))
		o := e.open(kindOneWay, nil, nil)
		var m message
		e.pack(&m)
		for range items {
			o.write([]byte("x"))
		}
		must(t, o.end())
		e.receive(join(wClose(1, 77, "enough")))
		e.pack(&m)
		if got := packed(&m); len(got) != 1 || got[0] != wFail(1, 77, "") {
			t.Fatalf("%d items queued: the answer is %v", items, got)
		}
	}
}
