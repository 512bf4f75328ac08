package mux

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestShutdownSendsWhatWasOpened: a stream that Open returned is not dropped
// by a Shutdown right after.
func TestShutdownSendsWhatWasOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		if _, err := a.Peer(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			in, err := b.Accept(t.Context())
			if err != nil {
				t.Errorf("Accept: %v", err)
				got <- ""
				return
			}
			items, err := omni.Collect(t.Context(), in.Producer())
			if err != nil || len(items) != 1 {
				t.Errorf("%d items, %v", len(items), err)
			}
			got <- string(items[0])
		}()
		c, err := a.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		c.End()
		if err := a.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != "x" {
			t.Fatalf("got %q", s)
		}
		if _, err := a.Open(t.Context(), nil); err == nil {
			t.Error("Open after Shutdown")
		}
	})
}

// pairListener hands out the ends of channel pairs.
type pairListener struct {
	conns  chan transport.Conn
	closed atomic.Bool
}

func (l *pairListener) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *pairListener) Close() error {
	l.closed.Store(true)
	return nil
}

// TestServeClosesItsListenerFirst: nobody new gets in while sessions drain.
func TestServeClosesItsListenerFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := &pairListener{conns: make(chan transport.Conn, 1)}
		ca, cb := transport.Pair()
		l.conns <- cb
		served := make(chan error)
		go func() {
			served <- Serve(ctx, l, nil, func(ctx context.Context, in *Incoming) error {
				_, err := in.Producer().Next(ctx)
				return err
			})
		}()
		a := start(t, ca, nil)
		c, err := a.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		time.Sleep(time.Second)
		if !l.closed.Load() {
			t.Error("the listener is open while a session drains")
		}
		c.End()
		if err := <-served; err != nil {
			t.Fatal(err)
		}
	})
}

// TestRouterTakesTheNameAsItIsWritten: another program that looks at the
// metadata sees the same name.
func TestRouterTakesTheNameAsItIsWritten(t *testing.T) {
	for metadata, want := range map[string]string{
		`{"name":"admin"}`:                   "admin",
		`{"NAME":"admin"}`:                   "",
		`{"name":"public","Name":"admin"}`:   "public",
		`{"name":null}`:                      "",
		`["name"]`:                           "",
		`{"name":7}`:                         "",
		`{"name":"files","path":["a", {}] }`: "files",
	} {
		if name, err := routeName([]byte(metadata)); name != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", metadata, name, err)
		}
	}
}

// TestBudgetBoundsAllGrants: bytes that were granted for few items count when
// many more items are asked for.
func TestBudgetBoundsAllGrants(t *testing.T) {
	cfg, err := newConfig(&Options{MaxItem: 1 << 10, Window: 64 << 10, Prefetch: -1, Budget: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(cfg)
	e.receive((&hello{version: 1, maxItem: 1 << 10, streams: 1}).append(nil))
	var m message
	e.pack(&m)
	for i := range cfg.streams {
		e.receive(appendOpen(nil, i+1, kindOneWay, 0, nil))
	}
	for _, n := range []uint64{1, 1 << 16} {
		for _, in := range e.theirs {
			in.request(n)
			for e.kick() {
				e.pack(&m)
			}
		}
	}
	var sum int64
	for _, in := range e.theirs {
		sum += int64(in.grantItems)*itemCharge + int64(in.grantBts)
	}
	if sum > cfg.budget {
		t.Errorf("%d bytes are granted of a budget of %d", sum, cfg.budget)
	}
}

// TestIdleStreamsBorrowLittle: streams that were read a little and then went
// quiet leave a busy one its window.
func TestIdleStreamsBorrowLittle(t *testing.T) {
	cfg, err := newConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(cfg)
	e.receive((&hello{version: 1, maxItem: 1 << 10, streams: 1}).append(nil))
	var m message
	for i := range uint32(100) {
		e.receive(append(appendHeader(appendOpen(nil, i+1, kindOneWay, 0, nil), frameData, i+1, 1), 'x'))
		if _, ok, err := e.theirs[i+1].take(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		for e.kick() {
			e.pack(&m)
		}
	}
	if free := e.budget.windows; free < 4<<20 {
		t.Errorf("only %d bytes are left to lend", free)
	}
}

// TestDecodeWaitsForItsStream: leaving a decoded stream waits for what writes
// it, as with any stage.
func TestDecodeWaitsForItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := false
		p := omni.Produce(t.Context(), func(ctx context.Context, c *omni.Consumer[[]byte]) error {
			defer func() { returned = true }()
			for {
				if err := c.Write(ctx, []byte("x")); err != nil {
					time.Sleep(time.Second)
					return err
				}
			}
		})
		for range Decode(p, text{}).All(t.Context()) {
			break
		}
		if !returned {
			t.Error("the writer runs on after the loop")
		}
	})
}

type text struct{}

func (text) Append(dst []byte, s string) ([]byte, error) { return append(dst, s...), nil }
func (text) Decode(data []byte) (string, error)          { return string(data), nil }

var _ Listener = (*transport.Listener)(nil)
