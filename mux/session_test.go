package mux

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"omnistreams.dev/transport"
)

// pair returns two sessions at the ends of one channel pair.
func pair(t testing.TB, opt *Options) (a, b *Session) {
	ca, cb := transport.Pair()
	return start(t, ca, opt), start(t, cb, opt)
}

func start(t testing.TB, conn transport.Conn, opt *Options) *Session {
	s, err := New(conn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a, b := pair(t, nil)
		go func() {
			c, err := a.Open(ctx, []byte("meta"))
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 1000 {
				if err := c.Write(ctx, fmt.Appendf(nil, "item %d", i)); err != nil {
					t.Error(err)
				}
			}
			c.End()
			<-c.Done()
			if c.Err() != nil {
				t.Error(c.Err())
			}
			if err := a.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		}()
		in, err := b.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			v, err := in.Producer().Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("item %d", n); string(v) != want {
				t.Fatalf("got %q, want %q", v, want)
			}
			n++
		}
		if n != 1000 {
			t.Fatalf("got %d items", n)
		}
		<-b.Done()
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
	})
}

func TestCallEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a, b := pair(t, &Options{Prefetch: -1})
		served := make(chan error)
		go func() {
			served <- b.Serve(ctx, func(ctx context.Context, in *Incoming) error {
				c, err := in.Reply(ctx, in.Metadata())
				if err != nil {
					return err
				}
				return in.Producer().Pipe(ctx, c)
			})
		}()
		d, err := a.Call(ctx, []byte("hi"))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for i := range 100 {
				if err := d.Out.Write(ctx, []byte{byte(i)}); err != nil {
					t.Error(err)
				}
			}
			d.Out.End()
		}()
		n := 0
		for v, err := range d.In.All(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if v[0] != byte(n) {
				t.Fatal(v, n)
			}
			n++
		}
		md, err := d.Metadata(ctx)
		if string(md) != "hi" || err != nil || n != 100 {
			t.Fatal(string(md), err, n)
		}
		<-d.Out.Done()
		cancel()
		if err := <-served; err != nil {
			t.Fatal(err)
		}
		<-a.Done()
		if a.Err() != nil {
			t.Fatal(a.Err())
		}
	})
}
