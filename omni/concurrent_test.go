package omni

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// X06: a blocked Write learns of a Cancel of either side at once.
func TestX06CancelWakesWriters(t *testing.T) {
	for name, cancel := range map[string]func(*Producer[int], *Consumer[int]){
		"reader": func(p *Producer[int], _ *Consumer[int]) { p.Cancel(errBoom) },
		"writer": func(_ *Producer[int], c *Consumer[int]) { c.Cancel(errBoom) },
		"end":    func(_ *Producer[int], c *Consumer[int]) { c.End() },
	} {
		bubble(t, name, func(t *testing.T) {
			p, c := NewStream[int](pure)
			want := errBoom
			if name == "end" {
				want = ErrEnded
			}
			start := time.Now()
			var woken atomic.Int32
			for i := range 4 {
				go func() {
					var err error
					if i == 3 {
						_, err = c.Demand(bg)
					} else {
						err = c.Write(bg, 1)
					}
					if err != want || time.Since(start) != 0 {
						t.Errorf("got %v after %v, want %v", err, time.Since(start), want)
					}
					woken.Add(1)
				}()
			}
			synctest.Wait()
			cancel(p, c)
			synctest.Wait()
			if woken.Load() != 4 {
				t.Errorf("%d of 4 were woken", woken.Load())
			}
			p.Cancel(nil)
		})
	}
}

func TestReadersCancelWakesReaders(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		p, _ := NewStream[int](nil)
		for range 3 {
			go func() {
				if _, err := p.Next(bg); err != errBoom {
					t.Errorf("Next = %v, want %v", err, errBoom)
				}
			}()
		}
		synctest.Wait()
		p.Cancel(errBoom)
	})
}

// P05, D10: each item that was accepted arrives once, before the end, and
// each writer's in order.
func TestP05D10ConcurrentWriters(t *testing.T) {
	const writers, each = 4, 300
	for name, opt := range map[string]*Options{"pure pull": pure, "window of 3": {Prefetch: 3}, "default": nil} {
		bubble(t, name, func(t *testing.T) {
			p, c := NewStream[[2]int](opt)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						write(t, c, [2]int{w, i})
					}
				})
			}
			go func() { wg.Wait(); c.End() }()
			var next [writers]int
			for {
				p.Request(uint32(1 + next[0]%5))
				v, err := p.src.Next(bg, false)
				if err == io.EOF {
					break
				}
				if err != nil || v[1] != next[v[0]] {
					t.Fatalf("got %v, %v; want number %d", v, err, next[v[0]])
				}
				next[v[0]]++
			}
			if next != [writers]int{each, each, each, each} {
				t.Fatalf("got %v", next)
			}
		})
	}
}

// Demand must not be lost between writers: each total goes to one who waits,
// or stays for one who is about to.
func TestWritersDoNotStealWakeUps(t *testing.T) {
	bubble(t, "about to wait", func(t *testing.T) {
		p, c := NewStream[int](pure)
		s := p.src.(*stream[int])
		// One writer holds the gate and is about to wait for demand.
		if !s.wgate.tryLock() {
			t.Fatal("the gate is taken")
		}
		p.Request(2)
		if _, _, err := s.Credit(endedContext, 0); err != context.Canceled {
			t.Fatalf("Credit = %v", err)
		}
		if len(s.demand) != 1 {
			t.Fatal("another writer took the total that the first will wait for")
		}
		s.wgate.unlock()
		write(t, c, 1, 2)
	})
	// Each burst of demand serves several writers, of whom one fetches it.
	bubble(t, "bursts", func(t *testing.T) {
		const writers, rounds = 3, 2000
		p, c := NewStream[int](pure)
		for range writers {
			go func() {
				for range rounds {
					write(t, c, 1)
				}
			}()
		}
		for range rounds {
			p.Request(writers)
			for range writers {
				if _, err := p.src.Next(bg, false); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// P06: each item goes to exactly one reader.
func TestP06ConcurrentReaders(t *testing.T) {
	for name, opt := range map[string]*Options{"pure pull": pure, "default": nil} {
		bubble(t, name, func(t *testing.T) {
			const n = 2000
			p, c := NewStream[int](opt)
			var seen [n]atomic.Int32
			var wg sync.WaitGroup
			for r := range 4 {
				wg.Go(func() {
					last := -1
					for {
						ctx, cancel := bg, func() {}
						if r == 3 { // One reader gives up again and again.
							ctx, cancel = context.WithTimeout(bg, time.Nanosecond)
						}
						v, err := p.Next(ctx)
						cancel()
						if err == io.EOF {
							return
						}
						if err != nil {
							continue
						}
						if v <= last {
							t.Errorf("%d after %d", v, last)
						}
						last = v
						seen[v].Add(1)
					}
				})
			}
			for i := range n {
				write(t, c, i)
				if i%10 == 0 {
					time.Sleep(time.Nanosecond)
				}
			}
			c.End()
			wg.Wait()
			for i := range seen {
				if seen[i].Load() != 1 {
					t.Fatalf("item %d went to %d readers", i, seen[i].Load())
				}
			}
		})
	}
}

// P14, C13: a call whose ctx ends has no effect, and the stream goes on.
func TestP14C13WriteWhoseContextEnds(t *testing.T) {
	bubble(t, "before and during", func(t *testing.T) {
		p, c := NewStream[int](&Options{Prefetch: 1})
		if err := c.Write(endedBy(errBoom), 1); err != errBoom {
			t.Fatalf("Write = %v, want %v", err, errBoom)
		}
		write(t, c, 2)
		ctx, cancel := context.WithTimeoutCause(bg, time.Minute, errOther)
		defer cancel()
		start := time.Now()
		if err := c.Write(ctx, 3); err != errOther || time.Since(start) != time.Minute {
			t.Fatalf("Write = %v after %v", err, time.Since(start))
		}
		c.End()
		got, err := Collect(bg, p)
		if err != nil {
			t.Fatal(err)
		}
		wantItems(t, got, []int{2})
	})
	bubble(t, "one of several writers", func(t *testing.T) {
		p, c := NewStream[int](pure)
		ctx, cancel := context.WithCancelCause(bg)
		for i := range 3 {
			go func() {
				if err := c.Write(ctx, i); err != errBoom {
					t.Errorf("Write = %v, want %v", err, errBoom)
				}
			}()
		}
		go write(t, c, 9)
		synctest.Wait()
		cancel(errBoom)
		synctest.Wait()
		wantNext(t, p, 9)
	})
}

// A writer that comes to a queue behind one that waits for more looks whether
// it is content with what there is.
func TestWriterInQueueSeesCreditThatWasFetchedBefore(t *testing.T) {
	bubble(t, "credit", func(t *testing.T) {
		p, c := NewStream[int](&Options{Prefetch: 1})
		s := c.stream
		if !s.wgate.tryLock() { // as Demand does, which waits for a second item
			t.Fatal("the gate of a new stream is taken")
		}
		if err := s.writeSlow(bg, 7); err != nil {
			t.Fatal(err)
		}
		s.leaveDemand()
		wantNext(t, p, 7)
		if n := s.wgate.users.Load(); n != 0 {
			t.Errorf("%d users of the gate are left", n)
		}
	})
}
