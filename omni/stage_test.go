package omni

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// A stageCase is one way to read a stream of numbers through a stage, which
// must come out as they went in. The laws below hold for every one.
type stageCase struct {
	name string
	// build puts the stage on p. call is for the stage's func to run on
	// each item; nil if callback is false.
	build    func(ctx context.Context, p *Producer[int], call func(int) error) *Producer[int]
	callback bool
	parts    int  // items of p that one item out needs: exact demand
	ahead    int  // items it may ask p for without being asked
	lazy     bool // it asks p not before a reader comes
}

var stageCases = []stageCase{
	{name: "none", build: func(_ context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		return p
	}},
	{name: "Map", callback: true, build: func(ctx context.Context, p *Producer[int], call func(int) error) *Producer[int] {
		return Map(ctx, p, func(v int) (int, error) { return v, call(v) })
	}},
	{name: "Filter", callback: true, build: func(ctx context.Context, p *Producer[int], call func(int) error) *Producer[int] {
		return Filter(ctx, p, func(v int) (bool, error) { return true, call(v) })
	}},
	{name: "FlatMap", lazy: true, callback: true, build: func(ctx context.Context, p *Producer[int], call func(int) error) *Producer[int] {
		return FlatMap(ctx, p, func(v int) ([]int, error) { return []int{v}, call(v) })
	}},
	{name: "Take", build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		return Take(ctx, p, 1<<20)
	}},
	{name: "Batch", parts: 3, build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		return firsts(ctx, Batch(ctx, p, 3, 0))
	}},
	{name: "Batch by time", parts: 2, build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		return firsts(ctx, Batch(ctx, p, 2, time.Hour))
	}},
	{name: "Concat", lazy: true, build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		empty := FromSlice[int](ctx, nil)
		return Concat(ctx, empty, p, FromSlice[int](ctx, nil))
	}},
	{name: "Merge", ahead: DefaultPrefetch + 1, build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		return Merge(ctx, p, FromSlice[int](ctx, nil))
	}},
	{name: "Tee", build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		p1, p2 := Tee(ctx, p)
		p2.Cancel(nil)
		return p1
	}},
	{name: "Pipe", build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		return piped(ctx, p)
	}},
	{name: "ParallelMap", ahead: DefaultPrefetch, build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		return ParallelMap(ctx, p, nil, func(_ context.Context, v int) (int, error) { return v, nil })
	}},
	{name: "ParallelMap unordered", ahead: DefaultPrefetch, build: func(ctx context.Context, p *Producer[int], _ func(int) error) *Producer[int] {
		opt := &ParallelOptions{Unordered: true, Workers: 1} // one worker has an order all the same
		return ParallelMap(ctx, p, opt, func(_ context.Context, v int) (int, error) { return v, nil })
	}},
	{name: "five in a row", callback: true, build: func(ctx context.Context, p *Producer[int], call func(int) error) *Producer[int] {
		for i := range 5 {
			p = Map(ctx, p, func(v int) (int, error) {
				if i == 2 {
					return v, call(v)
				}
				return v, nil
			})
		}
		return p
	}},
}

// firsts maps slices of k, k+1 … to k / len: numbers in a row again.
func firsts(ctx context.Context, p *Producer[[]int]) *Producer[int] {
	size := 0
	return Map(ctx, p, func(vs []int) (int, error) {
		size = max(size, len(vs))
		return vs[0] / size, nil
	})
}

func (s stageCase) on(ctx context.Context, p *Producer[int], call func(int) error) *Producer[int] {
	if call == nil {
		call = func(int) error { return nil }
	}
	return s.build(ctx, p, call)
}

// need returns how many items of upstream n items out need.
func (s stageCase) need(n int) int { return n * max(s.parts, 1) }

// everyStage runs law in a bubble for each stage.
func everyStage(t *testing.T, law func(t *testing.T, s stageCase)) {
	t.Helper()
	for _, s := range stageCases {
		bubble(t, s.name, func(t *testing.T) { law(t, s) })
	}
}

// L1: a stage asks upstream for exactly what it is asked for, whichever way.
func TestEveryStageDemandIsExact(t *testing.T) {
	everyStage(t, func(t *testing.T, s stageCase) {
		up, c := NewStream[int](pure)
		p := s.on(t.Context(), up, nil)
		check := func(n int) {
			t.Helper()
			synctest.Wait()
			asked, _ := totals(c)
			if asked > s.need(n)+s.ahead || asked < s.need(n) && s.ahead == 0 && !s.lazy {
				t.Fatalf("asked upstream for %d items, want %d", asked, s.need(n))
			}
		}
		if _, err := p.Next(endedBy(errBoom)); err != errBoom {
			t.Fatalf("Next = %v, want %v", err, errBoom)
		}
		check(0) // A call whose ctx has ended asks for nothing.
		p.Request(2)
		check(2)
		go write(t, c, seq(0, s.need(4))...)
		wantNext(t, p, 0) // was asked for
		wantNext(t, p, 1)
		check(2)
		wantNext(t, p, 2) // asks for itself
		check(3)

		// Demand that comes while a reader waits without asking.
		got := make(chan int)
		go func() {
			v, err := p.src.Next(bg, false)
			if err != nil {
				t.Error(err)
			}
			got <- v
		}()
		synctest.Wait()
		check(3)
		p.Request(1)
		if v := <-got; v != 3 {
			t.Fatalf("got %d, want 3", v)
		}
		s.lazy = false
		check(4)
		p.Cancel(nil)
	})
}

