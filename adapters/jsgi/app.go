package jsgi

import (
	"context"
	"errors"
	"strings"
)

var (
	// ErrClientGone is why a request's streams are canceled when its client
	// has gone before it had the whole response.
	ErrClientGone = errors.New("jsgi: the client has gone")
	// ErrAnswered is why what is left of a request's streams is canceled when
	// the response is complete, or needs no body.
	ErrAnswered = errors.New("jsgi: the request was answered")
	// ErrNoResponse is what an application has failed with that returned nil,
	// or closed its channel with nothing in it.
	ErrNoResponse = errors.New("jsgi: the application has returned no response")
)

// App is an application: it gets a request and returns the response, now or as
// a promise. It may block, since each request has a goroutine; ctx ends, with
// ErrClientGone or what else is the cause, when nobody waits for the response
// any more, and with ErrAnswered when it is complete. An error is a response
// of status 500 and a line in the log.
type App func(ctx context.Context, r *Request) (Result, error)

// Call runs the application and waits for what it has promised: for those who
// call it as the gateway does, such as middleware. If ctx ends first it is the
// application that decides what is returned.
func (a App) Call(ctx context.Context, r *Request) (*Response, error) {
	result, err := a(ctx, r)
	if err != nil {
		return nil, err
	}
	if result == nil {
		return nil, ErrNoResponse
	}
	res, err := result.Await(ctx)
	if err == nil && res == nil {
		err = ErrNoResponse
	}
	return res, err
}

// Result is what an application returns: a *Response now, or a promise of one,
// which is a Promise (a func) or a Later (a channel).
type Result interface {
	// Await returns the response as soon as there is one. If ctx ends first
	// it returns the cause.
	Await(ctx context.Context) (*Response, error)
}

// Await returns r.
func (r *Response) Await(context.Context) (*Response, error) { return r, nil }

// Promise is a func that returns the response. It is called once, may block,
// and must return when ctx ends.
type Promise func(ctx context.Context) (*Response, error)

// Await calls f.
func (f Promise) Await(ctx context.Context) (*Response, error) {
	if f == nil {
		return nil, ErrNoResponse
	}
	return f(ctx)
}

// Later is a channel that the response comes from. To close it with nothing in
// it is to fail. Who sends to it should give it room for one response, or
// watch the ctx of the request: nobody receives when that has ended.
type Later <-chan *Response

// Await receives from c.
func (c Later) Await(ctx context.Context) (*Response, error) {
	select {
	case r := <-c:
		return r, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Middleware makes an application out of another.
type Middleware func(next App) App

// Chain returns the middleware that is all of ms, the first outermost: it sees
// the request first and the response last.
func Chain(ms ...Middleware) Middleware {
	return func(app App) App {
		for i := len(ms) - 1; i >= 0; i-- {
			app = ms[i](app)
		}
		return app
	}
}

// Request is what a client asks for. Middleware may change it.
type Request struct {
	// URL is the request's target exactly as on the first line of the
	// request: nothing is decoded, resolved or cut off. Over HTTP/2 it is
	// the field :path.
	URL string
	// Method is GET, POST and so on.
	Method string
	// ScriptName and PathInfo are the target's path, in two parts: where
	// the application is mounted, and the rest. Neither is decoded; each is
	// empty or begins with a slash. QueryString is what follows the "?".
	ScriptName, PathInfo, QueryString string
	// Host and Port are those that the client asked for, or else the
	// server's; never empty. An IPv6 address has no brackets.
	Host, Port string
	// Scheme is http or https.
	Scheme string
	// Version is that of HTTP, as {1, 1}.
	Version [2]int
	// Headers has the request's headers by their lower-case names, host
	// among them. A header that came in several lines has several values.
	Headers Headers
	// RemoteAddr is the client's address without its port, as in CGI. Behind
	// a proxy it is the proxy's.
	RemoteAddr string
	// Env is for middleware and applications to put things in.
	Env map[string]any
	// Input is the request's body. The client is asked for more of it only
	// when somebody listens to data and Input is not paused. Chunks belong to
	// their listeners.
	Input *Stream[[]byte]
	// JSGI is about the gateway.
	JSGI Gateway
}

// Gateway is what a request says about the gateway that it came through.
type Gateway struct {
	Version [2]int            // of JSGI: {0, 3}
	Ext     map[string][2]int // the extensions and their versions: stream, {0, 1}
	// Error takes the application's words for the log. It goes to
	// HandlerOptions.Errors, or to HandlerOptions.Log.
	Error *Stream[[]byte]
	// Stream makes streams for this request: on its queue, where Input is too,
	// so that their listeners run one at a time; and canceled when the
	// client goes or the response is complete. A panic of their listeners
	// fails the request; that of a stream made elsewhere ends the process.
	Stream func(opt *Options) *Stream[[]byte]
	// Multithread says that requests are served at the same time, which is so;
	// Multiprocess, RunOnce and CGI that other processes serve them too, that
	// the process serves but one, and that it runs behind CGI, which is not so.
	Multithread, Multiprocess, RunOnce, CGI bool
}

// Response is what an application answers.
type Response struct {
	// Status is an integer of three digits, from 200 on.
	Status int
	// Headers are the response's headers by their lower-case names. Each of a
	// list's values is a line of its own. Without a content-type none is sent,
	// and the gateway guesses none.
	Headers Headers
	// Body is the response's body; what is written to it belongs to the gateway
	// from then on, and must not be changed. It must be closed: the
	// response lasts until then. Nil is for the statuses that have no body.
	//
	// The gateway listens to it when the application has returned. Until then
	// what is written waits, unless the application has a data listener
	// on it, which would get it instead: to look at a body, use Map.
	Body *Stream[[]byte]
}

// Headers are headers by their lower-case names, each with a list of values; a
// single string is a list of one: Headers{"content-type": {"text/plain"}}.
type Headers map[string][]string

// Get returns the values of a header, joined by ", ", or "" if there are none.
// The case of name does not matter.
func (h Headers) Get(name string) string {
	return strings.Join(h[strings.ToLower(name)], ", ")
}

// Set makes values the only ones of a header; with none it removes it. The
// case of name does not matter.
func (h Headers) Set(name string, values ...string) {
	if name = strings.ToLower(name); len(values) > 0 {
		h[name] = values
	} else {
		delete(h, name)
	}
}
