package jsgi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"omnistreams.dev/adapters/jsgi"
)

// logBook is a log that tests read.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// gateway is a server with an application, on a real socket.
type gateway struct {
	*httptest.Server
	client *http.Client
	log    *logBook
}

// serve starts a gateway for one version of HTTP, 1 or 2.
func serve(t *testing.T, version int, app jsgi.App, opt *jsgi.HandlerOptions) *gateway {
	t.Helper()
	g := &gateway{log: &logBook{}}
	own := jsgi.HandlerOptions{}
	if opt != nil {
		own = *opt
	}
	own.Log = slog.New(slog.NewTextHandler(g.log, nil))
	g.Server = httptest.NewUnstartedServer(jsgi.NewHandler(app, &own))
	g.Config.ErrorLog = slog.NewLogLogger(own.Log.Handler(), slog.LevelError)
	if version == 2 {
		g.EnableHTTP2 = true
		g.StartTLS()
	} else {
		g.Start()
	}
	g.client = g.Client()
	t.Cleanup(g.Close)
	return g
}

// both runs f over HTTP/1.1 and HTTP/2.
func both(t *testing.T, app jsgi.App, opt *jsgi.HandlerOptions, f func(t *testing.T, g *gateway)) {
	t.Helper()
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprint("http", version), func(t *testing.T) { f(t, serve(t, version, app, opt)) })
	}
}

// do sends a request and returns the response and its whole body.
func (g *gateway) do(t *testing.T, method, path string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, g.URL+path, body)
	must(t, err)
	res, err := g.client.Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res, string(b)
}

// want fails the test if the answer to a GET of path is not so.
func (g *gateway) want(t *testing.T, path string, status int, body string) {
	t.Helper()
	res, got := g.do(t, "GET", path, nil)
	if res.StatusCode != status || got != body {
		t.Fatalf("%s: status %d, body %q; want %d, %q", path, res.StatusCode, got, status, body)
	}
}

// reply is an application that always answers with what f returns.
func reply(f func() *jsgi.Response) jsgi.App {
	return func(context.Context, *jsgi.Request) (jsgi.Result, error) { return f(), nil }
}

func text(s string) *jsgi.Response {
	return &jsgi.Response{
		Status:  200,
		Headers: jsgi.Headers{"content-type": {"text/plain"}},
		Body:    jsgi.StringStream(s),
	}
}

func echo(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
	return &jsgi.Response{Status: 200, Headers: jsgi.Headers{"content-type": {"application/octet-stream"}}, Body: r.Input}, nil
}

func TestHelloWorld(t *testing.T) {
	both(t, reply(func() *jsgi.Response { return text("Hello World") }), nil, func(t *testing.T, g *gateway) {
		res, body := g.do(t, "GET", "/", nil)
		if res.StatusCode != 200 || body != "Hello World" || res.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("status %d, header %v, body %q", res.StatusCode, res.Header, body)
		}
		if s := g.log.String(); s != "" {
			t.Errorf("log: %s", s)
		}
	})
}

func TestRequestFields(t *testing.T) {
	var got *jsgi.Request
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		got = r
		return text(""), nil
	}
	both(t, app, &jsgi.HandlerOptions{ScriptName: "/a%20b"}, func(t *testing.T, g *gateway) {
		const path = "/a%20b/c%2Fd//./e%41?q=%20&r=a+b?"
		req, err := http.NewRequest("PUT", g.URL+path, nil)
		must(t, err)
		req.Header["X-Two"] = []string{"1", "2"}
		res, err := g.client.Do(req)
		must(t, err)
		res.Body.Close()
		host, port, _ := strings.Cut(g.Listener.Addr().String(), ":")
		scheme, version := "http", [2]int{1, 1}
		if g.TLS != nil {
			scheme, version = "https", [2]int{2, 0}
		}
		for _, c := range []struct{ name, got, want string }{
			{"url", got.URL, path},
			{"method", got.Method, "PUT"},
			{"scriptName", got.ScriptName, "/a%20b"},
			{"pathInfo", got.PathInfo, "/c%2Fd//./e%41"},
			{"queryString", got.QueryString, "q=%20&r=a+b?"},
			{"host", got.Host, host},
			{"port", got.Port, port},
			{"scheme", got.Scheme, scheme},
			{"remoteAddr", got.RemoteAddr, "127.0.0.1"},
			{"version", fmt.Sprint(got.Version), fmt.Sprint(version)},
			{"headers.host", got.Headers.Get("Host"), host + ":" + port},
			{"headers", fmt.Sprint(got.Headers["x-two"]), "[1 2]"},
			{"headers, joined", got.Headers.Get("x-two"), "1, 2"},
			{"jsgi.version", fmt.Sprint(got.JSGI.Version), "[0 3]"},
			{"jsgi.ext", fmt.Sprint(got.JSGI.Ext), "map[stream:[0 1]]"},
			{"flags", fmt.Sprint(got.JSGI.Multithread, got.JSGI.Multiprocess, got.JSGI.RunOnce, got.JSGI.CGI), "true false false false"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
			}
		}
		for name := range got.Headers {
			if name != strings.ToLower(name) {
				t.Errorf("header %q", name)
			}
		}
		if got.Env == nil || got.Input == nil || got.JSGI.Error == nil || got.JSGI.Stream == nil {
			t.Error("a field is nil")
		}
		g.want(t, "/other", 404, "404 page not found\n")
		g.want(t, "/a%20bc", 404, "404 page not found\n")
		g.want(t, "/a%20b", 200, "")
	})
}

