package mux

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// TestI09Exhausted is the end of the stream numbers (I09): opens that wait and
// later ones fail, what lives goes on, and the peer may shut down.
func TestI09Exhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := small1(t)
		cfg.lastID = 2
		s, p := meet(t, cfg)
		p.next("HELLO")
		p.send(wHello(16, 1, 10, 100, ""), wCall(1, ""), wData(1, "x"), wCall(2, ""))
		looked := accept(t, s)
		wantItem(t, looked.Producer(), "x")
		p.want("a window", wRequest(1, 4, 65))
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		waiting := make(chan error, 1)
		go func() {
			_, err := s.Open(t.Context(), nil)
			if err == nil {
				_, err = s.Open(t.Context(), nil)
			}
			waiting <- err
		}()
		p.want("the first", wOpen(1, ""))
		must(t, c.End())
		p.want("its end", wEnd(1))
		p.send(wClose(1, 0, ""))
		if err := <-waiting; err != ErrExhausted {
			t.Fatalf("a waiting Open returns %v", err)
		}
		_, err := looked.Reply(t.Context(), nil)
		if err == nil {
			t.Fatal("Reply has a number")
		}
		codes := map[uint32]omni.Code{}
		opened := false
		for range 4 { // the last OPEN, END on 0 after it, two refusals
			switch f := p.next("the last words"); {
			case f == wOpen(2, ""):
				opened = true
			case f.typ == byte(frameClose):
				codes[f.stream] = f.code()
			case f != wEnd(0) || !opened:
				t.Fatalf("got %v", f)
			}
		}
		if codes[1] == 0 || codes[1] == 5 || codes[1] == 8 || codes[2] != 5 {
			t.Fatalf("the calls were refused with %v; from the first an item was taken", codes)
		}
		if s.e.over {
			t.Fatal(s.e.err)
		}
	})
}

// TestI09EndWaitsForOpens: END on 0 does not go before an OPEN that is queued
// behind a long message.
func TestI09EndWaitsForOpens(t *testing.T) {
	cfg := small1(t)
	cfg.lastID = 2
	e := newEngine(cfg)
	e.receive(join(wHello(1<<20, 4, 4, 1<<21, "")))
	var m message
	first := e.open(kindOneWay, nil, nil)
	e.pack(&m)
	first.adopt(make([]byte, headerSize+120<<10))
	e.open(kindOneWay, nil, make([]byte, maxMetadata)) // no room for it behind that
	e.exhaust()
	var types []byte
	for e.kick() {
		e.pack(&m)
		for _, f := range packed(&m) {
			types = append(types, f.typ)
		}
	}
	if want := "\x02\x01\x03"; string(types) != want {
		t.Fatalf("types %v were sent, want DATA, OPEN, END", types)
	}
}

// TestI09ReplyTakesTheLast: an Open that waits for a slot fails when an answer
// takes the last number.
func TestI09ReplyTakesTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := small1(t)
		cfg.lastID = 2
		s, p := meet(t, cfg)
		p.next("HELLO")
		p.send(wHello(16, 1, 10, 100, ""), wCall(1, ""))
		noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		waiting := make(chan error, 1)
		go func() {
			_, err := s.Open(t.Context(), nil)
			waiting <- err
		}()
		synctest.Wait()
		noErr[*omni.Consumer[[]byte]](t)(accept(t, s).Reply(t.Context(), nil))
		select {
		case err := <-waiting:
			wantIs(t, "the Open that waits", err, ErrExhausted)
		case <-time.After(time.Second):
			t.Fatal("it waits on")
		}
		p.want("the last", wOpen(1, ""), wAnswer(2, 1, ""), wEnd(0))
	})
}

// TestI09RefusedCallsAreNotAccepted: calls that were refused since the numbers
// ran out are gone for Accept, and hold nothing: streams that come later are
// accepted as before.
func TestI09RefusedCallsAreNotAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := small1(t)
		cfg.lastID = 1
		s, p := meet(t, cfg)
		p.next("HELLO")
		p.send(wHello(16, 1, 10, 100, ""), wCall(1, ""), wEnd(1))
		noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		synctest.Wait() // OPEN went out, the call was refused and is dead
		for n := uint32(2); n < 10; n++ {
			p.send(wOpen(n, "more"), wEnd(n))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			in, err := s.Accept(ctx)
			if err != nil || string(in.Metadata()) != "more" {
				t.Fatalf("stream %d: Accept returns %v", n, err)
			}
			_, err = in.Producer().Next(ctx)
			wantIs(t, "Next", err, io.EOF)
			cancel()
			synctest.Wait() // CLOSE goes out, and the slot is free
		}
	})
}
