package mux

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestWindowsGrow: they grow for a reader that waits for credit to go around,
// the narrower of the two at a time, and for no other.
func TestWindowsGrow(t *testing.T) {
	all := func(granted uint64) uint64 { return granted }
	one := func(granted uint64) uint64 { return min(1, granted) }
	const first = 256<<10 + firstBytes
	for name, tt := range map[string]struct {
		opt    *Options
		size   int
		come   func(granted uint64) uint64 // in a round
		behind bool                        // the reader always finds one more
		round  time.Duration
		items  uint64 // the window in the end, at least, and less than twice that
		bytes  int64  // likewise
	}{
		"empty items":     {nil, 0, all, false, 0, maxAhead, first},
		"small items":     {nil, 256, all, false, 0, 8192, 1 << 20},
		"long items":      {nil, 64 << 10, all, false, 0, 64, 1 << 20},
		"narrow in bytes": {&Options{Window: 1 << 20}, 256, all, false, 0, 4096, 1 << 20},
		"a trickle":       {nil, 256, one, false, 0, 64, first},
		"a slow one":      {nil, 64 << 10, one, false, slow, 64, first},
		"slow reader":     {nil, 256, all, true, 0, 64, first},
		"items by hand":   {&Options{Prefetch: 64}, 64, all, false, 0, 64, first},
		"none":            {&Options{Prefetch: -1}, 64, all, false, 0, 0, first},
	} {
		cfg, err := newConfig(tt.opt)
		must(t, err)
		e := newEngine(cfg)
		in := e.newIncoming(kindOneWay, 1, nil)
		in.id = 1
		for range 100 {
			n := tt.come(in.grantItems - in.gotItems)
			for quarter := range uint64(4) {
				e.now += tt.round / 4
				for range (n + quarter) / 4 {
					if in.gotBytes+uint64(tt.size) <= in.grantBts {
						if bad := in.data(make([]byte, tt.size)); bad != nil {
							t.Fatal(name, bad)
						}
					}
				}
				for in.next < len(in.items) {
					if tt.behind && len(in.items)-in.next == 1 {
						break
					}
					in.take()
					if e.replying.pop() != nil {
						in.appendReply(nil)
					}
				}
				if !tt.behind {
					in.take() // finds none
				}
			}
		}
		w := in.window
		if w.items < tt.items || w.items >= 2*max(1, tt.items) || w.bytes < tt.bytes || w.bytes >= 2*tt.bytes {
			t.Errorf("%s: the window is %d items, %d bytes, want %d, %d", name, w.items, w.bytes, tt.items, tt.bytes)
		}
		if ahead := in.grantItems - in.tookItems; ahead > max(w.items, 64) || int64(in.grantBts-in.tookBytes) > w.bytes {
			t.Errorf("%s: granted %d items and %d bytes", name, ahead, in.grantBts-in.tookBytes)
		}
		if free := e.budget.windows + w.lent; free != newBudget(cfg).windows {
			t.Errorf("%s: %d bytes can be lent of %d", name, free, newBudget(cfg).windows)
		}
	}
}

// TestWindowsShrink: a wide window becomes narrower when others need the
// budget, and wider again when they have gone.
func TestWindowsShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ca, cb := newLine(mbit(100), 200*time.Millisecond)
		opt := &Options{MaxItem: 16 << 10, MaxStreams: 16, Budget: 4 << 20}
		a, b := start(t, ca, opt), start(t, cb, opt)
		run := func(ctx context.Context) {
			c, p := benchPair(t, a, b)
			go func() {
				for c.Write(ctx, make([]byte, 16<<10)) == nil {
				}
				c.Cancel(nil)
			}()
			go func() {
				for range Reuse(p).All(ctx) {
				}
			}()
		}
		// lent is what the streams have borrowed, by number.
		lent := func() (each map[uint32]int64) {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			b.mu.Lock()
			defer b.mu.Unlock()
			each = map[uint32]int64{}
			sum := b.e.budget.windows
			for id, in := range b.e.theirs {
				each[id] = in.window.lent
				sum += in.window.lent
			}
			if free := newBudget(b.cfg).windows; sum != free || b.e.budget.windows < 0 {
				t.Fatalf("%v lent, %d of %d left", each, b.e.budget.windows, free)
			}
			return each
		}
		run(ctx)
		alone := lent()[1]
		others, leave := context.WithCancel(ctx)
		for range 15 {
			run(others)
		}
		crowd := lent()
		for id, n := range crowd {
			if n > alone/2 || n <= 0 {
				t.Errorf("stream %d has %d bytes, %d alone: %v", id, n, alone, crowd)
			}
		}
		leave()
		if again := lent(); len(again) != 1 || again[1] != alone {
			t.Errorf("alone again: %v, before %d", again, alone)
		}
		stop()
		a.Close()
		b.Close()
	})
}

