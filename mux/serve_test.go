package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestRouter: by name, unknown names and other metadata are refused.
func TestRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil)
		var r Router
		r.Handle("upper", func(ctx context.Context, in *Incoming) error {
			c, err := in.Reply(ctx, []byte("answer"))
			if err != nil {
				return err
			}
			for v, err := range in.Producer().All(ctx) {
				if err != nil {
					return err
				}
				if err := c.Write(ctx, []byte(strings.ToUpper(string(v)))); err != nil {
					return err
				}
			}
			return c.End()
		})
		r.Handle("", func(ctx context.Context, in *Incoming) error { return nil })
		wantPanic(t, "a second handler", func() { r.Handle("upper", r.Serve) })
		go b.Serve(t.Context(), r.Serve)

		d := noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), RouteMetadata("upper")))
		must(t, d.Out.Write(t.Context(), []byte("shout")))
		must(t, d.Out.End())
		wantItem(t, d.In, "SHOUT")
		if _, err := d.In.Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		if m := noErr[[]byte](t)(d.Metadata(t.Context())); string(m) != "answer" {
			t.Fatalf("%q", m)
		}
		<-d.Out.Done()
		must(t, d.Out.Err())

		d = noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), []byte(`{"name":"","more":[1]}`)))
		_, err := d.In.Next(t.Context())
		wantIs(t, "left unanswered", err, omni.ErrInternal)

		for _, metadata := range []string{`{"name":"lower"}`, `{"Name":null}`, `{"name":7}`, `[]`, `"upper"`, ``, `{`, "\xff", `{}`} {
			d := noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), []byte(metadata)))
			_, err := d.In.Next(t.Context())
			wantIs(t, metadata, err, omni.ErrRefused)
			<-d.Out.Done()
			wantIs(t, metadata, d.Out.Err(), omni.ErrRefused)
			c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), []byte(metadata)))
			<-c.Done()
			wantIs(t, metadata, c.Err(), omni.ErrRefused)
		}
	})
}

// TestHandlersLeave: what a handler leaves behind is closed for it.
func TestHandlersLeave(t *testing.T) {
	for name, row := range map[string]struct {
		h    Handler
		out  omni.Code // the question's
		in   omni.Code // the answer's
		call bool
	}{
		"nothing done": {func(context.Context, *Incoming) error { return nil }, 1, 0, false},
		"an error":     {func(context.Context, *Incoming) error { return errors.New("secret") }, 6, 0, false},
		"a reason":     {func(context.Context, *Incoming) error { return &omni.StreamError{Code: 404} }, 404, 0, false},
		"no answer":    {func(context.Context, *Incoming) error { return nil }, 6, 6, true},
		"no answer, a reason": {func(context.Context, *Incoming) error {
			return &omni.StreamError{Code: 404}
		}, 404, 404, true},
		"an open answer": {func(ctx context.Context, in *Incoming) error { _, err := in.Reply(ctx, nil); return err }, 1, 6, true},
		"an answer that fails": {func(ctx context.Context, in *Incoming) error {
			in.Reply(ctx, nil)
			return &omni.StreamError{Code: 500}
		}, 500, 500, true},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pair(t, nil)
				go b.Serve(t.Context(), row.h)
				code := func(err error) omni.Code {
					var se *omni.StreamError
					if !errors.As(err, &se) || !se.Remote || strings.Contains(se.Reason, "secret") {
						t.Errorf("got %v", err)
						return 0
					}
					return se.Code
				}
				var c *omni.Consumer[[]byte]
				if row.call {
					d := noErr[*Duplex[[]byte, []byte]](t)(a.Call(t.Context(), nil))
					c = d.Out
					_, err := d.In.Next(t.Context())
					if got := code(err); got != row.in {
						t.Errorf("the answer ended with %d, want %d", got, row.in)
					}
				} else {
					c = noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
				}
				<-c.Done()
				if got := code(c.Err()); got != row.out {
					t.Errorf("the question ended with %d, want %d", got, row.out)
				}
				synctest.Wait()
				if st := b.Stats(); st.Accepted+st.Opened != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// TestReplyRefuse: once each, in order.
func TestReplyRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, ""), wCall(2, ""), wCall(3, ""), wCall(4, ""), wData(4, "x"), wEnd(4))
		in := accept(t, s)
		if in.IsCall() || in.Session() != s {
			t.Fatal("not a call")
		}
		_, err := in.Reply(t.Context(), nil)
		wantIs(t, "Reply to a one-way stream", err, ErrNotCall)
		in.Refuse("first")
		in.Refuse("second")
		p.want("refused once", wClose(1, 5, "first"))

		in = accept(t, s)
		c := noErr[*omni.Consumer[[]byte]](t)(in.Reply(t.Context(), []byte("m")))
		_, err = in.Reply(t.Context(), nil)
		wantIs(t, "a second Reply", err, ErrAnswered)
		in.Refuse("too late")
		p.want("answered", wAnswer(1, 2, "m"))
		must(t, c.End())
		p.want("ended", wEnd(1))

		in = accept(t, s)
		in.Refuse("no")
		if _, err := in.Reply(t.Context(), nil); err == nil || err == io.EOF {
			t.Fatalf("Reply after Refuse: %v", err)
		}
		p.want("refused", wClose(3, 5, "no"))

		in = accept(t, s)
		wantItem(t, in.Producer(), "x")
		in.Producer().Next(t.Context())
		p.wantIdle("the end was taken; the call waits for its answer")
		in.Refuse("no idea")
		p.want("not a refusal that is safe to retry", wClose(4, 1, "no idea"))
		if _, err := in.Reply(t.Context(), nil); err == nil || err == io.EOF {
			t.Fatalf("Reply after Refuse: %v", err)
		}
	})
}

