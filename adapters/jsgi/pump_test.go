package jsgi_test

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"omnistreams.dev/adapters/jsgi"
	"omnistreams.dev/omni"
)

// Pump and Map carry backpressure and errors from end to end.
func TestMapAndPump(t *testing.T) {
	run(t, func(x *script) {
		from := jsgi.NewStream[string](&jsgi.Options{Queue: x.q})
		jsgi.Pump(jsgi.Map(from, func(s string) (int, error) {
			if s == "" {
				return 0, errTest
			}
			return len(s), nil
		}), x.s)
		x.s.Pause()
		x.turn(func() {
			for _, s := range []string{"a", "bb", "ccc", "dddd"} {
				from.Write(s)
			}
		})
		// One waits in x.s, one in Map's stream, and from is paused.
		if on, err := from.Write("eeeee"); on || err != nil {
			t.Errorf("Write = %v, %v", on, err)
		}
		x.log = nil
		x.turn(x.s.Resume)
		var got []string
		for _, e := range x.log {
			if e != "drain" && e != "resume" {
				got = append(got, e)
			}
		}
		wantLog(t, got, "data 1, data 2, data 3, data 4, data 5")
		x.log = nil
		x.turn(func() { from.Write("") })
		x.want("error test: broken")
		_, err := from.Write("a")
		wantErr(t, err, errTest)
	})
}

// Streams on queues of their own: a drain may come between a Write that was
// false and the pause that answers it, and must not be lost.
func TestPumpAcrossQueues(t *testing.T) {
	const n, chains = 3000, 8
	var wg sync.WaitGroup
	for range chains {
		first, last := jsgi.NewStream[int](nil), jsgi.NewStream[int](nil)
		next := 0
		last.AddListener(jsgi.Listener[int]{Data: func(v int) {
			if v != next {
				t.Errorf("got %d, want %d", v, next)
			}
			next++
		}})
		middle := jsgi.NewStream[int](nil)
		jsgi.Pump(first, middle)
		jsgi.Pump(middle, last)
		wg.Go(func() {
			for i := range n {
				for {
					_, err := first.Write(i)
					if err == nil {
						break
					}
					first.Ready(bg) // it is full
				}
			}
			first.Close()
			<-last.Done()
			if next != n {
				t.Errorf("%d items", next)
			}
		})
	}
	wg.Wait()
}

func TestPumpCancelGoesUpstream(t *testing.T) {
	run(t, func(x *script) {
		from := jsgi.NewStream[int](nil)
		jsgi.Pump(from, x.s)
		x.s.Cancel(errTest)
		synctest.Wait()
		wantErr(t, from.Err(), errTest)
		x.want("error test: broken")
	})
}

func TestCloseWithErrorAndCancel(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.s.CloseWithError(io.EOF) // no clean end
			x.s.Close()                // too late
		})
		x.want("data 1, error unexpected EOF")
		x.turn(func() { x.s.Cancel(errTest) }) // too late
		wantErr(t, x.s.Err(), io.ErrUnexpectedEOF)
	})
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.s.Close()
			x.s.Cancel(nil)
			if _, err := x.s.Write(3); !errors.Is(err, omni.ErrCanceled) {
				t.Errorf("error %v", err)
			}
		})
		x.want("error " + omni.ErrCanceled.Error())
	})
}

// A writer may ask for drain after its Write has returned false, as the
// proposal says, although the drain may have been fired meanwhile.
func TestDrainListenerThatComesLate(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
		})
		x.turn(func() { x.s.AddListener(jsgi.Listener[int]{Drain: func() { x.add("late drain") }}) })
		x.want("data 1, data 2, drain, late drain")
	})
}

func TestSliceAndStringStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := omni.Collect(bg, jsgi.FromStream(bg, jsgi.SliceStream(1, 2, 3)))
		must(t, err)
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("got %v", got)
		}
		for _, text := range []string{"", "text"} {
			bs, err := omni.Collect(bg, jsgi.FromStream(bg, jsgi.StringStream(text)))
			must(t, err)
			if s := string(slices.Concat(bs...)); s != text {
				t.Errorf("got %q, want %q", s, text)
			}
		}
	})
}
