package jsgi_test

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/adapters/jsgi"
	"omnistreams.dev/omni"
)

// Who was told true may write once more, whatever the bound, and gets a drain.
func TestBufferOfOneTakesAWriteAfterATrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &script{t: t, q: &jsgi.Queue{}}
		x.s = jsgi.NewStream[int](&jsgi.Options{Queue: x.q, Buffer: 1})
		x.s.AddListener(x.listener(""))
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			_, err := x.s.Write(3)
			wantErr(t, err, jsgi.ErrFull)
		})
		x.want("data 1, data 2, drain")
	})
}

// A pump into such a stream, whose listener is slow, loses nothing.
func TestPumpIntoABufferOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := jsgi.NewStream[int](nil), jsgi.NewStream[int](&jsgi.Options{Buffer: 1})
		var got []int
		to.AddListener(jsgi.Listener[int]{Data: func(v int) {
			time.Sleep(time.Millisecond)
			got = append(got, v)
		}})
		jsgi.Pump(from, to)
		for i := range 50 {
			from.Write(i)
		}
		from.Close()
		<-to.Done()
		must(t, to.Err())
		if len(got) != 50 || !slices.IsSorted(got) {
			t.Errorf("got %v", got)
		}
	})
}

// A drain that a listener came too late for is not fired while items wait: the
// next one tells it as well.
func TestLateDrainWaitsForAnEmptyBuffer(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() { x.write(1, true); x.write(2, false) })
		x.log = nil
		late := jsgi.Listener[int]{Drain: func() { x.add("late drain") }}
		x.turn(func() {
			x.s.AddListener(late)
			x.write(3, true)
			x.write(4, false)
		})
		x.want("data 3, data 4, drain, late drain")
		// Nor is it forgotten, if no other drain is due.
		x.log = nil
		x.turn(func() {
			x.s.AddListener(late)
			x.write(5, true)
		})
		x.want("data 5, late drain")
	})
}

func TestARemovedListenerHearsNothing(t *testing.T) {
	for _, end := range []func(x *script){
		func(x *script) { x.s.Close() },
		func(x *script) { x.s.Cancel(errTest) },
	} {
		run(t, func(x *script) {
			never := x.listener("removed: ")
			x.turn(func() {
				remove := x.s.AddListener(never)
				end(x)
				remove()
				x.log = nil
			})
			n := len(x.log)
			x.turn(func() { x.s.AddListener(never)() }) // too late for the end
			if len(x.log) != 1 || n != 1 {
				t.Errorf("log %v", x.log)
			}
		})
	}
	run(t, func(x *script) { // too late for a drain
		x.turn(func() { x.write(1, true); x.write(2, false) })
		x.turn(func() { x.s.AddListener(x.listener("removed: "))() })
		x.want("data 1, data 2, drain")
	})
}

// An item that was answered with true is not lost with its listener, and not
// fired to the one that was removed; nor do Writes after it pass it.
func TestATrueWaitsForTheNextListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &script{t: t, q: &jsgi.Queue{}}
		x.s = jsgi.NewStream[int](&jsgi.Options{Queue: x.q})
		remove := x.s.AddListener(jsgi.Listener[int]{Data: func(int) { t.Error("data to a removed listener") }})
		x.turn(func() {
			x.write(1, true)
			remove()
		})
		x.turn(func() { x.write(2, false) })
		x.s.AddListener(x.listener(""))
		synctest.Wait()
		x.want("data 1, data 2, drain")
		remove() // a second time: it does not count
		x.turn(func() { x.write(3, true) })
		x.want("data 1, data 2, drain, data 3")
	})
}

// A listener that ends its goroutine, as t.FailNow does, ends its turn only.
func TestGoexitEndsATurnOnly(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "data 1" {
				runtime.Goexit()
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.s.Close()
			x.q.Go(runtime.Goexit)
		})
		x.want("data 1, data 2, drain, end")
	})
}

// An item that was on its way before the stream became a Producer's comes in
// spite of the pause. It waits there until it is asked for, and counts.
func TestFromStreamOfAnItemOnItsWay(t *testing.T) {
	onItsWay := func(t *testing.T) (*script, *omni.Producer[int]) {
		x := &script{t: t, q: &jsgi.Queue{}}
		x.s = jsgi.NewStream[int](&jsgi.Options{Queue: x.q})
		x.s.AddListener(x.listener(""))
		var p *omni.Producer[int]
		x.turn(func() {
			x.write(1, true)
			p = jsgi.FromStream(bg, x.s)
		})
		x.want("pause, data 1")
		x.s.Write(2)
		return x, p
	}
	synctest.Test(t, func(t *testing.T) {
		x, p := onItsWay(t)
		got := make(chan int, 2)
		go func() {
			for range 2 {
				v, err := p.Source().Next(bg, false) // does not ask
				if err != nil {
					t.Error(err)
				}
				got <- v
			}
		}()
		for want := 1; want <= 2; want++ {
			synctest.Wait()
			if len(got) > 0 {
				t.Fatalf("%d was handed out, and nobody has asked", <-got)
			}
			p.Request(1)
			if v := <-got; v != want {
				t.Errorf("got %d, want %d", v, want)
			}
			synctest.Wait()
			if want == 1 {
				x.want("pause, data 1") // which has used up the request
			}
		}
		x.s.Cancel(nil)
	})
	synctest.Test(t, func(t *testing.T) {
		x, p := onItsWay(t)
		v, err := p.Next(bg) // asks for it, although it is here
		must(t, err)
		p.Request(1) // so this is for another
		w, err := p.Source().Next(bg, false)
		must(t, err)
		if v != 1 || w != 2 {
			t.Errorf("got %d and %d", v, w)
		}
		x.s.Cancel(nil)
	})
}