// TestWindowsShrinkAndItemsBecomeSmall: a stream whose wide window was cut back
// while its items became short still gets credit for them.
func TestWindowsShrinkAndItemsBecomeSmall(t *testing.T) {
	cfg, err := newConfig(nil)
	must(t, err)
	e := newEngine(cfg)
	e.roundTrip = 50 * time.Millisecond
	streams := make([]*incoming, 20)
	for i := range streams {
		streams[i] = e.newIncoming(kindOneWay, uint32(i+1), nil)
		streams[i].id = uint32(i + 1)
	}
	// round has the writer send what it may, and the reader take that and wait.
	round := func(in *incoming, size int) (sent uint64) {
		can := min(in.grantItems-in.gotItems, (in.grantBts-in.gotBytes)/uint64(size))
		for quarter := range uint64(4) {
			e.now += 10 * time.Millisecond
			for range (can + quarter) / 4 {
				if bad := in.data(make([]byte, size)); bad != nil {
					t.Fatal(bad)
				}
				sent++
			}
			for in.next < len(in.items) {
				in.take()
				if e.replying.pop() != nil {
					in.appendReply(nil)
				}
			}
			in.take() // finds none
		}
		if in.outstanding() == 0 {
			in.request(1)
		}
		if e.replying.pop() != nil {
			in.appendReply(nil)
		}
		return sent
	}
	for range 200 {
		round(streams[0], 64<<10)
	}
	for range 200 {
		for _, in := range streams[1:] {
			round(in, 64<<10)
		}
	}
	for n := range 100 {
		if round(streams[0], 10) == 0 {
			t.Fatalf("no credit after %d rounds of short items", n)
		}
	}
}

// linkShare is how much of a link of 100 Mbit/s streams fill that write items of
// a size without end, from one second after they began on, in virtual time.
func linkShare(t *testing.T, rtt time.Duration, streams, size int, opt *Options) (share float64) {
	const rate, warm, long = 100.0, 2 * time.Second, 4 * time.Second
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ca, cb := newLine(mbit(rate), rtt)
		a, b := start(t, ca, opt), start(t, cb, opt)
		item := make([]byte, size)
		for range streams {
			c, p := benchPair(t, a, b)
			go func() {
				for c.Write(ctx, item) == nil {
				}
			}()
			go func() {
				for _, err := range Reuse(p).All(ctx) {
					if err != nil {
						return
					}
				}
			}()
		}
		time.Sleep(warm)
		before := b.Stats().BytesReceived
		time.Sleep(long)
		got := b.Stats().BytesReceived - before
		share = float64(got) / (mbit(rate) * long.Seconds())
		stop()
		a.Close()
		b.Close()
	})
	return share
}

// TestWindowsFitTheLink: with all defaults nine tenths of the link are used,
// near and far, by one stream and by many.
func TestWindowsFitTheLink(t *testing.T) {
	t.Log("round trip  streams  item      by itself  64 items, 1 MiB")
	for _, rtt := range []time.Duration{time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
		for _, streams := range []int{1, 64} {
			for _, size := range []int{1 << 10, 64 << 10} {
				grows := linkShare(t, rtt, streams, size, nil)
				fixed := linkShare(t, rtt, streams, size, &Options{Prefetch: 64, Window: 1 << 20})
				t.Logf("%10v  %7d  %-8s  %8.1f%%  %14.1f%%", rtt, streams, fmt.Sprintf("%d KiB", size>>10), 100*grows, 100*fixed)
				if grows < 0.9 {
					t.Errorf("%v, %d streams, %d bytes: %.1f%% of the link", rtt, streams, size, 100*grows)
				}
			}
		}
	}
}
