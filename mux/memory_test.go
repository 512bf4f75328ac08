package mux

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestL8NoCreep: a reader that is always one item behind and a writer whose
// queue never empties take no more memory as time goes by.
func TestL8NoCreep(t *testing.T) {
	cfg, err := newConfig(nil)
	must(t, err)
	var m message

	e := newEngine(cfg)
	e.receive(join(wHello(16, 4, 4, 64, ""), wOpen(1, ""), wData(1, "x")))
	e.pack(&m)
	in := e.accepts[0]
	for range 100_000 {
		e.receive(join(wData(1, "x")))
		if _, ok, _ := in.take(); !ok {
			t.Fatal("nothing to take")
		}
		e.pack(&m)
	}
	if e.err != nil || cap(in.items) > 1000 {
		t.Fatalf("a list of one item has room for %d (%v)", cap(in.items), e.err)
	}

	e = newEngine(cfg)
	e.receive(join(wHello(1<<16, 4, 1<<20, 1<<31, "")))
	o := e.open(kindOneWay, nil, nil)
	item := make([]byte, 30<<10)
	for range 10_000 {
		for {
			ok, err := o.writeState(len(item))
			must(t, err)
			if !ok {
				break
			}
			o.adopt(append(make([]byte, headerSize), item...))
		}
		e.pack(&m)
		if o.nextSegment() == 0 {
			o.adopt(append(make([]byte, headerSize), item...))
		}
		if e.err != nil || cap(o.segs) > 1000 {
			t.Fatalf("a queue of %d bytes has room for %d segments (%v)", o.queued, cap(o.segs), e.err)
		}
	}
}

// TestL6ControlDoesNotStarveItems: an item too long to share a message goes
// out though there is control to send every time.
func TestL6ControlDoesNotStarveItems(t *testing.T) {
	cfg, err := newConfig(nil)
	must(t, err)
	e := newEngine(cfg)
	e.receive(join(wHello(1<<20, 4, 4, 1<<22, "")))
	o := e.open(kindOneWay, nil, nil)
	var m message
	e.pack(&m)
	o.adopt(make([]byte, headerSize+1<<20))
	for i := range uint64(10) {
		e.receive(join(wPing(i)))
		e.pack(&m)
		for _, f := range packed(&m) {
			if f.typ == byte(frameData) {
				return
			}
		}
	}
	t.Fatal("the item waits for ever")
}

// TestL7LargeItemsShare: one stream with items of a megabyte leaves the small
// items of another their turn.
func TestL7LargeItemsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := newConfig(nil)
		e := newEngine(cfg)
		e.receive(join(wHello(1<<20, 4, 1<<20, 1<<30, "")))
		large, little := e.open(kindOneWay, nil, nil), e.open(kindOneWay, nil, nil)
		var m message
		e.pack(&m)
		smalls, larges := 0, 0
		for range 100 {
			if ok, _ := large.writeState(1 << 20); ok {
				large.adopt(make([]byte, headerSize+1<<20))
			}
			for {
				if ok, _ := little.writeState(1000); !ok {
					break
				}
				little.write([]byte(strings.Repeat("x", 1000)))
			}
			e.pack(&m)
			for _, f := range packed(&m) {
				if f.stream == large.id {
					larges += len(f.payload)
				} else {
					smalls += len(f.payload)
				}
			}
		}
		if smalls == 0 || larges == 0 || larges > 2*smalls+2<<20 {
			t.Fatalf("%d bytes of large items, %d of small ones", larges, smalls)
		}
	})
}

// TestW15LongestMetadata: OPEN with the most metadata fits a message.
func TestW15LongestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		for i := range uint32(8) {
			noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), []byte(strings.Repeat("m", maxMetadata))))
			p.want("OPEN", wOpen(i+1, strings.Repeat("m", maxMetadata)))
		}
	})
}

// TestR01R02IdleStreams: 10,000 streams that carry nothing have no goroutine
// each, and R02: what they hold is printed.
func TestR01R02IdleStreams(t *testing.T) {
	const streams = 10_000
	a, b := pair(t, &Options{MaxStreams: streams, MaxItem: 1 << 10, Budget: 1 << 30})
	noErr[time.Duration](t)(a.Ping(t.Context()))
	goroutines, before := runtime.NumGoroutine(), heap()
	held := make([]any, 0, 2*streams)
	for range streams {
		c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
		held = append(held, c, accept(t, b))
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, %d before the streams", now, goroutines)
	}
	t.Logf("%d heap bytes a stream, both ends together", (heap()-before)/streams)
	runtime.KeepAlive(held)
}

// TestR07Allocations: in the steady state an item costs the reader's copy and
// nothing else, and not even that if the reader gives items back. What is
// allocated now and then, to wait, is less than a tenth per item.
func TestR07Allocations(t *testing.T) {
	const items = 50_000
	for name, most := range map[string]float64{"kept": 1.1, "reused": 0.1} {
		a, b := overTCP(t)
		c, in := streamPair(t, a, b)
		if name == "reused" {
			Reuse(in)
		}
		go func() {
			item := make([]byte, 1000)
			for range items {
				if err := c.Write(t.Context(), item); err != nil {
					t.Error(err)
					return
				}
			}
			c.End()
		}()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := omni.ForEach(t.Context(), in, func([]byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		n := float64(after.Mallocs-before.Mallocs) / items
		t.Logf("%s: %.3f allocations an item", name, n)
		if n > most {
			t.Errorf("%s: %.3f allocations an item, at most %v is due", name, n, most)
		}
	}
}

// overTCP returns two sessions at the ends of a connection over loopback.
func overTCP(t *testing.T) (a, b *Session) {
	ca, cb := tcp(t)
	return start(t, transport.Frame(ca), nil), start(t, transport.Frame(cb), nil)
}

// TestR05Sessions: sessions over TCP that come and go leave no descriptor and
// no goroutine behind.
func TestR05Sessions(t *testing.T) {
	fds := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil && runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		return len(all)
	}
	connect := func() {
		ca, cb := tcp(t)
		a, b := start(t, transport.Frame(ca), nil), start(t, transport.Frame(cb), nil)
		c, in := streamPair(t, a, b)
		must(t, c.Write(t.Context(), []byte("x")))
		wantItem(t, in, "x")
		a.Close()
		b.Close()
	}
	connect()
	before, goroutines := fds(), runtime.NumGoroutine()
	for range 100 {
		connect()
	}
	if now := fds(); now > before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
	for range 1000 { // the last ones are on their way out
		if runtime.NumGoroutine() <= goroutines {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
}
