package mux

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"omnistreams.dev/omni"
)

// chunksOf returns the chunks' interface of a stream.
func chunksOf(t testing.TB, p *omni.Producer[[]byte]) omni.ChunkSource[[]byte] {
	t.Helper()
	src, ok := p.Source().(omni.ChunkSource[[]byte])
	if !ok {
		t.Fatal("a session's stream hands out no chunks")
	}
	return src
}

// wantChunk takes the next chunk.
func wantChunk(t testing.TB, src omni.ChunkSource[[]byte], want ...string) {
	t.Helper()
	chunk, err := src.NextChunk(t.Context(), true, nil)
	must(t, err)
	var got []string
	for _, item := range chunk {
		got = append(got, string(item))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("a chunk of %q, want %q", got, want)
	}
}

// TestChunkIsTakenLater: a chunk is all that is here; credit comes from Took,
// and the writer's receipt when all was taken.
func TestChunkIsTakenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, ""), wData(1, "a"), wData(1, "b"), wData(1, "c"), wData(1, "d"))
		src := chunksOf(t, accept(t, s).Producer())
		wantChunk(t, src, "a", "b", "c", "d")
		p.wantIdle("nothing was taken")
		src.Took(1)
		p.want("rule 3: room for one more item of any length", wRequest(1, 4, 65))
		src.Took(1)
		p.want("half the window", wRequest(1, 6, 66))
		p.send(wData(1, "e"), wEnd(1))
		wantChunk(t, src, "e")
		src.Took(2)
		p.wantIdle("one is not taken")
		// Another reader, or the same in between, is at the end already.
		if _, err := src.Next(t.Context(), true); err != io.EOF {
			t.Fatalf("the end is %v", err)
		}
		p.wantIdle("one is not taken")
		if src.Stopped().Load() {
			t.Fatal("the stream is over before the last item was taken")
		}
		src.Took(9) // more than there are
		p.want("the receipt", wClose(1, 0, ""))
		if chunk, err := src.NextChunk(t.Context(), true, nil); chunk != nil || err != io.EOF || !src.Stopped().Load() {
			t.Fatalf("after the end: %q, %v, stopped %v", chunk, err, src.Stopped().Load())
		}
	})
}

// TestChunkIsAsked: without a prefetch, one item at a time is asked for, also
// while another reader has a chunk that it has not counted.
func TestChunkIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, &Options{MaxItem: 16, Window: 64, Prefetch: -1})
		p.send(wOpen(1, ""))
		src := chunksOf(t, accept(t, s).Producer())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := src.NextChunk(ctx, true, nil); err != context.Canceled {
			t.Fatalf("with a ctx that has ended: %v", err)
		}
		p.wantIdle("a call that gives up asks for nothing")
		for want := range uint64(2) {
			got := make(chan error, 1)
			go func() {
				_, err := src.NextChunk(t.Context(), true, nil)
				got <- err
			}()
			synctest.Wait()
			if f := p.next("one more"); f.typ != 5 || binary.BigEndian.Uint64([]byte(f.payload)) != want+1 {
				t.Fatalf("%v, want a REQUEST of %d items", f, want+1)
			}
			p.send(wData(1, "x"))
			must(t, <-got)
		}
	})
}

// TestChunkWasLookedAt: what a chunk handed out was looked at, so a refusal
// does not promise that nothing was; and it counts as dropped unless Took says
// that it was read.
func TestChunkWasLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, ""), wData(1, "a"), wData(1, "b"), wData(1, "c"))
		in := accept(t, s)
		src := chunksOf(t, in.Producer())
		wantChunk(t, src, "a", "b", "c")
		p.send(wData(1, "d"))
		synctest.Wait()
		in.Refuse("no")
		p.wantCode("the refusal", frameClose, 1, omni.CodeCanceled)
		if n := s.Stats().ItemsDropped; n != 4 || !src.Stopped().Load() {
			t.Fatalf("%d items dropped, want 4; stopped %v", n, src.Stopped().Load())
		}
		src.Took(2)
		if n := s.Stats().ItemsDropped; n != 2 {
			t.Fatalf("%d items dropped, want 2", n)
		}
		src.Took(9)
		if n := s.Stats().ItemsDropped; n != 1 {
			t.Fatalf("%d items dropped, want 1", n)
		}
	})
}

// TestChunksAndItemsMix: chunks, single items and memory that is used again,
// in any order and of any length: each item is as it was written until the
// next is asked for, and what the reader was to keep stays.
func TestChunksAndItemsMix(t *testing.T) {
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		cfg, err := newConfig(&Options{Prefetch: 256})
		must(t, err)
		e := newEngine(cfg)
		e.receive(join(wHello(1<<16, 4, 4, 1<<16, ""), wOpen(1, "")))
		in := e.accepts[0]
		var written, read uint64
		item := func(n uint64) []byte { // its length and content follow from its number
			r := rand.New(rand.NewPCG(n, seed))
			size := []int{0, 1, 16, 64, 600, 3000, 5000}[r.IntN(7)]
			return bytes.Repeat([]byte{byte(n)}, size+r.IntN(8))
		}
		type had struct {
			item []byte
			n    uint64
		}
		var has, keeps []had
		check := func(why string, hs []had) {
			for _, h := range hs {
				if !bytes.Equal(h.item, item(h.n)) {
					t.Fatalf("seed %d: item %d is not what was written (%s)", seed, h.n, why)
				}
			}
		}
		var used [][]byte
		var m message
		reuseAt := rnd.IntN(1000)
		for step := range 2000 {
			if step == reuseAt {
				check("before reuse", has)
				keeps, has = append(keeps, has...), nil
				// What is here already is the reader's to keep.
				for i, v := range in.items[in.next:] {
					keeps = append(keeps, had{v, read + uint64(i)})
				}
				in.reuse()
			}
			switch rnd.IntN(3) {
			case 0:
				var frames []rawFrame
				for range rnd.IntN(30) {
					if v := item(written); in.gotItems+uint64(len(frames)) < in.grantItems {
						frames = append(frames, wData(1, string(v)))
						written++
					}
				}
				if len(frames) > 0 && in.gotBytes+30*5008 <= in.grantBts {
					e.receive(join(frames...))
				} else {
					written -= uint64(len(frames))
				}
			case 1:
				check("until Next", has)
				if v, ok, _ := in.take(); ok {
					has = []had{{v, read}}
					read++
				}
			case 2:
				check("until NextChunk", has)
				chunk, _ := in.takeChunk(used)
				if chunk == nil {
					break
				}
				used, has = chunk, nil
				for _, v := range chunk {
					has = append(has, had{v, read})
					read++
				}
				for left := len(chunk); left > 0; {
					n := 1 + rnd.IntN(left)
					in.tookOf(n)
					left -= n
				}
			}
			e.pack(&m)
			if e.err != nil {
				t.Fatal(e.err)
			}
		}
		check("at the end", has)
		check("kept", keeps)
		if read < 500 || in.tookItems != read {
			t.Fatalf("seed %d: read %d items, %d taken, %d written", seed, read, in.tookItems, written)
		}
	}
}