func TestHostAndPort(t *testing.T) {
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		return text(r.Host + " " + r.Port), nil
	}
	h := jsgi.NewHandler(app, nil)
	for _, c := range []struct{ host, want string }{
		{"example.org", "example.org 80"}, {"example.org:81", "example.org 81"},
		{"[::1]", "::1 80"}, {"[::1]:82", "::1 82"}, {"", "localhost 80"}, {":83", "localhost 83"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Body.String(); got != c.want {
			t.Errorf("Host %q: %s, want %s", c.host, got, c.want)
		}
	}
}

func TestHeaderLists(t *testing.T) {
	both(t, reply(func() *jsgi.Response {
		r := text("")
		r.Headers["set-cookie"] = []string{"a=1", "b=2"}
		r.Headers.Set("X-One", "1")
		r.Headers.Set("Content-Type")
		return r
	}), nil, func(t *testing.T, g *gateway) {
		res, _ := g.do(t, "GET", "/", nil)
		if c := res.Header["Set-Cookie"]; len(c) != 2 || c[0] != "a=1" || c[1] != "b=2" {
			t.Errorf("Set-Cookie: %q", c)
		}
		if res.Header.Get("X-One") != "1" || res.Header["Content-Type"] != nil {
			t.Errorf("header %v", res.Header)
		}
	})
}

func TestPromises(t *testing.T) {
	later := func(r *jsgi.Response) jsgi.Later {
		c := make(chan *jsgi.Response, 1)
		if r == nil {
			close(c)
		} else {
			c <- r
		}
		return c
	}
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		switch r.PathInfo {
		case "/func":
			return jsgi.Promise(func(context.Context) (*jsgi.Response, error) { return text("func"), nil }), nil
		case "/channel":
			return later(text("channel")), nil
		case "/closed":
			return later(nil), nil
		case "/func-error":
			return jsgi.Promise(func(context.Context) (*jsgi.Response, error) { return nil, errTest }), nil
		case "/nil-func":
			return jsgi.Promise(nil), nil
		case "/nil-pointer":
			return (*jsgi.Response)(nil), nil
		case "/error":
			return nil, errTest
		}
		return nil, nil
	}
	both(t, app, nil, func(t *testing.T, g *gateway) {
		g.want(t, "/func", 200, "func")
		g.want(t, "/channel", 200, "channel")
		for _, path := range []string{"/closed", "/func-error", "/nil-func", "/nil-pointer", "/error", "/nil"} {
			g.want(t, path, 500, "500 internal server error\n")
			want := jsgi.ErrNoResponse.Error()
			if strings.HasSuffix(path, "error") {
				want = errTest.Error()
			}
			if s := g.log.String(); !strings.Contains(s, want) || !strings.Contains(s, "url="+path) {
				t.Errorf("%s: log %q", path, s)
			}
		}
	})
}

func TestMiddlewareComposes(t *testing.T) {
	tag := func(name string) jsgi.Middleware {
		return func(next jsgi.App) jsgi.App {
			return func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
				r.PathInfo += name
				res, err := next.Call(ctx, r)
				if err != nil {
					return nil, err
				}
				res.Body = jsgi.Map(res.Body, func(b []byte) ([]byte, error) { return append(b, name...), nil })
				return res, nil
			}
		}
	}
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) { return text(r.PathInfo + " "), nil }
	both(t, jsgi.Chain(tag("a"), tag("b"), tag("c"))(app), nil, func(t *testing.T, g *gateway) {
		g.want(t, "/", 200, "/abc cba")
	})
}

func TestApplicationErrors(t *testing.T) {
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		r.JSGI.Error.Write([]byte("words for the log\n"))
		return text("ok"), nil
	}
	g := serve(t, 1, app, nil)
	g.want(t, "/path", 200, "ok")
	g.Close() // the handler has returned
	if s := g.log.String(); !strings.Contains(s, `level=WARN msg="words for the log" method=GET url=/path`) {
		t.Errorf("log %q", s)
	}
	var words logBook
	g = serve(t, 1, app, &jsgi.HandlerOptions{Errors: &words})
	g.want(t, "/path", 200, "ok")
	g.Close()
	if s := words.String(); s != "words for the log\n" || g.log.String() != "" {
		t.Errorf("words %q, log %q", s, g.log)
	}
}

func TestHandlerArguments(t *testing.T) {
	app := reply(func() *jsgi.Response { return text("") })
	wantPanic(t, "a nil App", func() { jsgi.NewHandler(nil, nil) })
	for _, name := range []string{"app", "/app/", "/"} {
		wantPanic(t, name, func() { jsgi.NewHandler(app, &jsgi.HandlerOptions{ScriptName: name}) })
	}
}
