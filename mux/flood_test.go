package mux

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// TestF01F02Pings: PINGs whose PONGs cannot go out are one pending PONG.
func TestF01F02Pings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(small1(t))
		e.receive(join(wHello(16, 4, 4, 64, "")))
		var m message
		e.pack(&m)
		for i := range uint64(100_000) {
			e.receive(join(wPing(i)))
		}
		e.pack(&m)
		if got := packed(&m); len(got) != 1 || got[0] != wPong(99_999) {
			t.Fatalf("packed %v", got)
		}
	})
}

// TestF10RequestFlood: a million REQUESTs are one number.
func TestF10RequestFlood(t *testing.T) {
	e := newEngine(small1(t))
	e.receive(join(wHello(16, 4, 0, 0, "")))
	o := e.open(kindOneWay, nil, nil)
	var m message
	e.pack(&m)
	for i := range uint64(1_000_000) {
		e.receive(join(wRequest(1, i, i)))
	}
	if o.grantItems != 999_999 || e.err != nil {
		t.Fatalf("granted %d, %v", o.grantItems, e.err)
	}
	if e.kick() {
		t.Fatal("something is to be sent")
	}
}

// TestF05F11R03NeverAccepted: streams that nobody accepts, up to the limit, each
// with the longest metadata (F11) and all its credit used (R03), harm no
// other; and the peer's end is noticed at once.
func TestF05F11R03NeverAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := &Options{MaxItem: 10_000, MaxStreams: 50, Prefetch: 4}
		s, p := meetOpt(t, opt)
		own := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		before := heap()
		for i := range uint32(50) {
			p.send(wOpen(i+1, strings.Repeat("m", maxMetadata)), wData(i+1, strings.Repeat("x", 10_000)))
		}
		synctest.Wait()
		if grown, bound := heap()-before, 50*(maxMetadata+10_000)*13/10+(1<<20); grown > bound {
			t.Fatalf("the heap has grown by %d, over %d", grown, bound)
		}
		if st := s.Stats(); st.Unaccepted != 50 {
			t.Fatalf("%+v", st)
		}
		p.want("OPEN", wOpen(1, ""))
		must(t, own.Write(t.Context(), []byte("canary")))
		p.want("another stream goes on", wData(1, "canary"))
		cut := time.Now()
		p.cut()
		<-s.Done()
		if took := time.Since(cut); took > 100*time.Millisecond {
			t.Fatalf("the cut was noticed after %v", took)
		}
	})
}

// TestF06RapidReset: OPEN and FAIL in a loop never has more handlers running
// than streams may live, and a slot is free only when its handler is done.
func TestF06RapidReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		var now, most atomic.Int32
		go s.Serve(t.Context(), func(ctx context.Context, in *Incoming) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(time.Second)
			_, err := in.Producer().Next(ctx)
			return err
		})
		id := uint32(0)
		for range 50 {
			for range 4 {
				id++
				p.send(wOpen(id, ""), wFail(id, 1, ""))
			}
			p.wantIdle("the handlers are at work")
			time.Sleep(1100 * time.Millisecond)
			for range 4 {
				p.wantCode("slots come back", frameClose, p.pending()[0].stream, 0)
			}
		}
		if most.Load() != 4 || now.Load() != 0 {
			t.Fatalf("%d handlers ran at a time, %d are left", most.Load(), now.Load())
		}
		for range 5 {
			id++
			p.send(wOpen(id, ""), wFail(id, 1, ""))
		}
		p.wantFail("one more than may live", 3)
	})
}

// TestF08RefuseForEver: refusing leaves nothing behind.
func TestF08RefuseForEver(t *testing.T) {
	e := newEngine(small1(t))
	e.receive(join(wHello(16, 4, 4, 64, "")))
	var m message
	e.pack(&m)
	refuse := func(n int) {
		for range n {
			id := e.lastTheirs + 1
			e.receive(join(wOpen(id, "metadata"), wData(id, "item")))
			in := e.accepts[0]
			e.accepts = e.accepts[1:]
			in.refuse(omni.CodeRefused, "no")
			e.pack(&m)
			e.receive(join(wFail(id, 5, "")))
		}
	}
	refuse(1000)
	before := heap()
	refuse(100_000)
	if grown := heap() - before; grown > 64<<10 || e.err != nil || len(e.theirs) != 0 || e.theirSlots != 0 {
		t.Fatalf("grown by %d bytes, %d streams, %d slots, %v", grown, len(e.theirs), e.theirSlots, e.err)
	}
	runtime.KeepAlive(e)
}

// TestF13D11DeafPeer: a peer that sends and never reads is given up, and what
// waits for it stays bounded.
func TestF13D11DeafPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := net2()
		s := start(t, ca, small())
		deaf := make(chan error, 1)
		go func() {
			// HELLO is never read, so nothing gets out of the session.
			id := uint32(0)
			err := cb.Send(t.Context(), join(wHello(16, 4, 4, 64, "")))
			for i := uint64(0); err == nil; i++ {
				time.Sleep(10 * time.Millisecond)
				msg := join(wPing(i))
				if id < 4 {
					id++
					msg = append(msg, join(wOpen(id, ""), wData(id, "x"))...)
				}
				err = cb.Send(t.Context(), msg)
			}
			deaf <- err
		}()
		started := time.Now()
		<-s.Done()
		if took := time.Since(started); took > 60*time.Second {
			t.Fatalf("given up after %v", took)
		}
		wantIs(t, "Err", s.Err(), omni.ErrTimeout)
		<-deaf
		cb.Close()

		// D11: Close does not wait for such a peer either.
		ca, cb = net2()
		s = start(t, ca, small())
		started = time.Now()
		s.Close()
		if took := time.Since(started); took > 3*time.Second {
			t.Fatalf("Close took %v", took)
		}
		cb.Close()
	})
}