// TestNoPromiseAfterAnItem: codes 5 and 8, which say that nothing was looked
// at, are not said of a stream from which an item was taken.
func TestNoPromiseAfterAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		for i, code := range []omni.Code{5, 8} {
			id := uint32(2*i + 1)
			// With END here no REQUEST can come before the CLOSE.
			p.send(wOpen(id, ""), wData(id, "x"), wEnd(id), wOpen(id+1, ""))
			in := accept(t, s).Producer()
			wantItem(t, in, "x")
			in.Cancel(&omni.StreamError{Code: code, Reason: "r"})
			p.want("an item was taken", wClose(id, 1, "r"))
			accept(t, s).Producer().Cancel(&omni.StreamError{Code: code, Reason: "r"})
			p.want("none was", wClose(id+1, code, "r"))
		}
	})
}

// TestServe over TCP: sessions come and go, a broken one ends alone, and the
// end of ctx drains them all.
func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, err := transport.Listen(ctx, "tcp://127.0.0.1:0", nil)
	must(t, err)
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, nil, func(ctx context.Context, in *Incoming) error {
			c, err := in.Reply(ctx, nil)
			if err != nil {
				return err
			}
			return in.Producer().Pipe(ctx, c)
		})
	}()
	dial := func() transport.Conn { return noErr[transport.Conn](t)(transport.Dial(ctx, l.URL(), nil)) }
	broken := dial()
	must(t, broken.Send(ctx, []byte("not this protocol")))
	a := start(t, dial(), nil)
	d := noErr[*Duplex[[]byte, []byte]](t)(a.Call(ctx, nil))
	for i := range 10 {
		must(t, d.Out.Write(ctx, fmt.Append(nil, i)))
		wantItem(t, d.In, fmt.Sprint(i))
	}
	broken.Close()
	cancel()
	// The call goes on to its end.
	must(t, d.Out.Write(t.Context(), []byte("last")))
	must(t, d.Out.End())
	wantItem(t, d.In, "last")
	if _, err := d.In.Next(t.Context()); err != io.EOF {
		t.Fatal(err)
	}
	must(t, <-served)
	<-a.Done()
	must(t, a.Err())
}

// TestServeDrainTimeout: a handler that does not end is cut, and its ctx says
// why.
func TestServeDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{DrainTimeout: 3 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		var cause error
		served := make(chan error, 1)
		go func() {
			served <- b.Serve(ctx, func(ctx context.Context, in *Incoming) error {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return cause
			})
		}()
		noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), nil))
		synctest.Wait()
		cancel()
		started := time.Now()
		var cut *CutError
		if err := <-served; !errors.As(err, &cut) || len(cut.Cut) != 1 {
			t.Fatalf("Serve returns %v", err)
		}
		if took := time.Since(started); took < 3*time.Second || took > 5*time.Second {
			t.Fatalf("after %v", took)
		}
		wantIs(t, "the handler's ctx", cause, omni.ErrTimeout)
	})
}

// TestF06HandlersThatLinger: a handler that goes on when its stream is over
// keeps its place: there are never more of them than streams may live.
func TestF06HandlersThatLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := small()
		opt.KeepAlive = time.Hour // no PINGs in the minute of waiting
		s, p := meetOpt(t, opt)
		running, most := 0, 0
		var mu sync.Mutex
		handle := func(ctx context.Context, in *Incoming) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			_, err := omni.Collect(ctx, in.Producer())
			time.Sleep(time.Minute)
			mu.Lock()
			running--
			mu.Unlock()
			return err
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), handle) }()
		for id := uint32(1); id <= 8; id++ {
			p.send(wOpen(id, ""), wEnd(id))
			if id <= 4 {
				p.want("it is over", wClose(id, 0, ""))
			}
		}
		p.wantIdle("the others wait")
		mu.Lock()
		if most != 4 {
			t.Errorf("%d handlers ran at a time", most)
		}
		mu.Unlock()
		time.Sleep(61 * time.Second)
		for id := uint32(5); id <= 8; id++ {
			p.wantCode("their turn", frameClose, p.pending()[0].stream, 0)
		}
		p.cut()
		<-served
	})
}
