package jsgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// DefaultChunkSize is the length of the longest chunk of a request's body
// unless HandlerOptions say another, in bytes.
const DefaultChunkSize = 32 << 10

// patience is how long a response that is complete waits for HandlerOptions.Errors
// to take what the application has said.
const patience = time.Second

// HandlerOptions are the settings of a gateway. A nil *HandlerOptions means all
// defaults.
type HandlerOptions struct {
	// ScriptName is where the application is mounted, as "/app": not decoded,
	// with a slash first and none last. Other paths are answered with 404.
	// Empty means the root.
	ScriptName string
	// ChunkSize is the length of the longest chunk that Input has, in bytes.
	// Zero means DefaultChunkSize.
	ChunkSize int
	// Log gets a line for each response that failed, at level Error, and what
	// is written to Gateway.Error, at level Warn. Nil means slog.Default().
	Log *slog.Logger
	// Errors gets what is written to Gateway.Error instead, one Write a chunk.
	// It must be safe for concurrent use, as an *os.File is. One that blocks
	// holds up a response's end for a second, and there is a line in Log;
	// what is left is written when it goes on. Nil means Log.
	Errors io.Writer
}

// handler is the gateway.
type handler struct {
	app App
	opt HandlerOptions
}

// NewHandler returns the gateway to app: an http.Handler, for HTTP/1.1 and
// HTTP/2. Neither body is held: the request's is read as the application takes
// it, the response's as the client does.
//
//   - A response that breaks a rule, an error, a panic and no response at all
//     are a status 500 and a line in the log; if the response has begun, its
//     connection (its stream, with HTTP/2) is broken off, so that a response
//     that was cut is never taken for a whole one. So is one whose body is
//     longer or shorter than its content-length.
//   - What is written is flushed whenever nothing more is on its way.
//   - If the client goes, the application's ctx ends and the streams are
//     canceled, with ErrClientGone. Over HTTP/1 that is noticed while its
//     request's body is being read and after its end, and by a write; not
//     while an application leaves the body unread (beyond what is read ahead:
//     a body that is said to fit a chunk) and writes nothing.
//   - An HTTP/1 client that has shut down its sending side looks like one that
//     has gone: ctx ends. What the application returns all the same is sent, as
//     long as its body does not stall; then the streams are canceled. So while
//     it makes its response, an application must watch ctx, not its streams.
//   - An HTTP/1 response that begins before the request's body was read to its
//     end closes its connection.
//   - A body that is never closed keeps its response going until the client
//     goes; time limits are the http.Server's.
//
// The server's http.ResponseWriter must be there, or a wrapper with an Unwrap
// method: an application that reads while it writes needs EnableFullDuplex. The
// one of http.TimeoutHandler has none; there applications should read first.
//
// ServeMux takes a pattern "/app" for that path alone, and redirects it if there is
// only "/app/": an application that is mounted at a ScriptName wants both.
func NewHandler(app App, opt *HandlerOptions) http.Handler {
	if app == nil {
		panic("jsgi: NewHandler with a nil App")
	}
	h := &handler{app: app}
	if opt != nil {
		h.opt = *opt
	}
	if s := h.opt.ScriptName; s != "" && (s[0] != '/' || strings.HasSuffix(s, "/")) {
		panic(fmt.Sprintf("jsgi: ScriptName %q: a slash must be first, and none last", s))
	}
	if h.opt.ChunkSize <= 0 {
		h.opt.ChunkSize = DefaultChunkSize
	}
	if h.opt.Log == nil {
		h.opt.Log = slog.Default()
	}
	return h
}

// ServeHTTP serves one request, on the server's goroutine.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, ok := newRequest(r, h.opt.ScriptName)
	if !ok {
		http.NotFound(w, r)
		return
	}
	x := newExchange(h, w, r, req)
	defer x.finish()
	res, err := x.call()
	if err != nil {
		x.fail(err)
	} else {
		x.answer(res)
	}
	if !x.input.read.Load() {
		_ = x.out.Flush() // finish may have to wait for a read; nobody is there, at worst
	}
}

// exchange is one request and its response.
type exchange struct {
	h   *handler
	w   http.ResponseWriter
	r   *http.Request
	req *Request
	out *http.ResponseController

	ctx    context.Context // the streams'
	cancel context.CancelCauseFunc
	client context.Context // the application's: ctx, and ends too when the client seems to have gone
	leave  func() bool     // stops watching the client

	input  *input
	errors *Stream[[]byte]

	header http.Header // of the response, until it is sent
	begun  bool        // it was sent
	dirty  bool        // something was written and not flushed
}

