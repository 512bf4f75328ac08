package jsgi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"omnistreams.dev/adapters/jsgi"
)

// When the client goes, everything of its request is told so.
func TestClientGoes(t *testing.T) {
	type seen struct {
		body, input, own error
		ctx              error
	}
	saw := make(chan seen, 1)
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		body, own := jsgi.NewStream[[]byte](nil), r.JSGI.Stream(nil)
		r.Input.AddListener(jsgi.Listener[[]byte]{Data: func(b []byte) { body.Write(b) }})
		go func() {
			<-ctx.Done()
			<-own.Done()
			<-body.Done()
			<-r.Input.Done()
			saw <- seen{body.Err(), r.Input.Err(), own.Err(), context.Cause(ctx)}
		}()
		return &jsgi.Response{Status: 200, Body: body}, nil
	}
	both(t, app, nil, func(t *testing.T, g *gateway) {
		w, res := g.post(t, "/")
		io.WriteString(w, "x")
		_, err := io.ReadFull(res.Body, make([]byte, 1))
		must(t, err)
		w.CloseWithError(errTest)
		res.Body.Close()
		s := <-saw
		wantErr(t, s.ctx, jsgi.ErrClientGone)
		wantErr(t, s.own, jsgi.ErrClientGone)
		wantErr(t, s.body, jsgi.ErrClientGone)
		if s.input == nil { // the read may have failed first
			t.Error("Input has ended as if it were whole")
		}
		g.Close()
		if s := g.log.String(); strings.Contains(s, "level=ERROR msg=\"jsgi") {
			t.Errorf("log %q", s)
		}
	})
}

// A client that goes while the application makes its promise.
func TestClientGoesBeforeTheAnswer(t *testing.T) {
	asked, saw := make(chan struct{}, 1), make(chan error, 1)
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		return jsgi.Promise(func(ctx context.Context) (*jsgi.Response, error) {
			asked <- struct{}{}
			<-ctx.Done()
			saw <- context.Cause(ctx)
			return nil, ctx.Err()
		}), nil
	}
	both(t, app, nil, func(t *testing.T, g *gateway) {
		ctx, cancel := context.WithCancel(bg)
		req, err := http.NewRequestWithContext(ctx, "GET", g.URL, nil)
		must(t, err)
		go func() { <-asked; cancel() }()
		if res, err := g.client.Do(req); err == nil {
			res.Body.Close()
			t.Error("there is an answer")
		}
		wantErr(t, <-saw, jsgi.ErrClientGone)
		g.Close()
		if s := g.log.String(); s != "" {
			t.Errorf("log %q", s)
		}
	})
}

// panics is an application that panics in a way that its path says.
func panics(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
	s := r.JSGI.Stream(nil)
	fail := func([]byte) { panic("my " + r.PathInfo) }
	switch r.PathInfo {
	case "/func":
		fail(nil)
	case "/listener": // nothing was sent yet
		s.AddListener(jsgi.Listener[[]byte]{Data: fail})
		s.Write(nil)
	case "/begun":
		s.AddListener(jsgi.Listener[[]byte]{Data: func(b []byte) {
			if len(b) == 0 {
				fail(nil)
			}
		}})
		go func() {
			read := r.Env["read"].(chan struct{})
			<-read // the header, so the gateway listens
			s.Write([]byte("begun"))
			<-read
			s.Write(nil)
		}()
	case "/abort":
		panic(http.ErrAbortHandler)
	}
	return &jsgi.Response{Status: 200, Body: s}, nil
}

func TestPanics(t *testing.T) {
	read := make(chan struct{})
	withRead := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		r.Env["read"] = read
		return panics(ctx, r)
	}
	both(t, withRead, nil, func(t *testing.T, g *gateway) {
		g.want(t, "/func", 500, "500 internal server error\n")
		if s := g.log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, `panic="my /func"`) || !strings.Contains(s, "broken_test.go") {
			t.Errorf("log %q", s)
		}
		// The header may be out before the listener runs, or not.
		res, err := g.client.Get(g.URL + "/listener")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 500 && err == nil {
				t.Errorf("/listener: status %d and no error", res.StatusCode)
			}
		}
		res, err = g.client.Get(g.URL + "/begun")
		must(t, err)
		read <- struct{}{}
		_, err = io.ReadFull(res.Body, make([]byte, 5))
		must(t, err)
		read <- struct{}{}
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("/begun: %q passes for a whole", b)
		}
		res.Body.Close()
		if s := g.log.String(); !strings.Contains(s, `panic="my /listener"`) || !strings.Contains(s, `panic="my /begun"`) {
			t.Errorf("log %q", s)
		}
		if res, err := g.client.Get(g.URL + "/abort"); err == nil {
			res.Body.Close()
			t.Error("/abort: there is an answer")
		}
		if s := g.log.String(); strings.Contains(s, "/abort") {
			t.Errorf("log %q", s)
		}
	})
}

