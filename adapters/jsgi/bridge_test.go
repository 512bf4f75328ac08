package jsgi_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"omnistreams.dev/adapters/jsgi"
	"omnistreams.dev/omni"
)

// There and back again, with the two bridges joined by Pipe: a paused stream
// at the far end stops the writer at the near end.
func TestBridgesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		near, far := jsgi.NewStream[int](nil), jsgi.NewStream[int](nil)
		p, c := jsgi.FromStream(bg, near), jsgi.ToStream(bg, far, &omni.Options{Prefetch: 4})
		var got []int
		far.AddListener(jsgi.Listener[int]{Data: func(v int) {
			if got = append(got, v); len(got) == 100 {
				far.Pause()
			}
		}})
		piped := make(chan error, 1)
		go func() { piped <- p.Pipe(bg, c) }()
		written := 0
		go func() {
			for ; written < n; written++ {
				if near.Ready(bg) != nil {
					return
				}
				near.Write(written)
			}
			near.Close()
		}()
		synctest.Wait()
		if written > 100+4+2 {
			t.Errorf("%d were written, 100 taken", written)
		}
		far.Resume()
		must(t, <-piped)
		<-far.Done()
		synctest.Wait()
		if len(got) != n || !slices.IsSorted(got) {
			t.Errorf("got %d items", len(got))
		}
	})
}

func TestBridgeErrorsCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := jsgi.NewStream[int](nil), jsgi.NewStream[int](nil)
		far.AddListener(jsgi.Listener[int]{Data: func(int) {}})
		piped := make(chan error, 1)
		go func() { piped <- jsgi.FromStream(bg, near).Pipe(bg, jsgi.ToStream(bg, far, nil)) }()
		near.CloseWithError(errTest)
		wantErr(t, <-piped, errTest)
		<-far.Done()
		wantErr(t, far.Err(), errTest)

		near, far = jsgi.NewStream[int](nil), jsgi.NewStream[int](nil)
		go func() { piped <- jsgi.FromStream(bg, near).Pipe(bg, jsgi.ToStream(bg, far, nil)) }()
		synctest.Wait()
		far.Cancel(errTest)
		wantErr(t, <-piped, errTest)
		<-near.Done()
		wantErr(t, near.Err(), errTest)
	})
}

func TestNilArguments(t *testing.T) {
	s := jsgi.NewStream[int](nil)
	wantPanic(t, "AddListener of nothing", func() { s.AddListener(jsgi.Listener[int]{}) })
	wantPanic(t, "Go(nil)", func() { new(jsgi.Queue).Go(nil) })
	wantPanic(t, "Ready(nil)", func() { s.Ready(nil) }) //lint:ignore SA1012 that is the test
	wantPanic(t, "Pump", func() { jsgi.Pump(s, nil) })
	wantPanic(t, "Map", func() { jsgi.Map[int, int](s, nil) })
	wantPanic(t, "FromStream", func() { jsgi.FromStream[int](bg, nil) })
	wantPanic(t, "FromStream without a ctx", func() { jsgi.FromStream(nil, s) }) //lint:ignore SA1012 that is the test
	wantPanic(t, "ToStream", func() { jsgi.ToStream[int](bg, nil, nil) })
	wantPanic(t, "ToStream without a ctx", func() { jsgi.ToStream(nil, s, nil) }) //lint:ignore SA1012 that is the test
}
