package jsgi_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/adapters/jsgi"
)

// serveInBubble serves one request in the bubble of the caller, where the clock
// stands still while anybody can go on, and returns how long that took.
func serveInBubble(w http.ResponseWriter, r *http.Request, app jsgi.App, opt *jsgi.HandlerOptions) time.Duration {
	begin := time.Now()
	jsgi.NewHandler(app, opt).ServeHTTP(w, r)
	return time.Since(begin)
}

// What the application does with the stream of its errors does not hold up the
// response, and the log has all.
func TestPausedErrorsDoNotHoldTheResponse(t *testing.T) {
	for name, hold := range map[string]func(s *jsgi.Stream[[]byte]){
		"paused": func(s *jsgi.Stream[[]byte]) { s.Pause() },
		"pumped": func(s *jsgi.Stream[[]byte]) { jsgi.Pump(s, jsgi.NewStream[[]byte](nil)) },
		"held again and again": func(s *jsgi.Stream[[]byte]) {
			s.AddListener(jsgi.Listener[[]byte]{Resume: s.Pause})
			s.Pause()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
					hold(r.JSGI.Error)
					for _, word := range []string{"one ", "two ", "three"} {
						r.JSGI.Error.Write([]byte(word))
					}
					return text("ok"), nil
				}
				var words logBook
				w := httptest.NewRecorder()
				took := serveInBubble(w, httptest.NewRequest("GET", "/", nil), app, &jsgi.HandlerOptions{Errors: &words})
				if took != 0 || w.Body.String() != "ok" || words.String() != "one two three" {
					t.Errorf("body %q, words %q, after %v", w.Body, words.String(), took)
				}
			})
		})
	}
}

// stuck is a writer that takes nothing until it is closed.
type stuck chan struct{}

func (s stuck) Write(b []byte) (int, error) {
	<-s
	return len(b), nil
}

// A writer of errors that blocks holds the response for a while, and that is
// said; not for ever.
func TestErrorsThatBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
			r.JSGI.Error.Write([]byte("words"))
			return text("ok"), nil
		}
		var log logBook
		out := make(stuck)
		w := httptest.NewRecorder()
		serveInBubble(w, httptest.NewRequest("GET", "/", nil), app,
			&jsgi.HandlerOptions{Errors: out, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if s := log.String(); w.Body.String() != "ok" || !strings.Contains(s, "not written yet") {
			t.Errorf("body %q, log %q", w.Body, s)
		}
		close(out)
	})
}

// flushes notes what was sent, and when.
type flushes struct {
	*httptest.ResponseRecorder
	body string
	at   time.Time
}

func (f *flushes) FlushError() error {
	f.body, f.at = f.Body.String(), time.Now()
	return nil
}

// A complete answer is sent before the end of a read is waited for.
func TestAnswerIsFlushedBeforeAReadIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, client := io.Pipe()
		app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
			r.Input.AddListener(jsgi.Listener[[]byte]{Data: func([]byte) {}})
			synctest.Wait() // the read blocks now
			return text("early"), nil
		}
		w := &flushes{ResponseRecorder: httptest.NewRecorder()}
		begin := time.Now()
		took := serveInBubble(w, httptest.NewRequest("POST", "/", in), app, nil)
		if w.body != "early" || !w.at.Equal(begin) || took == 0 {
			t.Errorf("%q was sent after %v, of %v", w.body, w.at.Sub(begin), took)
		}
		client.Close()
	})
}

// late is a writer that fails as one of net/http does whose server's time for
// writing is over: the request's ctx has ended too.
type late struct {
	*httptest.ResponseRecorder
	cancel func()
}

func (l *late) Write([]byte) (int, error) {
	l.cancel()
	synctest.Wait() // all who watch it know
	return 0, os.ErrDeadlineExceeded
}

// That is not taken for the client's going, which would not be logged.
func TestAServersLimitIsNotTheClientsDoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(bg)
		var log logBook
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("panic %v", v)
				}
			}()
			serveInBubble(&late{httptest.NewRecorder(), cancel}, httptest.NewRequestWithContext(ctx, "GET", "/", nil),
				reply(func() *jsgi.Response { return text("ok") }), &jsgi.HandlerOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		}()
		if s := log.String(); !strings.Contains(s, "was cut") {
			t.Errorf("log %q", s)
		}
	})
}

// bare is a wrapper without an Unwrap method.
type bare struct{ http.ResponseWriter }

// Behind such a wrapper a read cannot be interrupted, but the answer comes.
func TestWriterWithoutUnwrap(t *testing.T) {
	reads := make(chan struct{}, 1)
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		r.Input.AddListener(jsgi.Listener[[]byte]{Data: func([]byte) { reads <- struct{}{} }})
		<-reads
		return text("early"), nil
	}
	h := jsgi.NewHandler(app, nil)
	for name, wrap := range map[string]http.Handler{
		"bare":           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(bare{w}, r) }),
		"TimeoutHandler": http.TimeoutHandler(h, time.Minute, "too late"),
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(wrap)
			defer s.Close()
			in, client := io.Pipe()
			go io.WriteString(client, "begin") // and nothing else until there is an answer
			res, err := http.Post(s.URL, "", in)
			must(t, err)
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != "early" {
				t.Errorf("body %q, error %v", b, err)
			}
			client.Close()
		})
	}
}

// A client that does not send what it has announced is not waited for, whether
// anybody reads it or not.
func TestStalledClientIsCutOff(t *testing.T) {
	for _, listens := range []bool{true, false} {
		reads := make(chan struct{}, 1)
		app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
			if listens {
				r.Input.AddListener(jsgi.Listener[[]byte]{Data: func([]byte) { reads <- struct{}{} }})
				<-reads // the next read is on its way
			}
			return text("early"), nil
		}
		g := serve(t, 1, app, nil)
		_, r := g.raw(t, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nhello")
		if b, err := io.ReadAll(r); err != nil || !strings.HasSuffix(string(b), "early\r\n0\r\n\r\n") {
			t.Errorf("got %q, error %v", b, err)
		}
	}
}
