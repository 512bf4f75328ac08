package mux

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// Readers that take chunks: what they hold, what it counts for, and where it
// lies.

// asText is a codec for strings.
type asText struct{}

func (asText) Append(dst []byte, s string) ([]byte, error) { return append(dst, s...), nil }
func (asText) Decode(data []byte) (string, error)          { return string(data), nil }

// A handler that read its one request, typed, has read everything.
func TestHandlerThatReadsOneTypedItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, nil)
		done := make(chan error, 1)
		go func() {
			done <- s.Serve(t.Context(), func(ctx context.Context, in *Incoming) error {
				_, err := As(in, asText{}).Next(ctx)
				return err
			})
		}()
		p.send(wOpen(1, ""), wData(1, "a"), wEnd(1))
		p.want("all was taken and the end is here", wClose(1, 0, ""))
		s.Close()
		<-done
	})
}

// A header may be read with one codec and the rest without.
func TestTypedHeaderThenTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		for i := range 5 {
			must(t, c.Write(t.Context(), []byte(fmt.Sprint(i))))
		}
		c.End()
		synctest.Wait()
		got := noErr[string](t)(Decode(in, asText{}).Next(t.Context()))
		for _, want := range []string{"1", "2", "3", "4"} {
			wantItem(t, in, want)
			got += want
		}
		if _, err := in.Next(t.Context()); err != io.EOF {
			t.Errorf("after %q: %v", got, err)
		}
	})
}

// Rule 3: when all items before were taken, one more of any length has room.
func TestTypedReaderMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{MaxItem: 64 << 10, Window: 64 << 10})
		c, in := streamPair(t, a, b)
		item := make([]byte, 20<<10)
		for range 3 {
			must(t, c.Write(t.Context(), item))
		}
		synctest.Wait()
		d := Decode(in, asText{})
		for range 3 {
			noErr[string](t)(d.Next(t.Context()))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		must(t, c.Write(ctx, item))
	})
}

// L11: what a loop got before it was left is not dropped, the rest is.
func TestL11LoopThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		c, in := streamPair(t, a, b)
		for range 10 {
			must(t, c.Write(t.Context(), []byte("x")))
		}
		synctest.Wait()
		n := 0
		for range in.All(t.Context()) {
			if n++; n == 5 {
				break
			}
		}
		if st := b.Stats(); st.ItemsReceived != 10 || st.ItemsDropped != 5 {
			t.Errorf("%d received, %d dropped, 5 delivered", st.ItemsReceived, st.ItemsDropped)
		}
	})
}

// A body may read what it loops over, to the end, also under Reuse.
func TestNextInsideLoopOverASession(t *testing.T) {
	for name, reuse := range map[string]bool{"kept": false, "reused": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { nextInsideLoop(t, reuse) }) })
	}
}

func nextInsideLoop(t *testing.T, reuse bool) {
	const n, size = 200, 1500
	a, b := pair(t, nil)
	c, in := streamPair(t, a, b)
	if reuse {
		Reuse(in)
	}
	go func() {
		for i := range n {
			if c.Write(t.Context(), bytes.Repeat([]byte{byte(i)}, size)) != nil {
				return
			}
		}
		c.End()
	}()
	synctest.Wait()
	var seen [n]int
	check := func(v []byte) {
		if !bytes.Equal(v, bytes.Repeat(v[:1], size)) {
			t.Error("an item is torn")
		}
		seen[v[0]]++
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for v, err := range in.All(t.Context()) {
		must(t, err)
		check(v)
		synctest.Wait() // what is free is written to
		if v, err := in.Next(ctx); err == nil {
			check(v)
		} else if err != io.EOF {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	for i, times := range seen {
		if times != 1 {
			t.Errorf("item %d was seen %d times", i, times)
		}
	}
}

// engineWith returns an engine that has a stream of the peer's.
func engineWith(t *testing.T, opt *Options) (*engine, *incoming) {
	cfg, err := newConfig(opt)
	must(t, err)
	e := newEngine(cfg)
	e.receive(join(wHello(1<<16, 4, 4, 1<<16, ""), wOpen(1, "")))
	return e, e.accepts[0]
}

// Two readers of which one always holds a chunk do not make a list grow.
func TestOverlappingReadersHoldNoHistory(t *testing.T) {
	e, in := engineWith(t, nil)
	var m message
	var used [2][][]byte
	var had [2]int
	for i := range 50_000 {
		e.receive(join(wData(1, "x"), wData(1, "y")))
		if e.err != nil {
			t.Fatal(e.err)
		}
		in.tookOf(had[i%2])
		chunk, _ := in.takeChunk(used[i%2])
		used[i%2], had[i%2] = chunk, len(chunk)
		e.pack(&m)
	}
	if n := cap(in.handed.sizes); n > 4*chunkItems {
		t.Errorf("%d items are handed out, the list of their lengths has room for %d", in.handed.left(), n)
	}
}

func blocksHeld(in *incoming) (n int) {
	for _, b := range in.reused.blocks {
		n += cap(b.buf)
	}
	return n
}

// Under Reuse a reader that keeps up holds little, and a canceled stream
// nothing.
func TestReuseHoldsLittle(t *testing.T) {
	e, in := engineWith(t, nil)
	in.reuse()
	var m message
	for range 60 {
		e.receive(join(wData(1, string(make([]byte, 64)))))
		if _, ok, _ := in.take(); !ok {
			t.Fatal("nothing is here")
		}
		e.pack(&m)
	}
	if n := blocksHeld(in); n > 4<<10 {
		t.Errorf("a reader that keeps up with items of 64 bytes holds %d", n)
	}
	for range 50 {
		e.receive(join(wData(1, string(make([]byte, 1000)))))
	}
	in.cancel(omni.ErrCanceled)
	if n := blocksHeld(in); n > 0 {
		t.Errorf("%d bytes are held after a Cancel", n)
	}
}

// The budget holds under Reuse, be the streams many and the items short.
func TestReuseKeepsTheBudget(t *testing.T) {
	const streams = 10000
	o := &Options{MaxStreams: streams, MaxItem: 1100, Window: 1100, Prefetch: 2, Budget: 24 << 20}
	cfg, err := newConfig(o)
	must(t, err)
	e := newEngine(cfg)
	e.receive(join(wHello(1<<16, 4, 4, 1<<16, "")))
	before := heap()
	for i := range uint32(streams) {
		e.receive(join(wOpen(i+1, "")))
		e.theirs[i+1].reuse()
		e.receive(join(wData(i+1, string(make([]byte, 1000))), wData(i+1, string(make([]byte, 100)))))
	}
	if e.err != nil {
		t.Fatal(e.err)
	}
	if used := heap() - before; used > 2*int(o.Budget) {
		t.Errorf("the budget is %d MiB, nothing was read, and %d MiB are held", o.Budget>>20, used>>20)
	}
	runtime.KeepAlive(e)
}
