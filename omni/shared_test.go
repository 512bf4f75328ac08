package omni

import (
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Several readers of one stream or stage: loops, Next, Pipe.

// What a loop holds is not outstanding for another reader: that one asks.
func TestNextAsksThoughALoopHoldsItems(t *testing.T) {
	bubble(t, "pure pull", func(t *testing.T) {
		p, c := NewStream[int](pure)
		p.Request(20)
		for i := range 20 {
			c.Write(bg, i)
		}
		release, got := make(chan struct{}), 0
		go func() {
			for range p.All(bg) { // has all 20 at once
				<-release
				got++
			}
		}()
		synctest.Wait()
		go func() {
			for i := range 80 {
				if c.Write(bg, i) != nil {
					return
				}
			}
			c.End()
		}()
		go func() {
			for {
				if _, err := p.Next(bg); err != nil {
					return
				}
				got++
			}
		}()
		synctest.Wait()
		close(release) // the loop goes on to the next
		synctest.Wait()
		if got != 100 {
			t.Errorf("stuck at %d of 100 items", got)
		}
		p.Cancel(nil)
	})
}

// A body may read what it loops over.
func TestNextInsideLoop(t *testing.T) {
	for name, opt := range map[string]*Options{"default": nil, "one": {Prefetch: 1}, "pure": pure} {
		bubble(t, name, func(t *testing.T) {
			p, c := NewStream[int](opt)
			go func() {
				for i := range 500 {
					if c.Write(bg, i) != nil {
						return
					}
				}
				c.End()
			}()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(bg, time.Hour)
			defer cancel()
			n := 0
			for _, err := range p.All(bg) {
				if err != nil {
					t.Fatal(err)
				}
				n++
				switch _, err := p.Next(ctx); err {
				case nil:
					n++
				case io.EOF:
				default:
					t.Fatalf("Next in the body, after %d items: %v", n, err)
				}
			}
			if n != 500 {
				t.Errorf("got %d items of 500", n)
			}
		})
	}
}

// The writer is ahead by all of the window while the body runs.
func TestWindowIsOpenWhileTheBodyRuns(t *testing.T) {
	bubble(t, "one", func(t *testing.T) {
		p, c := NewStream[int](&Options{Prefetch: 1})
		go func() {
			for i := 0; c.Write(bg, i) == nil; i++ {
			}
		}()
		n := 0
		for range p.All(bg) {
			n++
			synctest.Wait()
			if _, written := totals(c); written != n+1 {
				t.Fatalf("in body %d the writer has written %d items", n, written)
			}
			if n == 10 {
				break
			}
		}
	})
}

// A stage that is canceled while a reader waits that never asked hands out
// nothing, and calls nothing.
func TestCancelOfStageBelowOne(t *testing.T) {
	for name, stop := range map[string]func(src, m *Producer[int], cancel context.CancelCauseFunc){
		"the lower stage": func(src, _ *Producer[int], _ context.CancelCauseFunc) { src.Cancel(errBoom) },
		"the upper stage": func(_, m *Producer[int], _ context.CancelCauseFunc) { m.Cancel(errBoom) },
		"their ctx":       func(_, _ *Producer[int], cancel context.CancelCauseFunc) { cancel(errBoom) },
	} {
		bubble(t, name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(bg)
			src, called := FromSlice(ctx, []int{1, 2, 3}), 0
			m := Map(ctx, src, func(v int) (int, error) { called++; return v, nil })
			go func() {
				if v, err := m.Source().Next(bg, false); err != errBoom || called != 0 {
					t.Errorf("got %v, %v and %d calls", v, err, called)
				}
			}()
			synctest.Wait()
			stop(src, m, cancel)
			synctest.Wait()
			m.Cancel(nil)
			cancel(nil)
		})
	}
}