func newExchange(h *handler, w http.ResponseWriter, r *http.Request, req *Request) *exchange {
	x := &exchange{h: h, w: w, r: r, req: req, out: http.NewResponseController(w)}
	// Not r's own ctx, which says only that it was canceled.
	x.ctx, x.cancel = context.WithCancelCause(context.WithoutCancel(r.Context()))
	var gone context.CancelCauseFunc
	x.client, gone = context.WithCancelCause(x.ctx)
	x.leave = context.AfterFunc(r.Context(), func() {
		switch err := context.Cause(r.Context()); {
		case err != context.Canceled:
			x.cancel(err)
		case r.ProtoMajor > 1:
			x.cancel(ErrClientGone)
		default:
			gone(ErrClientGone) // or it has said all, and listens: see next
		}
	})
	caught := func(v any) error {
		err := x.panicked(v)
		x.cancel(err)
		return err
	}
	q := &Queue{caught: caught}
	req.JSGI.Stream = func(opt *Options) *Stream[[]byte] {
		own := Options{Queue: q}
		if opt != nil {
			own.Buffer = opt.Buffer
		}
		s := NewStream[[]byte](&own)
		s.mu.Lock() // until leave is set
		defer s.mu.Unlock()
		s.leave = context.AfterFunc(x.ctx, func() { s.Cancel(context.Cause(x.ctx)) })
		return s
	}
	x.errors = NewStream[[]byte](&Options{Queue: &Queue{caught: caught}})
	x.errors.tap = x.report
	x.errors.AddListener(Listener[[]byte]{Data: func([]byte) {}}) // so that it flows
	req.JSGI.Error = x.errors
	req.Input = req.JSGI.Stream(nil)
	x.input = startInput(x, req.Input)
	return x
}

// call runs the application.
func (x *exchange) call() (res *Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = x.panicked(v)
		}
	}()
	return x.h.app.Call(x.client, x.req)
}

// finish ends what is left of the exchange. It runs too when the response is
// broken off by a panic.
func (x *exchange) finish() {
	x.leave()
	x.cancel(ErrAnswered)
	x.input.join(x)
	x.errors.Close()
	written := make(chan struct{})
	x.errors.q.Go(func() { close(written) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
		x.h.opt.Log.Error("jsgi: the application's errors are not written yet", "method", x.r.Method, "url", x.r.RequestURI)
	}
}

// report hands on what the application says to Gateway.Error. It is that stream's
// tap, not a listener: a pause is between the application and its listeners.
func (x *exchange) report(b []byte) {
	if x.h.opt.Errors == nil {
		x.h.opt.Log.Warn(strings.TrimRight(string(b), "\r\n"), "method", x.r.Method, "url", x.r.RequestURI)
		return
	}
	if _, err := x.h.opt.Errors.Write(b); err != nil {
		x.h.opt.Log.Error("jsgi: the writer of application errors has failed", "error", err)
	}
}

// panicError is a panic of the application's, in its func or in a listener on
// the request's queue. It was logged.
type panicError struct{ value any }

func (e *panicError) Error() string {
	return fmt.Sprintf("jsgi: the application panicked: %v", e.value)
}

// panicked logs a panic with the stack of this goroutine, except that of one
// who wants nothing but to break the response off. Nil is no panic.
func (x *exchange) panicked(v any) error {
	if v == nil {
		v = "runtime.Goexit in a listener"
	}
	if v != http.ErrAbortHandler {
		x.h.opt.Log.Error("jsgi: panic", "panic", v, "method", x.r.Method, "url", x.r.RequestURI, "stack", string(debug.Stack()))
	}
	return &panicError{v}
}

// fail answers with status 500 if it is not too late for that, else it
// breaks the response off, so that the client notices. It logs err, unless it
// was logged or is the client's own doing.
func (x *exchange) fail(err error) {
	var panicked *panicError
	isPanic := errors.As(err, &panicked)
	gone := errors.Is(err, ErrClientGone) || errors.Is(context.Cause(x.client), ErrClientGone)
	gone = gone && !cutByServer(err) // net/http ends the request's ctx then as well
	if !isPanic && !gone {
		x.h.opt.Log.Error("jsgi: the response failed", "error", err, "method", x.r.Method, "url", x.r.RequestURI)
	}
	x.cancel(err)
	if x.begun || gone || isPanic && panicked.value == http.ErrAbortHandler {
		panic(http.ErrAbortHandler) // which the server takes as a wish
	}
	text := "500 internal server error\n"
	if rule, ok := err.(ruleError); ok {
		text = "500 " + rule.Error() + "\n"
	}
	x.header = http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	x.begin(http.StatusInternalServerError)
	_, _ = io.WriteString(x.w, text) // nobody is there, at worst
}
