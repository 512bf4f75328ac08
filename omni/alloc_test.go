package omni

import (
	"context"
	"runtime"
	"testing"
)

// R07: in the steady state an item costs no allocation, however it is read.
func TestR07NoAllocationPerItem(t *testing.T) {
	same := func(v int) (int, error) { return v, nil }
	keep := func(int) (bool, error) { return true, nil }
	stages := func(p *Producer[int]) *Producer[int] { return Filter(bg, Map(bg, p, same), keep) }
	plain := func(p *Producer[int]) *Producer[int] { return p }
	for _, tc := range []struct {
		name  string
		opt   *Options
		build func(*Producer[int]) *Producer[int]
		next  bool // read by Next, else by All
	}{
		{"Write and All", nil, plain, false},
		{"Write and All, pure pull", pure, plain, false},
		{"Write and Next", nil, plain, true},
		{"Write and Next, pure pull", pure, plain, true},
		{"Map, Filter and All", nil, stages, false},
		{"Map, Filter and Next", nil, stages, true},
		{"a small window", &Options{Prefetch: 2}, stages, false},
		{"Take", nil, func(p *Producer[int]) *Producer[int] { return Take(bg, p, 1<<30) }, false},
		{"Concat", nil, func(p *Producer[int]) *Producer[int] { return Concat(bg, p) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const items = 20000
			if n := mallocs(t, tc.opt, tc.build, tc.next, items); n > items/100 {
				t.Fatalf("%d allocations for %d items", n, items)
			}
		})
	}
}

// mallocs returns how many allocations it takes to move n items, after some
// thousands to warm up. testing.AllocsPerRun cannot tell: it counts those of
// one goroutine's func, and here are two.
func mallocs(t *testing.T, opt *Options, build func(*Producer[int]) *Producer[int], next bool, n int) uint64 {
	t.Helper()
	const warm = 3000
	up, c := NewStream[int](opt)
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; c.Write(ctx, i) == nil; i++ {
		}
	}()
	p := build(up)
	var before, after runtime.MemStats
	count := 0
	look := func() (more bool) {
		switch count++; count {
		case warm:
			runtime.ReadMemStats(&before)
		case warm + n:
			runtime.ReadMemStats(&after)
			return false
		}
		return true
	}
	if next {
		for look() {
			if _, err := p.Next(ctx); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		for _, err := range p.All(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if !look() {
				break
			}
		}
	}
	p.Cancel(nil)
	<-stopped
	return after.Mallocs - before.Mallocs
}