func TestPipeAtTheEndLeavesOthersTheirItems(t *testing.T) {
	bubble(t, "loop", func(t *testing.T) {
		p, c := NewStream[int](nil)
		for i := range 10 {
			c.Write(bg, i)
		}
		c.End()
		release, n := make(chan struct{}), 0
		go func() {
			for _, err := range p.All(bg) {
				if err != nil {
					t.Errorf("the loop got %v after %d items", err, n)
					return
				}
				<-release
				n++
			}
		}()
		synctest.Wait()
		_, out := NewStream[int](nil)
		if err := p.Pipe(bg, out); err != nil {
			t.Error(err)
		}
		close(release)
		synctest.Wait()
		if n != 10 || c.Err() != nil {
			t.Errorf("the loop got %d items of 10; the writer's Err is %v", n, c.Err())
		}
	})
}

// The ctx of a loop ends its wait for a stage that another reader is inside of.
func TestLoopsCtxEndsItsWaitForAStage(t *testing.T) {
	bubble(t, "gate", func(t *testing.T) {
		up, c := NewStream[int](nil)
		c.Write(bg, 1)
		hold := make(chan struct{})
		m := Map(bg, up, func(v int) (int, error) { <-hold; return v, nil })
		go m.Next(bg)
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(bg)
		left := false
		go func() {
			for range m.All(ctx) {
			}
			left = true
		}()
		synctest.Wait()
		cancel(errBoom)
		synctest.Wait()
		if !left {
			t.Error("the loop waits though its ctx has ended")
		}
		close(hold)
		synctest.Wait()
	})
}

// A stage ends as what it reads from, not as a call that ended just before.
func TestStageEndsAsItsUpstream(t *testing.T) {
	for range 20 {
		bubble(t, "cause", func(t *testing.T) {
			up, _ := NewStream[int](nil)
			m := Map(bg, up, inc)
			ctx, cancel := context.WithCancelCause(bg)
			go m.Next(ctx)
			synctest.Wait()
			cancel(errOther)
			up.Cancel(errBoom)
			synctest.Wait()
			if _, err := m.Next(bg); err != errBoom {
				t.Errorf("the stage ended with %v, its upstream with %v", err, up.Err())
			}
		})
	}
}

type big struct{ _ [4096]byte }

// A Cancel lets go of the items that are here, wherever they wait.
func TestCancelFreesItems(t *testing.T) {
	same := func(v *big) (*big, error) { return v, nil }
	for name, stop := range map[string]func(*Producer[*big]) any{
		"stream": func(p *Producer[*big]) any { p.Next(bg); p.Cancel(nil); return p },
		"stage":  func(p *Producer[*big]) any { m := Map(bg, p, same); m.Next(bg); m.Cancel(nil); return m },
		"stages": func(p *Producer[*big]) any {
			m := Map(bg, Map(bg, p, same), same)
			m.Next(bg)
			m.Cancel(nil)
			return m
		},
		"Take": func(p *Producer[*big]) any { m := Take(bg, p, 1); m.Next(bg); return m },
		"a func's error": func(p *Producer[*big]) any {
			m := Map(bg, p, func(*big) (*big, error) { return nil, errBoom })
			m.Next(bg)
			return m
		},
		"loop": func(p *Producer[*big]) any {
			for range p.All(bg) {
				break
			}
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 64
			var freed atomic.Int32
			p, c := NewStream[*big](&Options{Prefetch: n})
			for range n {
				b := new(big)
				runtime.AddCleanup(b, func(int) { freed.Add(1) }, 0)
				c.Write(bg, b)
			}
			keep := stop(p)
			// Cleanups run on a goroutine of the runtime's, some time after.
			for tries := 0; freed.Load() < n && tries < 1000; tries++ {
				runtime.GC()
				runtime.Gosched()
			}
			if got := freed.Load(); got < n {
				t.Errorf("%d of %d items are held", n-got, n)
			}
			runtime.KeepAlive(keep)
			runtime.KeepAlive(p)
			runtime.KeepAlive(c)
		})
	}
}
