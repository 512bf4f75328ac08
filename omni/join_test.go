package omni

import (
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestConcat(t *testing.T) {
	bubble(t, "asks only the one being read", func(t *testing.T) {
		p1, c1 := NewStream[int](pure)
		p2, c2 := NewStream[int](pure)
		p := Concat(bg, p1, p2)
		p.Request(3)
		wantAsked(t, c1, 3)
		write(t, c1, 0)
		c1.End()
		wantNext(t, p, 0)
		wantAsked(t, c2, 0)
		go func() { time.Sleep(time.Second); write(t, c2, 1, 2) }()
		wantNext(t, p, 1)
		wantAsked(t, c2, 2)
		p.Request(1)
		wantAsked(t, c2, 3)
		wantNext(t, p, 2)
		c2.End()
		wantEnd(t, p, io.EOF)
	})
	bubble(t, "demand that comes while it waits", func(t *testing.T) {
		p1, c1 := NewStream[int](pure)
		p2, c2 := NewStream[int](pure)
		p := Concat(bg, p1, p2)
		got := make(chan int)
		go func() {
			v, _ := p.src.Next(bg, false)
			got <- v
		}()
		synctest.Wait()
		c1.End()
		wantAsked(t, c2, 0)
		p.Request(1)
		write(t, c2, 7)
		if v := <-got; v != 7 {
			t.Fatal(v)
		}
		p.Cancel(errBoom)
		wantStopped(t, c2, errBoom)
	})
}

func TestConcatLimits(t *testing.T) {
	bubble(t, "more than a Request can say", func(t *testing.T) {
		p1, c1 := NewStream[int](pure)
		p2, c2 := NewStream[int](pure)
		p := Concat(bg, p1, p2)
		p.Request(math.MaxUint32)
		p.Request(10)
		wantAsked(t, c1, math.MaxUint32)
		c1.End()
		write1 := func() { write(t, c2, 1) }
		go write1()
		wantNext(t, p, 1)
		wantAsked(t, c2, math.MaxUint32+1)
	})
	bubble(t, "the first error cancels all", func(t *testing.T) {
		p1, c1 := NewStream[int](nil)
		p2, c2 := NewStream[int](nil)
		ps := []*Producer[int]{p1, p2}
		p := Concat(bg, ps...)
		ps[1] = nil // The slice is the caller's.
		c1.Cancel(errBoom)
		wantEnd(t, p, errBoom)
		wantStopped(t, c2, errBoom)
	})
	bubble(t, "nothing", func(t *testing.T) {
		wantEnd(t, Concat[int](bg), io.EOF)
		wantEnd(t, Merge[int](bg), io.EOF)
	})
}

func TestMerge(t *testing.T) {
	bubble(t, "as they come", func(t *testing.T) {
		p1, c1 := NewStream[int](nil)
		p2, c2 := NewStream[int](nil)
		p := Merge(bg, p1, p2)
		for i, c := range []*Consumer[int]{c1, c2, c2, c1} {
			write(t, c, i)
			wantNext(t, p, i)
		}
		c1.End()
		write(t, c2, 4)
		wantNext(t, p, 4)
		c2.End()
		wantEnd(t, p, io.EOF)
	})
	bubble(t, "the first error cancels all", func(t *testing.T) {
		p1, c1 := NewStream[int](nil)
		p2, c2 := NewStream[int](nil)
		p := Merge(bg, p1, p2)
		write(t, c1, 1)
		synctest.Wait()
		c1.Cancel(errBoom)
		wantStopped(t, c2, errBoom)
		wantNext(t, p, 1) // What came before the error arrives.
		wantEnd(t, p, errBoom)
	})
	bubble(t, "every item once, each stream in order", func(t *testing.T) {
		const streams, each = 5, 200
		var ps []*Producer[int]
		for s := range streams {
			ps = append(ps, FromSlice(bg, seq(s*each, each)))
		}
		var next [streams]int
		for v, err := range Merge(bg, ps...).All(bg) {
			if err != nil || next[v/each] != v%each {
				t.Fatalf("%d, %v; want %d", v, err, next[v/each])
			}
			next[v/each]++
		}
		if next != [streams]int{each, each, each, each, each} {
			t.Fatal(next)
		}
	})
}
