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
// ErrClientGone or what else is the cause, when it seems that nobody waits for the
// response any more, and with ErrAnswered when it is complete. An error is a response
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
// watch the ctx of the request: nobody receives when that has ended. The Body of
// a response that nobody receives is its sender's to cancel; one made by
// Gateway.Stream is canceled with the request.
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
	// empty or begins with a slash. (A handler before this one that changes
	// the path, such as http.StripPrefix, has it encoded anew.) QueryString is what follows the "?".
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
	// when somebody listens to data and Input is not paused; but a body that
	// fits a chunk, by its content-length, is read ahead unless the client
	// waits to be asked. If the client goes, it breaks off with ErrClientGone.
	// Chunks belong to their listeners.
	Input *Stream[[]byte]
	// JSGI is about the gateway.
	JSGI Gateway
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
	// response lasts until then. Make it with Gateway.Stream or Text. Nil is
	// for the statuses 204 and 304, which have no body, so a middleware must
	// expect nil; Map does.
	//
	// The gateway listens to it when the application has returned. Until then
	// what is written waits, unless the application has a data listener
	// on it, which would get it instead: to look at a body, use Gateway.Map.
	Body *Stream[[]byte]
}

// Headers are headers by their lower-case names, each with a list of values; a
// single string is a list of one: Headers{"content-type": {"text/plain"}}.
type Headers map[string][]string

// Values returns the values of a header. The case of name does not matter.
func (h Headers) Values(name string) []string { return h[strings.ToLower(name)] }

// Get returns the values of a header, joined by ", ", or "" if there are none. Of
// set-cookie that makes no sense: use Values. The case of name does not matter.
func (h Headers) Get(name string) string {
	return strings.Join(h[strings.ToLower(name)], ", ")
}

// Set makes values the only ones of a header; with none it removes it. The
// case of name does not matter. Nil headers are made.
func (h *Headers) Set(name string, values ...string) {
	name = strings.ToLower(name)
	if len(values) == 0 {
		delete(*h, name)
		return
	}
	if *h == nil {
		*h = Headers{}
	}
	(*h)[name] = values
}
