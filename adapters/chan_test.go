package adapters_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/adapters"
	"omnistreams.dev/omni"
)

func TestA14FromChan(t *testing.T) {
	ch := make(chan int, 3)
	ch <- 1
	ch <- 0
	ch <- 3
	close(ch)
	got, err := omni.Collect(bg, adapters.FromChan(bg, ch))
	if err != nil || !slices.Equal(got, []int{1, 0, 3}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestA14FromChanClosed(t *testing.T) {
	ch := make(chan *int)
	close(ch)
	got, err := omni.Collect(bg, adapters.FromChan(bg, ch))
	if err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestP21FromChanNilPanicsAtTheCall(t *testing.T) {
	wantPanic(t, "FromChan of nil", func() { adapters.FromChan[int](bg, nil) })
}

// Nobody reads the stream: it takes a window from the channel and no more,
// and the rest is still there when it is over.
func TestA14FromChanUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int, 200)
		for i := range 200 {
			ch <- i
		}
		p := adapters.FromChan(bg, ch)
		synctest.Wait()
		if left := len(ch); left != 200-omni.DefaultPrefetch {
			t.Errorf("%d items are left in the channel, want all but a window", left)
		}
		p.Cancel(nil)
		synctest.Wait()
		if left := len(ch); left != 200-omni.DefaultPrefetch {
			t.Errorf("%d items are left in the channel after the cancel", left)
		}
	})
}

func TestA14FromChanCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		ch := make(chan int)
		p := adapters.FromChan(ctx, ch)
		ch <- 1
		ch <- 2
		synctest.Wait()
		cancel(errTest)
		got, err := omni.Collect(bg, p) // what was received before is not lost
		if !slices.Equal(got, []int{1, 2}) {
			t.Errorf("items %v", got)
		}
		wantErr(t, err, errTest)
	})
}

// The end is seen though nothing more is asked for: the pipe's demand is
// exact, so c is asked for as many items as there are and not one more.
func TestA14FromChanEndNeedsNoDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * omni.DefaultPrefetch
		ch := make(chan int, n)
		for i := range n {
			ch <- i
		}
		close(ch)
		p, c := omni.NewStream[int](&omni.Options{Prefetch: -1})
		piped := make(chan error, 1)
		go func() { piped <- adapters.FromChan(bg, ch).Pipe(bg, c) }()
		p.Request(n)
		must(t, <-piped)
		if got, err := omni.Collect(bg, p); err != nil || len(got) != n {
			t.Errorf("%d items, %v", len(got), err)
		}
	})
}

func TestP21FromChanClosedWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		p := adapters.FromChan(bg, ch)
		go func() {
			synctest.Wait() // Next waits
			close(ch)
		}()
		if got, err := omni.Collect(bg, p); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestA14ToChan(t *testing.T) {
	ch, stop := adapters.ToChan(bg, omni.FromSlice(bg, []int{1, 0, 3}))
	var got []int
	for v := range ch {
		got = append(got, v)
	}
	if err := stop(); err != nil || !slices.Equal(got, []int{1, 0, 3}) {
		t.Errorf("%v, %v", got, err)
	}
	must(t, stop())
}

func TestA14ToChanSaysWhyItClosed(t *testing.T) {
	p, c := omni.NewStream[int](nil)
	must(t, c.Write(bg, 1))
	c.Cancel(errTest)
	ch, stop := adapters.ToChan(bg, p)
	if v := <-ch; v != 1 {
		t.Errorf("received %d", v)
	}
	if _, ok := <-ch; ok {
		t.Error("the channel is not closed")
	}
	wantErr(t, stop(), errTest)
}

// P21: whoever stops reading calls stop, and nothing is left behind; the
// bubble fails if a goroutine is.
func TestA14ToChanUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := omni.NewStream[int](nil)
		must(t, c.Write(bg, 1))
		ch, stop := adapters.ToChan(bg, p)
		synctest.Wait() // the item waits for a receiver
		wantErr(t, stop(), omni.ErrCanceled)
		wantErr(t, c.Err(), omni.ErrCanceled)
		if v, ok := <-ch; ok {
			t.Errorf("received %d after stop", v)
		}
	})
}

func TestA14ToChanStopWaitsForUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := false
		_, stop := adapters.ToChan(bg, omni.Produce(bg, func(ctx context.Context, c *omni.Consumer[int]) error {
			<-ctx.Done()
			time.Sleep(time.Second) // of the bubble
			left = true
			return nil
		}))
		wantErr(t, stop(), omni.ErrCanceled)
		if !left {
			t.Error("stop did not wait")
		}
	})
}

func TestA14ToChanCtx(t *testing.T) {
	for _, written := range []int{0, 1} { // waiting for an item, for a receiver
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(bg)
			p, c := omni.NewStream[int](nil)
			for i := range written {
				must(t, c.Write(bg, i))
			}
			ch, stop := adapters.ToChan(ctx, p)
			synctest.Wait()
			cancel(errTest)
			synctest.Wait() // nobody receives, and the goroutine has ended
			if _, ok := <-ch; ok {
				t.Error("an item after ctx has ended")
			}
			wantErr(t, stop(), errTest)
			wantErr(t, c.Err(), errTest)
		})
	}
}

func TestP21ToChanStoppedInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := omni.NewStream[int](nil)
		_, stop := adapters.ToChan(bg, p)
		go stop()
		go stop()
		wantErr(t, stop(), omni.ErrCanceled)
	})
}
