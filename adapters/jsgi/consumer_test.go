package jsgi_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"omnistreams.dev/adapters/jsgi"
	"omnistreams.dev/omni"
)

func TestToStreamOrderAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		s := jsgi.NewStream[int](nil)
		c := jsgi.ToStream(bg, s, nil)
		var got []int
		s.AddListener(jsgi.Listener[int]{Data: func(v int) { got = append(got, v) }})
		for i := range n {
			must(t, c.Write(bg, i))
		}
		must(t, c.End())
		must(t, c.End())
		wantErr(t, c.Write(bg, 1), omni.ErrEnded)
		<-c.Done()
		must(t, c.Err())
		synctest.Wait()
		if len(got) != n || !slices.IsSorted(got) {
			t.Errorf("got %d items: %v", len(got), got)
		}
	})
}

// A stream that is paused, or that nobody listens to, stops the writer; the
// window is what is written then, at most.
func TestToStreamPausedStopsTheWriter(t *testing.T) {
	for _, c := range []struct{ prefetch, buffer, window int }{{0, 0, 64}, {5, 0, 5}, {-1, 0, 1}, {100, 10, 10}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			s := jsgi.NewStream[int](&jsgi.Options{Buffer: c.buffer})
			out := jsgi.ToStream(bg, s, &omni.Options{Prefetch: c.prefetch})
			written, seen := 0, 0
			var failed error
			go func() {
				for failed == nil {
					if failed = out.Write(ctx, written); failed == nil {
						written++
					}
				}
			}()
			synctest.Wait()
			if written != 0 {
				t.Fatalf("%d items were written with no listener", written)
			}
			s.AddListener(jsgi.Listener[int]{Data: func(int) {
				if seen++; seen%10 == 0 {
					s.Pause()
				}
			}})
			for i := 1; i <= 20; i++ {
				synctest.Wait()
				if seen != 10*i || written > seen+c.window || written < seen {
					t.Fatalf("Prefetch %d: seen %d, written %d", c.prefetch, seen, written)
				}
				s.Resume()
			}
			cancel() // of the call: the stream goes on
			synctest.Wait()
			wantErr(t, failed, context.Canceled)
			must(t, s.Err())
			out.Cancel(nil)
		})
	}
}

func TestToStreamDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jsgi.NewStream[int](nil)
		c := jsgi.ToStream(bg, s, &omni.Options{Prefetch: 3})
		ctx, cancel := context.WithCancelCause(bg)
		cancel(errTest)
		_, err := c.Demand(ctx) // nobody listens
		wantErr(t, err, errTest)
		s.AddListener(jsgi.Listener[int]{Data: func(int) {}})
		n, err := c.Demand(bg)
		must(t, err)
		if n != 3 {
			t.Errorf("demand of %d", n)
		}
		s.Cancel(errTest)
		_, err = c.Demand(bg)
		wantErr(t, err, errTest)
	})
}

// Who waits for more than the window gets it after a write, and sleeps until
// then.
func TestToStreamCreditBeyondTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jsgi.NewStream[int](nil)
		s.AddListener(jsgi.Listener[int]{Data: func(int) {}})
		c := jsgi.ToStream(bg, s, &omni.Options{Prefetch: 3})
		got := make(chan uint64, 1)
		go func() {
			asked, _, err := c.Sink().Credit(bg, 3)
			if err != nil {
				t.Error(err)
			}
			got <- asked
		}()
		synctest.Wait() // for ever, if it does not sleep
		select {
		case n := <-got:
			t.Fatalf("asked for %d with nothing written", n)
		default:
		}
		must(t, c.Write(bg, 1))
		if n := <-got; n != 4 {
			t.Errorf("asked for %d after one write", n)
		}
		ctx, cancel := context.WithCancelCause(bg)
		cancel(errTest)
		_, _, err := c.Sink().Credit(ctx, 100)
		wantErr(t, err, errTest)
		go func() {
			_, _, err := c.Sink().Credit(bg, 100)
			if !errors.Is(err, omni.ErrEnded) {
				t.Errorf("error %v", err)
			}
			got <- 0
		}()
		synctest.Wait()
		must(t, c.End())
		<-got
	})
}

func TestToStreamCancelAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A cancel of the Consumer: what was written comes, then the cause.
		x := &script{t: t, s: jsgi.NewStream[int](nil)}
		x.s.AddListener(x.listener(""))
		c := jsgi.ToStream(bg, x.s, nil)
		must(t, c.Write(bg, 1))
		c.Cancel(errTest)
		<-c.Done()
		wantErr(t, c.Err(), errTest)
		wantErr(t, c.Write(bg, 2), errTest)
		wantErr(t, c.End(), errTest)
		synctest.Wait()
		x.want("data 1, error test: broken")

		// A cancel of the stream reaches a writer that waits, and all later.
		s := jsgi.NewStream[int](nil)
		c = jsgi.ToStream(bg, s, nil)
		got := make(chan error, 1)
		go func() { got <- c.Write(bg, 1) }()
		synctest.Wait()
		s.Cancel(errTest)
		wantErr(t, <-got, errTest)
		<-c.Done()
		wantErr(t, c.Err(), errTest)

		// Its ctx cancels, with its cause.
		ctx, cancel := context.WithCancelCause(bg)
		s = jsgi.NewStream[int](nil)
		c = jsgi.ToStream(ctx, s, nil)
		cancel(errTest)
		<-c.Done()
		wantErr(t, c.Err(), errTest)
		synctest.Wait()
		wantErr(t, s.Err(), errTest)
	})
}

// Others may fill the stream: the Consumer then waits, and loses nothing.
func TestToStreamBesideAnotherWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jsgi.NewStream[int](&jsgi.Options{Buffer: 2})
		var got []int
		s.AddListener(jsgi.Listener[int]{Data: func(v int) { got = append(got, v) }})
		c := jsgi.ToStream(bg, s, nil)
		if _, err := c.Demand(bg); err != nil {
			t.Fatal(err)
		}
		s.Pause()
		s.Write(1)
		s.Write(2)
		done := make(chan error, 1)
		go func() { done <- c.Write(bg, 3) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("written into a full stream: %v", err)
		default:
		}
		s.Resume()
		must(t, <-done)
		c.End()
		synctest.Wait()
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("got %v", got)
		}
	})
}