// L4: the end, like an error, crosses without demand.
func TestEveryStageEndNeedsNoCredit(t *testing.T) {
	for _, end := range []error{io.EOF, errBoom} {
		everyStage(t, func(t *testing.T, s stageCase) {
			up, c := NewStream[int](pure)
			p := s.on(t.Context(), up, nil)
			if end == io.EOF {
				c.End()
			} else {
				c.Cancel(end)
			}
			synctest.Wait()
			if _, err := p.src.Next(bg, false); err != end {
				t.Fatalf("Next = %v, want %v", err, end)
			}
			wantEnd(t, p, end)
			p.Request(1)
			p.Cancel(errOther)
			wantEnd(t, p, end)
		})
	}
}

// L2, L4: every item that was written comes before the end, or the error.
func TestEveryStageItemsComeBeforeTheEnd(t *testing.T) {
	for _, end := range []error{io.EOF, errBoom} {
		for _, n := range []int{0, 1, 7, 100} {
			everyStage(t, func(t *testing.T, s stageCase) {
				up, c := NewStream[int](nil)
				p := s.on(t.Context(), up, nil)
				go func() {
					write(t, c, seq(0, s.need(n))...)
					if end == io.EOF {
						c.End()
					} else {
						c.Cancel(end)
					}
				}()
				got, err := Collect(bg, p)
				if err != end && !(err == nil && end == io.EOF) {
					t.Fatalf("ended with %v, want %v", err, end)
				}
				wantItems(t, got, seq(0, n))
				wantEnd(t, p, end)
			})
		}
	}
}

// L5: the reader's Cancel crosses, also to a writer that waits.
func TestEveryStageCancelCrosses(t *testing.T) {
	for _, opt := range []*Options{pure, nil} {
		everyStage(t, func(t *testing.T, s stageCase) {
			up, c := NewStream[int](opt)
			p := s.on(t.Context(), up, nil)
			wrote := make(chan error)
			go func() {
				for {
					if err := c.Write(bg, 1); err != nil {
						wrote <- err
						return
					}
				}
			}()
			read := make(chan error)
			go func() {
				for {
					if _, err := p.Next(bg); err != nil {
						read <- err
						return
					}
					time.Sleep(time.Second)
				}
			}()
			time.Sleep(100 * time.Second)
			p.Cancel(errBoom)
			if err := <-wrote; err != errBoom {
				t.Errorf("Write = %v, want %v", err, errBoom)
			}
			if err := <-read; err != errBoom {
				t.Errorf("Next = %v, want %v", err, errBoom)
			}
			wantStopped(t, c, errBoom)
			wantEnd(t, p, errBoom)
		})
	}
}

// The end of the stage's ctx cancels both sides with its cause.
func TestEveryStageContextEnds(t *testing.T) {
	everyStage(t, func(t *testing.T, s stageCase) {
		ctx, cancel := context.WithCancelCause(bg)
		defer cancel(nil)
		if s.name == "none" {
			return // A stream has no ctx.
		}
		up, c := NewStream[int](pure)
		p := s.on(ctx, up, nil)
		go func() {
			time.Sleep(time.Second)
			cancel(errBoom)
		}()
		if _, err := p.Next(bg); err != errBoom {
			t.Fatalf("Next = %v, want %v", err, errBoom)
		}
		wantEnd(t, p, errBoom)
		wantStopped(t, c, errBoom)
	})
	// It is looked at although items are here, and may have ended before.
	everyStage(t, func(t *testing.T, s stageCase) {
		if s.name == "none" {
			return
		}
		up, c := NewStream[int](nil)
		write(t, c, seq(0, s.need(3))...)
		p := s.on(endedBy(errBoom), up, nil)
		wantEnd(t, p, errBoom)
		wantStopped(t, c, errBoom)
	})
}

// P14: the end of a call's ctx ends that call and nothing else.
func TestP14EveryStageCallEnds(t *testing.T) {
	everyStage(t, func(t *testing.T, s stageCase) {
		up, c := NewStream[int](pure)
		p := s.on(t.Context(), up, nil)
		go func() {
			for i := range s.need(20) {
				time.Sleep(7 * time.Second)
				write(t, c, i)
			}
			c.End()
		}()
		var got []int
		for ended := 0; ; {
			ctx, cancel := context.WithTimeoutCause(bg, 5*time.Second, errBoom)
			v, err := p.Next(ctx)
			cancel()
			if err == errBoom {
				ended++
				continue
			}
			if err == io.EOF {
				if ended < 20 {
					t.Errorf("%d calls ended, want more", ended)
				}
				break
			}
			got = append(got, v)
		}
		wantItems(t, got, seq(0, 20))
	})
}