// TestChunksAreBounded: a reader of chunks gives credit back while it works.
func TestChunksAreBounded(t *testing.T) {
	cfg, err := newConfig(&Options{Prefetch: 4 * chunkItems})
	must(t, err)
	e := newEngine(cfg)
	e.receive(join(wHello(1<<16, 4, 4, 1<<16, ""), wOpen(1, ""), wOpen(2, "")))
	for range 3 * chunkItems {
		e.receive(join(wData(1, "x")))
	}
	for range 4 {
		e.receive(join(wData(2, string(make([]byte, chunkBytes/2+1)))))
	}
	if chunk, _ := e.accepts[0].takeChunk(nil); len(chunk) != chunkItems {
		t.Errorf("a chunk of %d items", len(chunk))
	}
	if chunk, _ := e.accepts[1].takeChunk(nil); len(chunk) != 1 {
		t.Errorf("a chunk of %d long items", len(chunk))
	}
}

// TestRunIsFrameByFrame: the fast path for runs of items leaves an engine as
// the same frames do one at a time, in order or not.
func TestRunIsFrameByFrame(t *testing.T) {
	state := func(e *engine) (s string) {
		if e.err != nil {
			s = e.err.Error()
		}
		for id := range uint32(4) {
			if in := e.theirs[id]; in != nil {
				s += string(u64s(in.gotItems, in.gotBytes, uint64(len(in.items)-in.next)))
				s += string(bytes.Join(in.items[in.next:], []byte{'|'}))
			}
		}
		return s + string(u64s(e.stats.ItemsReceived, e.stats.BytesReceived, e.stats.ItemsDropped))
	}
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var frames []rawFrame
		for range 1 + rnd.IntN(8) {
			frames = append(frames, wData(1+uint32(rnd.IntN(40)/19), string(make([]byte, rnd.IntN(17+rnd.IntN(2))))))
		}
		msg := join(frames...)
		switch rnd.IntN(4) {
		case 0:
			msg[rnd.IntN(len(msg))]++
		case 1:
			msg = msg[:rnd.IntN(len(msg))+1]
		}
		var engines [2]*engine
		for i := range engines {
			e := newEngine(small1(t))
			e.receive(join(wHello(16, 4, 4, 64, ""), wOpen(1, ""), wOpen(2, ""), wOpen(3, ""), wEnd(3)))
			e.theirs[2].cancel(omni.ErrCanceled)
			for _, in := range e.theirs { // room for more than one item
				in.grantBts = 40
			}
			engines[i] = e
		}
		engines[0].receive(msg)
		slow := engines[1]
		for rest := msg; len(rest) > 0; {
			f, after, bad := cutFrame(rest)
			if bad == nil {
				bad = slow.frame(f)
			}
			if bad != nil {
				slow.fail(bad)
				break
			}
			rest = after
		}
		if a, b := state(engines[0]), state(slow); a != b {
			t.Fatalf("seed %d, message %x:\nrun   %q\nframe %q", seed, msg, a, b)
		}
	}
}

// TestCrowdOfStreams: many streams with much to send have room for one segment
// each; each goes on when that was taken.
func TestCrowdOfStreams(t *testing.T) {
	cfg, err := newConfig(nil)
	must(t, err)
	e := newEngine(cfg)
	e.receive(join(wHello(1<<16, 200, 1<<20, 1<<30, "")))
	var streams []*outgoing
	for range 100 {
		streams = append(streams, e.open(kindOneWay, nil, nil))
	}
	fill := func() (n int) {
		for _, o := range streams {
			for {
				ok, err := o.writeState(1000)
				must(t, err)
				if !ok {
					break
				}
				o.write(make([]byte, 1000))
				n++
			}
		}
		return n
	}
	fill()
	if most := crowd + maxQueued + 100*(segmentSize+1100); e.queued > most {
		t.Errorf("%d bytes are queued, %d at most are due", e.queued, most)
	}
	woken := streams[99].changed.wait()
	var m message
	for range 100 {
		e.pack(&m)
	}
	if e.queued != 0 || e.sending.head != nil {
		t.Errorf("%d bytes left in the queue", e.queued)
	}
	select {
	case <-woken:
	default:
		t.Error("a writer is not woken")
	}
	if n := fill(); n < 100 {
		t.Errorf("%d items accepted after all was sent", n)
	}
}
