package omni

import (
	"context"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// P22: what a Filter drops is asked for again, so one request is met.
func TestP22FilterAsksAgain(t *testing.T) {
	bubble(t, "pure pull", func(t *testing.T) {
		up, c := NewStream[int](pure)
		p := Filter(bg, up, func(v int) (bool, error) { return v%10 == 9, nil })
		go write(t, c, seq(0, 20)...)
		p.Request(1)
		go func() { p.src.Next(bg, false) }()
		wantAsked(t, c, 10)
		wantNext(t, p, 19)
		wantAsked(t, c, 20)
	})
	bubble(t, "drops all", func(t *testing.T) {
		drop := func(int) (bool, error) { return false, nil }
		for _, opt := range []*Options{pure, nil} {
			up, c := NewStream[int](opt)
			go func() { write(t, c, seq(0, 1000)...); c.End() }()
			p := Filter(bg, up, drop)
			p.Request(1)
			wantEnd(t, p, io.EOF)
		}
	})
}

// A func that never lets an item out must not outlive the call, the stage's
// ctx or a Cancel.
func TestStagesThatDropAllCanBeInterrupted(t *testing.T) {
	drops := map[string]func(ctx context.Context, p *Producer[int], each func()) *Producer[int]{
		"Filter": func(ctx context.Context, p *Producer[int], each func()) *Producer[int] {
			return Filter(ctx, p, func(int) (bool, error) { each(); return false, nil })
		},
		"FlatMap": func(ctx context.Context, p *Producer[int], each func()) *Producer[int] {
			return FlatMap(ctx, p, func(int) ([]int, error) { each(); return nil, nil })
		},
	}
	for name, drop := range drops {
		bubble(t, name, func(t *testing.T) {
			up := FromSlice(bg, make([]int, 5000)) // always has one
			var each func()
			ctx, cancel := context.WithCancelCause(bg)
			p := drop(ctx, up, func() { each() })

			call, cancelCall := context.WithCancelCause(bg)
			n := 0
			each = func() {
				if n++; n == 1000 {
					cancelCall(errOther)
				}
			}
			if _, err := p.Next(call); err != errOther || p.Err() != nil {
				t.Fatalf("Next = %v, Err = %v; want %v", err, p.Err(), errOther)
			}
			each = func() { cancel(errBoom) }
			wantEnd(t, p, errBoom)
			wantEnd(t, up, errBoom)
		})
		bubble(t, name+" and Cancel", func(t *testing.T) {
			var p *Producer[int]
			up := FromSlice(bg, seq(0, 10))
			p = drop(bg, up, func() { p.Cancel(errBoom) })
			p.Request(5)
			wantEnd(t, p, errBoom)
			wantEnd(t, up, errBoom)
		})
	}
}

func TestFlatMapDemand(t *testing.T) {
	repeat := func(v int) ([]int, error) { // v, v times
		vs := make([]int, v)
		for i := range vs {
			vs[i] = v
		}
		return vs, nil
	}
	bubble(t, "one at a time", func(t *testing.T) {
		up, c := NewStream[int](pure)
		p := FlatMap(bg, up, repeat)
		p.Request(4)
		p.Request(1)
		wantAsked(t, c, 1)
		write(t, c, 3)
		for range 3 {
			wantNext(t, p, 3)
		}
		wantAsked(t, c, 2) // Two are owed: it asks before the reader comes.
		go write(t, c, 0, 0, 2, 9)
		wantNext(t, p, 2)
		wantAsked(t, c, 4)
		wantNext(t, p, 2)
		wantAsked(t, c, 4) // All five were handed out: nothing is owed.
		// A reader that waits without asking gets nothing of the rest.
		p.Request(1)
		if v, err := p.src.Next(bg, false); v != 9 || err != nil {
			t.Fatalf("Next = %v, %v", v, err)
		}
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errBoom)
		defer cancel()
		if _, err := p.src.Next(ctx, false); err != errBoom {
			t.Fatalf("Next = %v: more than was asked for", err)
		}
		go func() { time.Sleep(time.Second); p.Request(1) }()
		if v, err := p.src.Next(bg, false); v != 9 || err != nil {
			t.Fatalf("Next = %v, %v", v, err)
		}
		wantAsked(t, c, 5)
		p.Cancel(nil)
	})
	bubble(t, "over a window", func(t *testing.T) {
		up, c := NewStream[int](&Options{Prefetch: 4})
		p := FlatMap(bg, up, repeat)
		go func() {
			for c.Write(bg, 2) == nil {
			}
		}()
		p.Request(10)
		for range 10 {
			wantNext(t, p, 2)
		}
		synctest.Wait()
		if asked, _ := totals(c); asked > 5+4 {
			t.Fatalf("asked for %d items, 5 were taken and the window is 4", asked)
		}
		p.Cancel(nil)
	})
}

func TestTake(t *testing.T) {
	bubble(t, "never asks for more", func(t *testing.T) {
		up, c := NewStream[int](pure)
		p := Take(bg, up, 3)
		p.Request(2)
		wantAsked(t, c, 2)
		p.Request(math.MaxUint32)
		wantAsked(t, c, 3)
		write(t, c, 0, 1, 2)
		for i := range 3 {
			wantNext(t, p, i)
		}
		wantStopped(t, c, ErrCanceled) // before the reader came for the end
		p.Request(1)
		wantEnd(t, p, io.EOF)
	})
	bubble(t, "asks one by one", func(t *testing.T) {
		up, c := NewStream[int](pure)
		p := Take(bg, up, 3)
		for range 2 {
			if _, err := p.Next(endedBy(errBoom)); err != errBoom {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeoutCause(bg, time.Second, errBoom)
			if _, err := p.Next(ctx); err != errBoom {
				t.Fatal(err)
			}
			cancel()
			wantAsked(t, c, 1)
		}
		p.Request(9)
		wantAsked(t, c, 3)
	})
	for _, n := range []int{0, -1} {
		bubble(t, "nothing", func(t *testing.T) {
			up, c := NewStream[int](nil)
			p := Take(bg, up, n)
			wantStopped(t, c, ErrCanceled)
			wantEnd(t, p, io.EOF)
		})
	}
	bubble(t, "shorter", func(t *testing.T) {
		for _, opt := range []*Options{pure, nil} {
			up, c := NewStream[int](opt)
			go func() { write(t, c, 0, 1); c.End() }()
			got, err := Collect(bg, Take(bg, up, 5))
			if err != nil {
				t.Fatal(err)
			}
			wantItems(t, got, seq(0, 2))
			if c.Err() != nil {
				t.Fatalf("the writer's Err = %v", c.Err())
			}
		}
	})
}
