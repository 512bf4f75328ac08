package jsgi_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/adapters/jsgi"
)

// halfClosed sends a request, shuts down the sending side, and returns the
// answer.
func halfClosed(t *testing.T, g *gateway, path string) (string, error) {
	t.Helper()
	c, r := g.raw(t, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, c.(*net.TCPConn).CloseWrite())
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// A client that has said all, and shuts down its sending side, gets its answer.
// One whose body stalls then is broken off: it looks like one that has gone.
func TestHalfClosedClient(t *testing.T) {
	same := func(b []byte) ([]byte, error) { return b, nil }
	own := make(chan *jsgi.Stream[[]byte], 1)
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		<-ctx.Done() // it was noticed
		wantErr(t, context.Cause(ctx), jsgi.ErrClientGone)
		var body *jsgi.Stream[[]byte]
		switch r.PathInfo {
		case "/string":
			body = jsgi.StringStream("answer")
		case "/text":
			body = r.JSGI.Text("answer")
		case "/map":
			body = r.JSGI.Map(jsgi.SliceStream([]byte("ans"), []byte("wer")), same)
		case "/stalls":
			body = r.JSGI.Stream(nil)
			body.Write([]byte("answer"))
			own <- body
		}
		return &jsgi.Response{Status: 200, Body: body}, nil
	}
	g := serve(t, 1, app, nil)
	for _, path := range []string{"/string", "/text", "/map"} {
		if b, err := halfClosed(t, g, path); err != nil || b != "answer" {
			t.Errorf("%s: body %q, error %v", path, b, err)
		}
	}
	if b, err := halfClosed(t, g, "/stalls"); err == nil {
		t.Errorf("%q passes for a whole", b)
	}
	s := <-own
	<-s.Done()
	wantErr(t, s.Err(), jsgi.ErrClientGone)
	if s := g.log.String(); s != "" {
		t.Errorf("log %q", s)
	}
}

// Over HTTP/2 the two are not alike: the streams of a client that has gone are
// canceled at once.
func TestClientGoesWhileTheApplicationWaitsForAStream(t *testing.T) {
	waits, told := make(chan struct{}), make(chan error, 1)
	g := serve(t, 2, func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		s := r.JSGI.Stream(nil)
		close(waits)
		<-s.Done()
		told <- s.Err()
		return nil, s.Err()
	}, nil)
	ctx, cancel := context.WithCancel(bg)
	go func() { <-waits; cancel() }()
	req, err := http.NewRequestWithContext(ctx, "GET", g.URL, nil)
	must(t, err)
	if res, err := g.client.Do(req); err == nil {
		res.Body.Close()
		t.Error("there is an answer")
	}
	wantErr(t, <-told, jsgi.ErrClientGone)
}

// A small body that the application does not look at, or not in time, costs no
// connection.
func TestSmallBodiesKeepTheConnection(t *testing.T) {
	for _, app := range []jsgi.App{echo, reply(func() *jsgi.Response { return text("x") })} {
		g := serve(t, 1, app, nil)
		for range 50 {
			res, err := g.client.Post(g.URL, "text/plain", strings.NewReader("hello"))
			must(t, err)
			_, err = io.Copy(io.Discard, res.Body)
			must(t, err)
			res.Body.Close()
			if res.Close {
				t.Fatal("the connection was closed")
			}
		}
	}
}

// Nor does it hide that the client has gone.
func TestClientGoesWhileASmallBodyIsUnread(t *testing.T) {
	in, told := make(chan struct{}), make(chan error)
	g := serve(t, 1, func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		close(in)
		<-ctx.Done()
		told <- context.Cause(ctx)
		return nil, ctx.Err()
	}, nil)
	c, _ := g.raw(t, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
	<-in
	c.Close()
	wantErr(t, <-told, jsgi.ErrClientGone)
}

// A response that the server's own time limit cuts is not the client's doing.
func TestWriteTimeoutIsLogged(t *testing.T) {
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		s := r.JSGI.Stream(nil)
		more := func() {
			for on := true; on; {
				on, _ = s.Write(make([]byte, 1<<20))
			}
		}
		s.AddListener(jsgi.Listener[[]byte]{Drain: more})
		more()
		return &jsgi.Response{Status: 200, Body: s}, nil
	}
	var log logBook
	s := httptest.NewUnstartedServer(jsgi.NewHandler(app, &jsgi.HandlerOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}))
	s.Config.WriteTimeout = 50 * time.Millisecond
	s.Start()
	defer s.Close()
	res, err := http.Get(s.URL)
	must(t, err)
	defer res.Body.Close()
	for !strings.Contains(log.String(), "was cut") { // nobody reads
		runtime.Gosched()
	}
}

// Who makes a promise good too late finds the streams of the request canceled.
func TestLaterAfterTheClientHasGone(t *testing.T) {
	asked, bodies := make(chan struct{}), make(chan *jsgi.Stream[[]byte], 1)
	g := serve(t, 1, func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		c := make(chan *jsgi.Response, 1)
		go func() {
			<-ctx.Done()
			body := r.JSGI.Stream(nil)
			c <- &jsgi.Response{Status: 200, Body: body}
			bodies <- body
		}()
		close(asked)
		return jsgi.Later(c), nil
	}, nil)
	conn, _ := g.raw(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-asked
	conn.Close()
	body := <-bodies
	<-body.Done()
	// The promise may have been in time, and the write too late.
	wantErr(t, body.Err(), jsgi.ErrClientGone)
}
