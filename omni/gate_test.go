package omni

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// One whose ctx ends just when the holder leaves must not let in two at once.
func TestGateTokenOfOneWhoGivesUp(t *testing.T) {
	bubble(t, "between the holder's count and its token", func(t *testing.T) {
		g := newGate()
		g.lock(bg)
		ctx, cancel := context.WithCancelCause(bg)
		got := make(chan error, 1)
		go func() { got <- g.lock(ctx) }()
		synctest.Wait()
		if g.users.Add(-1) != 1 { // unlock, its first half
			t.Fatal("one should wait")
		}
		cancel(errBoom)
		synctest.Wait()
		if g.tryLock() {
			t.Fatal("the gate is free although a token is on its way")
		}
		g.wake <- struct{}{} // unlock, its second half
		if err := <-got; err != nil {
			t.Fatalf("lock = %v; the gate was left to it", err)
		}
		g.unlock()
		if !g.tryLock() {
			t.Fatal("the gate is not free")
		}
	})
	bubble(t, "beside others", func(t *testing.T) {
		g := newGate()
		g.lock(bg)
		ctx, cancel := context.WithCancelCause(bg)
		for range 3 {
			go func() {
				if err := g.lock(ctx); err != errBoom {
					t.Errorf("lock = %v, want %v", err, errBoom)
				}
			}()
		}
		go func() { g.lock(bg); g.unlock() }()
		synctest.Wait()
		cancel(errBoom)
		synctest.Wait()
		g.unlock()
		synctest.Wait()
		if !g.tryLock() {
			t.Fatal("the gate is not free")
		}
	})
}

func TestGateHoldsOneAtATime(t *testing.T) {
	g := newGate()
	var inside atomic.Int32
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 2000 {
				ctx, cancel := bg, func() {}
				if i%2 == 0 {
					ctx, cancel = context.WithTimeout(bg, time.Duration(i)*time.Microsecond)
				}
				if g.lock(ctx) == nil {
					if inside.Add(1) != 1 {
						t.Error("two are inside")
					}
					inside.Add(-1)
					g.unlock()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if g.users.Load() != 0 || len(g.wake) != 0 {
		t.Fatalf("%d users, %d tokens are left", g.users.Load(), len(g.wake))
	}
}
