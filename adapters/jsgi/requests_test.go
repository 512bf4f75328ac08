package jsgi_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"omnistreams.dev/adapters/jsgi"
)

// After a panic, or a Goexit, every other listener of the request is told: on
// the same stream, and on others.
func TestAPanicLeavesTheOtherListeners(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("my own") }, "Goexit": runtime.Goexit} {
		heard := make(chan string, 3)
		app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
			other, s := r.JSGI.Stream(nil), r.JSGI.Stream(nil)
			other.AddListener(jsgi.Listener[[]byte]{Error: func(error) { heard <- "other"; fail() }})
			other.AddListener(jsgi.Listener[[]byte]{Error: func(error) { heard <- "behind it" }})
			s.AddListener(jsgi.Listener[[]byte]{Data: func([]byte) { fail() }})
			s.AddListener(jsgi.Listener[[]byte]{
				Data:  func([]byte) { t.Error("the stream goes on") },
				End:   func() { t.Error("the stream has ended as if it were whole") },
				Error: func(err error) { heard <- "same" },
			})
			s.Write(nil)
			s.Write(nil)
			s.Close()
			return jsgi.Later(nil), nil
		}
		g := serve(t, 1, app, nil)
		g.want(t, "/", 500, "500 internal server error\n")
		got := map[string]bool{<-heard: true, <-heard: true, <-heard: true}
		if len(got) != 3 || !strings.Contains(g.log.String(), "jsgi: panic") {
			t.Errorf("%s: heard %v; log %q", name, got, g.log)
		}
	}
}

// A middleware need not know where a body was made: a panic of its func fails
// the request, and the server lives.
func TestAPanicInMapFailsTheRequest(t *testing.T) {
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		bodies := map[string]*jsgi.Stream[[]byte]{"/string": jsgi.StringStream("ok"), "/text": r.JSGI.Text("ok")}
		body := r.JSGI.Map(bodies[r.PathInfo], func([]byte) ([]byte, error) { panic("one request's") })
		return &jsgi.Response{Status: 200, Body: body}, nil
	}
	both(t, app, nil, func(t *testing.T, g *gateway) {
		for _, path := range []string{"/string", "/text"} {
			res, err := g.client.Get(g.URL + path)
			if err == nil { // the header may have been out before
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != 500 && err == nil {
					t.Errorf("%s: status %d and no error", path, res.StatusCode)
				}
			}
			if s := g.log.String(); !strings.Contains(s, `panic="one request's"`) {
				t.Errorf("%s: log %q", path, s)
			}
		}
	})
}

// The streams that a request makes go on its queue; without a gateway, as in the
// test of a middleware, they are streams all the same.
func TestTextSliceAndMap(t *testing.T) {
	twice := func(b []byte) ([]byte, error) { return append(b, b...), nil }
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		if r.PathInfo == "/none" {
			r.JSGI = jsgi.Gateway{}
		}
		body := r.JSGI.Slice([]byte("a"), []byte("b"), []byte("c"))
		switch r.PathInfo {
		case "/empty":
			body = r.JSGI.Text("")
		case "/text":
			body = r.JSGI.Text("text")
		}
		return &jsgi.Response{Status: 200, Body: r.JSGI.Map(body, twice)}, nil
	}
	g := serve(t, 1, app, nil)
	for path, want := range map[string]string{"/empty": "", "/text": "texttext", "/slice": "aabbcc", "/none": "aabbcc"} {
		g.want(t, path, 200, want)
	}
}

// A middleware that treats all responses alike leaves one without a body, or
// without headers, as legal as it was.
func TestMiddlewareOfNoBody(t *testing.T) {
	same := func(b []byte) ([]byte, error) { return b, nil }
	middleware := func(next jsgi.App) jsgi.App {
		return func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
			res, err := next.Call(ctx, r)
			if err != nil {
				return nil, err
			}
			res.Headers.Set("x-none")
			res.Headers.Set("X-A", "b")
			res.Body = r.JSGI.Map(jsgi.Map(res.Body, same), same)
			return res, nil
		}
	}
	g := serve(t, 1, middleware(reply(func() *jsgi.Response { return &jsgi.Response{Status: 204} })), nil)
	if res, _ := g.do(t, "GET", "/", nil); res.StatusCode != 204 || res.Header.Get("X-A") != "b" {
		t.Errorf("status %d, header %v", res.StatusCode, res.Header)
	}
}

