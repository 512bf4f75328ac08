package omni

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestParallelMapOrder(t *testing.T) {
	for _, workers := range []int{0, 1, 4} {
		bubble(t, "ordered", func(t *testing.T) {
			opt := &ParallelOptions{Workers: workers}
			p := ParallelMap(bg, FromSlice(bg, seq(0, 500)), opt, func(_ context.Context, v int) (int, error) {
				time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
				return v * 2, nil
			})
			n := 0
			for v, err := range p.All(bg) {
				if err != nil || v != 2*n {
					t.Fatalf("got %d, %v; want %d", v, err, 2*n)
				}
				n++
			}
			if n != 500 {
				t.Fatalf("%d items", n)
			}
		})
	}
	bubble(t, "unordered", func(t *testing.T) {
		opt := &ParallelOptions{Workers: 4, Unordered: true}
		p := ParallelMap(bg, FromSlice(bg, seq(0, 500)), opt, func(_ context.Context, v int) (int, error) {
			if v == 0 {
				time.Sleep(time.Hour)
			}
			return v, nil
		})
		got, err := Collect(bg, p)
		if err != nil {
			t.Fatal(err)
		}
		if got[0] == 0 {
			t.Error("the slowest came first")
		}
		slices.Sort(got)
		wantItems(t, got, seq(0, 500))
	})
}

// A slow func runs as often at a time as there are workers, and no more.
func TestParallelMapWorkers(t *testing.T) {
	bubble(t, "at a time", func(t *testing.T) {
		var running, most atomic.Int32
		opt := &ParallelOptions{Workers: 3}
		p := ParallelMap(bg, FromSlice(bg, seq(0, 30)), opt, func(_ context.Context, v int) (int, error) {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			running.Add(-1)
			return v, nil
		})
		start := time.Now()
		if _, err := Collect(bg, p); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); most.Load() != 3 || d != 10*time.Second {
			t.Fatalf("%d at a time, took %v", most.Load(), d)
		}
	})
}

// The size of a job follows what the func costs.
func TestParallelMapJobSize(t *testing.T) {
	j := func(items int, took time.Duration) *job[int, int] {
		return &job[int, int]{in: make([]int, items), took: took}
	}
	for _, tc := range []struct {
		last       *job[int, int]
		size, want int
	}{
		{j(1, time.Microsecond), 1, 2},
		{j(8, time.Microsecond), 8, 16},
		{j(maxJob, time.Microsecond), maxJob, maxJob},
		{j(3, time.Microsecond), 8, 8}, // was not full: says nothing
		{j(8, 30*time.Microsecond), 8, 8},
		{j(8, time.Millisecond), 8, 4},
		{j(1, time.Second), 1, 1},
	} {
		if got := nextSize(tc.last, tc.size); got != tc.want {
			t.Errorf("after %d items in %v: size %d, want %d", len(tc.last.in), tc.last.took, got, tc.want)
		}
	}
}

func TestParallelMapErrors(t *testing.T) {
	bubble(t, "ordered: the first item's, after the results before it", func(t *testing.T) {
		up, c := NewStream[int](nil)
		p := ParallelMap(bg, up, &ParallelOptions{Workers: 4}, func(ctx context.Context, v int) (int, error) {
			switch v {
			case 10: // fails late
				time.Sleep(time.Second)
				return 0, errBoom
			case 11: // fails early
				return 0, errOther
			}
			return v, nil
		})
		go func() {
			for i := 0; c.Write(bg, i) == nil; i++ {
			}
		}()
		got, err := Collect(bg, p)
		if err != errBoom {
			t.Fatalf("ended with %v, want %v", err, errBoom)
		}
		wantItems(t, got, seq(0, 10))
		wantStopped(t, c, errBoom)
	})
	bubble(t, "unordered: whichever is first", func(t *testing.T) {
		up, c := NewStream[int](nil)
		opt := &ParallelOptions{Workers: 2, Unordered: true}
		p := ParallelMap(bg, up, opt, func(ctx context.Context, v int) (int, error) {
			if v == 0 {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}
			return 0, errBoom
		})
		write(t, c, 0, 1, 2)
		wantEnd(t, p, errBoom)
		wantStopped(t, c, errBoom)
	})
}

