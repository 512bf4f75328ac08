package jsgi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/adapters/jsgi"
)

// FuzzGateway gives the gateway any bytes as a client's requests, through an
// http.Server on a pipe. It answers with responses that are in form, those of
// whole requests are whole and what the application has said, one that was cut
// is the last, and no goroutine is left, or the bubble would not end.
func FuzzGateway(f *testing.F) {
	for _, wire := range []string{
		"GET /text HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\nHEAD /text HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST /map HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\nGET /late?a=b HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloxx",
		"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello",
		"PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
		"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /text HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\nHost: a\r\n\r\nGET /error HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /listen HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"GET /text HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://b:80/te%78t?x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\x00 HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x00\xa5\x01\x00\x00",
	} {
		f.Add([]byte(wire), uint16(0))
		f.Add([]byte(wire), uint16(40))
	}
	f.Fuzz(func(t *testing.T, wire []byte, pause uint16) {
		if len(wire) > 4<<10 {
			return // more of the same
		}
		synctest.Test(t, func(t *testing.T) {
			b := askGateway(t, wire, int(pause))
			checkResponses(t, wire, b)
		})
	})
}

// fuzzApp is an application that does another thing for each path.
func fuzzApp(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
	switch r.PathInfo {
	case "/echo":
		return echo(ctx, r)
	case "/map":
		upper := func(b []byte) ([]byte, error) { return bytes.ToUpper(b), nil }
		return &jsgi.Response{Status: 201, Body: r.JSGI.Map(r.Input, upper)}, nil
	case "/none":
		return &jsgi.Response{Status: 204}, nil
	case "/late":
		return jsgi.Promise(func(ctx context.Context) (*jsgi.Response, error) {
			select {
			case <-time.After(time.Second):
				return text("late"), nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}), nil
	case "/slow":
		return &jsgi.Response{Status: 200, Body: slowly(r)}, nil
	case "/listen":
		r.Input.AddListener(jsgi.Listener[[]byte]{Data: func([]byte) { panic("in a listener") }})
		return text("listen"), nil
	case "/panic":
		panic("in the application")
	case "/bad":
		return &jsgi.Response{Status: 200, Headers: jsgi.Headers{"x": {"a\r\nb: c"}}, Body: r.Input}, nil
	case "/error":
		return nil, errTest
	}
	return text("text"), nil
}

// slowly returns a body of two words, a while from each other, that is there
// until the client goes.
func slowly(r *jsgi.Request) *jsgi.Stream[[]byte] {
	s := r.JSGI.Stream(nil)
	if _, err := s.Write([]byte("one")); err != nil {
		return s
	}
	time.AfterFunc(time.Second, func() {
		_, _ = s.Write([]byte("two")) // or the client has gone
		s.Close()
	})
	return s
}

// pipeListener is a listener with a single connection.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.conns) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// askGateway sends the wire's bytes, with a pause in between, waits, goes, and
// returns what the server has answered.
func askGateway(t *testing.T, wire []byte, pause int) []byte {
	client, server := net.Pipe()
	l := &pipeListener{conns: make(chan net.Conn, 1)}
	l.conns <- server
	log := slog.New(slog.DiscardHandler)
	srv := http.Server{
		Handler:     jsgi.NewHandler(fuzzApp, &jsgi.HandlerOptions{Log: log, ChunkSize: 16}),
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelError),
		ReadTimeout: time.Minute,
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { _ = srv.Serve(l) }) // until srv is closed
	defer srv.Close()
	heard := make(chan []byte, 1)
	all.Go(func() {
		b, _ := io.ReadAll(client) // until the connection ends
		heard <- b
	})
	all.Go(func() {
		cut := min(pause, len(wire))
		client.Write(wire[:cut]) // unless the server has closed
		if pause > 0 {
			time.Sleep(3 * time.Second)
		}
		client.Write(wire[cut:])
	})
	time.Sleep(20 * time.Second) // all that is under way is done
	client.Close()
	synctest.Wait()
	return <-heard
}

// checkResponses reads the requests and the responses side by side.
func checkResponses(t *testing.T, wire, answer []byte) {
	requests := bufio.NewReader(bytes.NewReader(wire))
	responses := bufio.NewReader(bytes.NewReader(answer))
	var last *http.Request
	for n := 0; ; n++ {
		if last != nil && last.Method == http.MethodPost {
			skipLines(requests)
		}
		req, reqErr := http.ReadRequest(requests)
		last = req
		var sent []byte
		whole := reqErr == nil
		if whole {
			var err error
			sent, err = io.ReadAll(req.Body)
			whole = err == nil
		}
		res, err := readFinal(responses, req)
		if err == io.EOF {
			return // less than was asked for: the server may close behind any response
		}
		if err != nil {
			t.Fatalf("response %d of %q is out of form: %v", n, answer, err)
		}
		if res.StatusCode >= 400 && res.StatusCode != 500 {
			return // the server's own, and the last: to HEAD it may have a body
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			if _, more := responses.Peek(1); more != io.EOF || whole && errors.Is(err, io.ErrUnexpectedEOF) && mustBeWhole(req) {
				t.Fatalf("response %d of %q was cut: %v", n, answer, err)
			}
			return
		}
		switch {
		case reqErr != nil:
			t.Fatalf("status %d for what is no request: %q", res.StatusCode, wire)
		case whole:
			wantResponse(t, req, res, string(sent), string(body))
		case res.StatusCode < 300 && echoes(req) && req.ProtoAtLeast(1, 1):
			t.Fatalf("the echo of a body that was cut passes for a whole one: %q", answer)
		}
		if res.Close {
			if _, err := responses.Peek(1); err != io.EOF {
				t.Fatalf("something comes behind the last response: %q", answer)
			}
			return
		}
	}
}

// skipLines drops the line ends that net/http forgives old clients behind the
// body of a POST.
func skipLines(r *bufio.Reader) {
	b, _ := r.Peek(4) // fewer at the end
	_, _ = r.Discard(len(b) - len(bytes.TrimLeft(b, "\r\n")))
}

// readFinal reads a response, and those before it that only say "continue". It
// returns io.EOF if there is none.
func readFinal(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		if _, err := r.Peek(1); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(r, req)
		if err != nil || res.StatusCode != http.StatusContinue {
			return res, err
		}
	}
}

// mustBeWhole says whether nothing but the client can cut that response.
func mustBeWhole(req *http.Request) bool {
	return req.URL.Path == "/text" || req.URL.Path == "/late"
}

// echoes says whether the response has the request's body.
func echoes(req *http.Request) bool {
	return req.Method != http.MethodHead && (req.URL.Path == "/echo" || req.URL.Path == "/map")
}

// wantResponse compares the response to a whole request with what the
// application says, if it got there.
func wantResponse(t *testing.T, req *http.Request, res *http.Response, sent, body string) {
	want := map[string]struct {
		status int
		body   string
	}{
		"/echo": {200, sent}, "/map": {201, strings.ToUpper(sent)}, "/none": {204, ""}, "/late": {200, "late"},
		"/slow": {200, "onetwo"}, "/text": {200, "text"}, "/ignore": {200, "text"},
		"/panic": {500, "500 internal server error\n"}, "/error": {500, "500 internal server error\n"},
	}
	w, ok := want[req.URL.Path]
	if !ok {
		return
	}
	if req.Method == http.MethodHead {
		w.body = ""
	}
	if res.StatusCode != w.status || body != w.body {
		t.Fatalf("%s %s: status %d, body %q, want %d, %q", req.Method, req.URL.Path, res.StatusCode, body, w.status, w.body)
	}
}
