package jsgi_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"omnistreams.dev/adapters/jsgi"
	"omnistreams.dev/omni"
)

// feed writes 0 to n-1 to s as a writer does that waits for drain, closes it,
// and counts what it has written.
func feed(s *jsgi.Stream[int], n int, written *int) {
	more := func() {
		for *written < n {
			on, err := s.Write(*written)
			if err != nil {
				return
			}
			*written++
			if !on {
				return
			}
		}
		s.Close()
	}
	s.AddListener(jsgi.Listener[int]{Drain: more})
	more()
}

func TestFromStreamOrderAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		s := jsgi.NewStream[int](nil)
		p := jsgi.FromStream(bg, s)
		written := 0
		feed(s, n, &written)
		got, err := omni.Collect(bg, p)
		must(t, err)
		if len(got) != n || !slices.IsSorted(got) {
			t.Errorf("got %d items: %v", len(got), got)
		}
		must(t, p.Err())
		if _, err := p.Next(bg); err != io.EOF {
			t.Errorf("error %v after the end", err)
		}
	})
}

// A producer that nobody reads stops the stream's writer, and each request
// lets out as many items as it says.
func TestFromStreamUnreadStopsTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &jsgi.Queue{}
		s := jsgi.NewStream[int](&jsgi.Options{Queue: q})
		fired := 0
		s.AddListener(jsgi.Listener[int]{Data: func(int) { fired++ }})
		p := jsgi.FromStream(bg, s)
		written := 0
		q.Go(func() { feed(s, 1000, &written) })
		synctest.Wait()
		want := 0
		check := func() {
			t.Helper()
			synctest.Wait()
			if fired != want || written != want+1 {
				t.Fatalf("fired %d, want %d; written %d, want one more", fired, want, written)
			}
		}
		check()
		for _, n := range []uint32{1, 3, 0, 10} {
			p.Request(n)
			want += int(n)
			check()
		}
		for i := range want { // was asked for: no more is
			v, err := p.Next(bg)
			must(t, err)
			if v != i {
				t.Fatalf("got %d, want %d", v, i)
			}
			check()
		}
		p.Cancel(nil)
		wantErr(t, s.Err(), omni.ErrCanceled)
	})
}

// The end needs no credit, nor does an error.
func TestFromStreamEndNeedsNoRequest(t *testing.T) {
	for _, cause := range []error{nil, errTest} {
		synctest.Test(t, func(t *testing.T) {
			s := jsgi.NewStream[int](nil)
			p := jsgi.FromStream(bg, s)
			s.Write(1)
			if cause == nil {
				s.Close()
			} else {
				s.CloseWithError(cause)
			}
			v, err := p.Next(bg)
			must(t, err)
			if v != 1 {
				t.Errorf("got %d", v)
			}
			// Not asking: as Pipe and Tee wait.
			_, err = p.Source().Next(bg, false)
			if cause == nil {
				cause = io.EOF
			}
			wantErr(t, err, cause)
		})
	}
}

func TestFromStreamCancelAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		defer cancel(nil)
		s := jsgi.NewStream[int](nil)
		p := jsgi.FromStream(ctx, s)
		cancel(errTest)
		synctest.Wait()
		wantErr(t, s.Err(), errTest)
		wantErr(t, p.Err(), errTest)
		_, err := p.Next(bg)
		wantErr(t, err, errTest)
		_, err = s.Write(1)
		wantErr(t, err, errTest)

		// The ctx of a call ends the call.
		s = jsgi.NewStream[int](nil)
		p = jsgi.FromStream(bg, s)
		_, err = p.Next(ctx)
		wantErr(t, err, errTest)
		s.Write(1)
		synctest.Wait()
		v, err := p.Next(ctx) // here already: handed out
		must(t, err)
		if v != 1 {
			t.Errorf("got %d", v)
		}

		// A cancel of the stream drops what waits, and crosses.
		s.Write(2)
		s.Cancel(errTest)
		_, err = p.Next(bg)
		wantErr(t, err, errTest)
	})
}

// Several readers share the items, none is lost, whatever the timing.
func TestFromStreamManyReaders(t *testing.T) {
	const n, readers = 2000, 4
	s := jsgi.NewStream[int](nil)
	p := jsgi.FromStream(bg, s)
	var mu sync.Mutex
	var got []int
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for {
				v, err := p.Next(bg)
				if err != nil {
					if err != io.EOF {
						t.Errorf("error %v", err)
					}
					return
				}
				mu.Lock()
				got = append(got, v)
				mu.Unlock()
			}
		})
	}
	for i := range n {
		must(t, s.Ready(bg))
		s.Write(i)
	}
	s.Close()
	wg.Wait()
	slices.Sort(got)
	for i, v := range got {
		if i != v {
			t.Fatalf("item %d is %d", i, v)
		}
	}
	if len(got) != n {
		t.Fatalf("got %d items", len(got))
	}
}