func TestParallelMapUpstreamError(t *testing.T) {
	bubble(t, "the func's, though upstream's is known before", func(t *testing.T) {
		up, c := NewStream[int](nil)
		p := ParallelMap(bg, up, nil, func(_ context.Context, v int) (int, error) {
			time.Sleep(time.Second)
			return v, errBoom
		})
		write(t, c, 0)
		c.Cancel(errOther)
		wantEnd(t, p, errBoom)
	})
	bubble(t, "upstream's, after all results", func(t *testing.T) {
		for _, unordered := range []bool{false, true} {
			up, c := NewStream[int](nil)
			opt := &ParallelOptions{Workers: 2, Unordered: unordered}
			p := ParallelMap(bg, up, opt, func(ctx context.Context, v int) (int, error) {
				time.Sleep(time.Second)
				return v, nil
			})
			write(t, c, seq(0, 8)...)
			c.Cancel(errBoom)
			got, err := Collect(bg, p)
			if err != errBoom {
				t.Fatalf("ended with %v, want %v", err, errBoom)
			}
			slices.Sort(got)
			wantItems(t, got, seq(0, 8))
		}
	})
}

func TestParallelMapCancel(t *testing.T) {
	// The writer learns of a Cancel although a worker is slow to.
	bubble(t, "Cancel crosses at once", func(t *testing.T) {
		for _, unordered := range []bool{false, true} {
			up, c := NewStream[int](nil)
			opt := &ParallelOptions{Workers: 2, Unordered: unordered}
			p := ParallelMap(bg, up, opt, func(context.Context, int) (int, error) {
				time.Sleep(time.Hour)
				return 0, nil
			})
			write(t, c, seq(0, 30)...)
			synctest.Wait()
			start := time.Now()
			p.Cancel(errBoom)
			<-c.Done()
			if d := time.Since(start); d != 0 {
				t.Errorf("the writer knew after %v", d)
			}
			wantEnd(t, p, errBoom) // Next waits for the workers.
			if d := time.Since(start); d != time.Hour {
				t.Errorf("Next returned after %v", d)
			}
		}
	})
}

// L1: it never runs further ahead than its window.
func TestParallelMapRunsAheadByItsWindow(t *testing.T) {
	for _, tc := range []struct{ ahead, want int }{{0, 4 * DefaultPrefetch}, {10, 10}} {
		runsAhead(t, tc.ahead, tc.want)
	}
	const workers, ahead = 2, 2 * DefaultPrefetch
	bubble(t, "end", func(t *testing.T) { // as many items as the window has
		opt := &ParallelOptions{Workers: workers}
		p := ParallelMap(bg, FromSlice(bg, seq(0, ahead)), opt, func(_ context.Context, v int) (int, error) {
			return v, nil
		})
		for i := range ahead {
			wantNext(t, p, i)
		}
		wantEnd(t, p, io.EOF)
	})
}

func runsAhead(t *testing.T, ahead, want int) {
	bubble(t, fmt.Sprint("ahead ", ahead), func(t *testing.T) {
		var calls atomic.Int32
		up, _ := counting(t.Context())
		p := ParallelMap(bg, up, &ParallelOptions{Workers: 4, Ahead: ahead}, func(_ context.Context, v int) (int, error) {
			calls.Add(1)
			return v, nil
		})
		for i := range 100 {
			synctest.Wait()
			if n := int(calls.Load()); n > i+want || i == 0 && n < want {
				t.Fatalf("%d calls when %d were taken", n, i)
			}
			wantNext(t, p, i)
		}
		p.Cancel(nil)
		if _, err := p.Next(bg); err != ErrCanceled {
			t.Fatal(err)
		}
	})
}