// The headers of handlers around the gateway survive a failure, those of the
// application's response do not.
func TestOuterHeadersSurviveAFailure(t *testing.T) {
	body := jsgi.NewStream[[]byte](nil)
	body.CloseWithError(errTest)
	app := reply(func() *jsgi.Response {
		return &jsgi.Response{Status: 200, Headers: jsgi.Headers{"x-mine": {"1"}}, Body: body}
	})
	w := httptest.NewRecorder()
	w.Header().Set("X-Outer", "1")
	h := jsgi.NewHandler(app, &jsgi.HandlerOptions{Log: slog.New(slog.DiscardHandler)})
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || w.Header().Get("X-Outer") != "1" || w.Header()["X-Mine"] != nil {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
}

// Without a content-type none is sent, and none is guessed.
func TestNoContentTypeIsGuessed(t *testing.T) {
	both(t, reply(func() *jsgi.Response {
		return &jsgi.Response{Status: 200, Body: jsgi.StringStream("<html>")}
	}), nil, func(t *testing.T, g *gateway) {
		if res, body := g.do(t, "GET", "/", nil); body != "<html>" || res.Header["Content-Type"] != nil {
			t.Errorf("header %v, body %q", res.Header, body)
		}
	})
}

// The streams of a request that fails are canceled with the reason, and so is
// a body that was refused.
func TestStreamsAreToldWhyARequestFails(t *testing.T) {
	streams := make(chan *jsgi.Stream[[]byte], 1)
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		s := r.JSGI.Stream(nil)
		if r.PathInfo == "/refused" {
			s = jsgi.NewStream[[]byte](nil)
		}
		streams <- s
		if r.PathInfo == "/refused" {
			return &jsgi.Response{Status: 1, Body: s}, nil
		}
		return nil, errTest
	}
	g := serve(t, 1, app, nil)
	g.do(t, "GET", "/error", nil)
	s := <-streams
	<-s.Done()
	wantErr(t, s.Err(), errTest)
	g.do(t, "GET", "/refused", nil)
	s = <-streams
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "three digits") {
		t.Errorf("error %v", err)
	}
}

// A request does not keep the streams that are over.
func TestStreamsThatAreOverAreLetGo(t *testing.T) {
	collected := make(chan struct{})
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		for _, end := range []func(s *jsgi.Stream[[]byte]){
			(*jsgi.Stream[[]byte]).Close, func(s *jsgi.Stream[[]byte]) { s.Cancel(nil) },
		} {
			s := r.JSGI.Stream(nil)
			runtime.AddCleanup(s, func(c chan struct{}) { c <- struct{}{} }, collected)
			end(s)
			<-s.Done()
		}
		for n := 0; n < 2; {
			select {
			case <-collected:
				n++
			default:
				runtime.GC()
			}
		}
		return text("ok"), nil
	}
	serve(t, 1, app, nil).want(t, "/", 200, "ok")
}

// The path is the one that was sent, where nobody has changed it.
func TestPathInfoAsSent(t *testing.T) {
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		return text(r.ScriptName + " " + r.PathInfo + "?" + r.QueryString), nil
	}
	h := jsgi.NewHandler(app, nil)
	stripped := http.StripPrefix("/strip", h)
	for target, want := range map[string]string{
		"/a^b|?c^d":              " /a^b|?c^d",
		"/%61":                   " /%61?",
		"/strip/a%2Fb":           " /a%2Fb?",
		"http://example.org/a^b": " /a%5Eb?",
	} {
		r := httptest.NewRequest("GET", target, nil)
		w := httptest.NewRecorder()
		if strings.HasPrefix(target, "/strip") {
			stripped.ServeHTTP(w, r)
		} else {
			h.ServeHTTP(w, r)
		}
		if got := w.Body.String(); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}