// A listener that panics when the response is complete already is logged, and
// does no harm.
func TestPanicAfterTheResponse(t *testing.T) {
	both(t, func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		r.JSGI.Stream(nil).AddListener(jsgi.Listener[[]byte]{Error: func(err error) {
			if err == jsgi.ErrAnswered {
				panic("my late panic")
			}
		}})
		return text("ok"), nil
	}, nil, func(t *testing.T, g *gateway) {
		g.want(t, "/", 200, "ok")
		for !strings.Contains(g.log.String(), "my late panic") {
			runtime.Gosched()
		}
		g.want(t, "/", 200, "ok")
	})
}

// An error of the body after the response has begun breaks it off.
func TestBodyBreaksOff(t *testing.T) {
	bodies := make(chan *jsgi.Stream[[]byte], 1)
	app := reply(func() *jsgi.Response {
		s := jsgi.NewStream[[]byte](nil)
		s.Write([]byte("begun"))
		bodies <- s
		return &jsgi.Response{Status: 200, Body: s}
	})
	both(t, app, nil, func(t *testing.T, g *gateway) {
		res, err := g.client.Get(g.URL)
		must(t, err)
		defer res.Body.Close()
		_, err = io.ReadFull(res.Body, make([]byte, 5))
		must(t, err)
		(<-bodies).CloseWithError(errTest)
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%q passes for a whole", b)
		}
		g.Close()
		if s := g.log.String(); !strings.Contains(s, errTest.Error()) {
			t.Errorf("log %q", s)
		}
	})
	// Before that it is a status of its own.
	both(t, reply(func() *jsgi.Response {
		s := jsgi.NewStream[[]byte](nil)
		s.CloseWithError(errTest)
		return &jsgi.Response{Status: 200, Headers: jsgi.Headers{"x-a": {"b"}}, Body: s}
	}), nil, func(t *testing.T, g *gateway) {
		res, _ := g.do(t, "GET", "/", nil)
		if res.StatusCode != 500 || res.Header.Get("X-A") != "" {
			t.Errorf("status %d, header %v", res.StatusCode, res.Header)
		}
	})
}

// raw sends a request as it is over TCP and returns the connection's reader.
func (g *gateway) raw(t *testing.T, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", g.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, request)
	must(t, err)
	return conn, bufio.NewReader(conn)
}

// An answer to a client that is still sending is whole, and nothing that this
// sends afterwards is taken for a request.
func TestEarlyAnswer(t *testing.T) {
	var requests atomic.Int64
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		requests.Add(1)
		r.Input.AddListener(jsgi.Listener[[]byte]{Data: func([]byte) {}})
		return text("early"), nil
	}
	g := serve(t, 1, app, nil)
	for _, head := range []string{"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "Content-Length: 1000\r\n\r\nhello"} {
		requests.Store(0)
		conn, r := g.raw(t, "POST / HTTP/1.1\r\nHost: h\r\n"+head)
		res, err := http.ReadResponse(r, nil)
		must(t, err)
		b, err := io.ReadAll(res.Body)
		must(t, err)
		if string(b) != "early" || !res.Close {
			t.Errorf("body %q, to be closed: %v", b, res.Close)
		}
		io.WriteString(conn, "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n") // it may be closed already
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("after the answer: %q", rest)
		}
		if n := requests.Load(); n != 1 {
			t.Errorf("%d requests", n)
		}
	}
}

// A client that asks before it sends is told to go on when the application
// wants the body, and not before.
func TestExpectContinue(t *testing.T) {
	listen := make(chan bool, 1)
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		if !<-listen {
			return text("no"), nil
		}
		return echo(ctx, r)
	}
	g := serve(t, 1, app, nil)
	const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	listen <- false
	_, r := g.raw(t, head)
	if line, _ := r.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 200") {
		t.Errorf("not asked for the body, but told %q", line)
	}
	listen <- true
	conn, r := g.raw(t, head)
	res, err := http.ReadResponse(r, nil)
	must(t, err)
	if res.StatusCode != 100 {
		t.Fatalf("status %d before the body was sent", res.StatusCode)
	}
	io.WriteString(conn, "hello")
	res, err = http.ReadResponse(r, nil)
	must(t, err)
	if b, err := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "hello" {
		t.Errorf("status %d, body %q, error %v", res.StatusCode, b, err)
	}
}

// A body that the client cuts is an error for the application, not an end.
func TestCutRequestBody(t *testing.T) {
	got := make(chan error, 1)
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		r.Input.AddListener(jsgi.Listener[[]byte]{
			Data:  func([]byte) {},
			End:   func() { got <- nil },
			Error: func(err error) { got <- err },
		})
		return jsgi.Later(nil), nil
	}
	g := serve(t, 1, app, nil)
	for _, head := range []string{"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "Content-Length: 5\r\n\r\nhel"} {
		conn, _ := g.raw(t, "POST / HTTP/1.1\r\nHost: h\r\n"+head)
		conn.Close()
		wantErr(t, <-got, jsgi.ErrClientGone)
	}
}
