package mux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// Handler serves one incoming stream, on a goroutine of its own. ctx ends
// when the session is over or did not drain in time. What the handler leaves
// open when it returns is closed: the input is canceled, and an answer that was
// not opened or not ended fails. The reason is the handler's error, as with
// Cancel; if that is nil, what the input was canceled with; else code 6. Leaving
// a loop over the input has canceled it, with code 1: to tell its writer
// another reason cancel it with that before. A panic is not recovered.
type Handler func(ctx context.Context, in *Incoming) error

// Listener is where Serve gets its connections from: a *transport.Listener, or
// one of your own. Accept returns io.EOF when no more will come.
type Listener interface {
	Accept(ctx context.Context) (transport.Conn, error)
	Close() error
}

// Serve accepts connections from l and serves their streams until ctx ends or
// l does (io.EOF). Then it closes l, lets the sessions drain for up to
// Options.DrainTimeout, and returns when all handlers have: nil, unless l
// failed by itself or the options cannot work. A session that ends with an
// error, or is cut since it did not drain in time, ends alone and unseen: who
// wants to see that accepts the connections and calls Session.Serve, which
// returns it. To see what handlers return, wrap h.
func Serve(ctx context.Context, l Listener, opt *Options, h Handler) error {
	checkContext(ctx, "Serve")
	if l == nil || h == nil {
		panic("mux: Serve with a nil listener or handler")
	}
	var sessions sync.WaitGroup
	defer sessions.Wait()
	// Sessions drain also when l fails, and l is closed before they do.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.Close()
	if _, err := newConfig(opt); err != nil {
		return err
	}
	for {
		conn, err := l.Accept(ctx)
		switch {
		case ctx.Err() != nil && err != nil:
			return nil
		case err == io.EOF:
			sessions.Wait()
			return nil
		case err != nil:
			return fmt.Errorf("mux: accepting: %w", err)
		}
		s, err := New(conn, opt)
		if err != nil {
			return err
		}
		sessions.Go(func() { _ = s.Serve(ctx, h) }) // it ends alone
	}
}

// Serve serves the streams that the peer opens until the session is over.
// When ctx ends it shuts the session down, and closes it if that takes longer
// than Options.DrainTimeout. It returns when all handlers have: nil after a
// clean shutdown, else why the session ended. No more handlers run at a time
// than the peer's streams may live.
func (s *Session) Serve(ctx context.Context, h Handler) error {
	checkContext(ctx, "Serve")
	if h == nil {
		panic("mux: Serve with a nil handler")
	}
	var handlers sync.WaitGroup
	// Draining outlives ctx, so handlers get a ctx that does too.
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer handlers.Wait()
	defer stop(nil)
	slots := make(chan struct{}, max(1, s.cfg.streams))
	for {
		in, err := s.acceptInto(ctx, slots)
		if err != nil {
			err = s.seeOut(ctx, err)
			if s.e.dialect == nil {
				stop(err)
				return err
			}
			// What has come with its end can be read though the
			// connection is lost.
			late := time.AfterFunc(s.cfg.drain, func() { stop(err) })
			handlers.Wait()
			late.Stop()
			return err
		}
		handlers.Go(func() {
			defer func() { <-slots }()
			in.finish(h(working, in))
		})
	}
}

// acceptInto is Accept once one of slots is taken.
func (s *Session) acceptInto(ctx context.Context, slots chan struct{}) (*Incoming, error) {
	over := s.done
	if s.e.dialect != nil {
		over = nil // there may be some to accept all the same
	}
	select {
	case slots <- struct{}{}:
		return s.Accept(ctx)
	case <-over:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, causeOf(ctx)
	}
}

// seeOut waits for the end of a session from which no more streams come.
func (s *Session) seeOut(ctx context.Context, err error) error {
	if errors.Is(err, omni.ErrShuttingDown) {
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	}
	drain, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), s.cfg.drain,
		&omni.StreamError{Code: omni.CodeTimeout, Reason: "the session did not drain in time"})
	defer cancel()
	return s.Shutdown(drain)
}

// Router serves streams by the "name" in their metadata, which is a JSON
// object (SPEC.md, rule 14). Its zero value is ready; handlers may be
// added at any time.
type Router struct {
	mu     sync.RWMutex
	routes map[string]Handler
}

// Handle sets the handler for streams of that name. It panics if there is one
// already.
func (r *Router) Handle(name string, h Handler) {
	if h == nil {
		panic("mux: Handle with a nil handler")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.routes == nil {
		r.routes = make(map[string]Handler)
	}
	if r.routes[name] != nil {
		panic(fmt.Sprintf("mux: a second handler for %q", name))
	}
	r.routes[name] = h
}

// Serve is a Handler: it calls that of the stream's name. A stream without a
// name, or with one that has no handler, is refused with code 5.
func (r *Router) Serve(ctx context.Context, in *Incoming) error {
	name, err := routeName(in.Metadata())
	if err != nil {
		in.Refuse(`the metadata is not a JSON object with a "name"`)
		return nil
	}
	r.mu.RLock()
	h := r.routes[name]
	r.mu.RUnlock()
	if h == nil {
		in.Refuse(fmt.Sprintf("there is no stream named %.100q here", name))
		return nil
	}
	return h(ctx, in)
}

// routeName is the member "name", written just so: the fields of a struct
// would match "Name" too, and another program may look at one and not at the
// other.
func routeName(metadata []byte) (name string, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(metadata, &members); err != nil {
		return "", err
	}
	var s *string
	if err := json.Unmarshal(members["name"], &s); err != nil {
		return "", err
	}
	if s == nil {
		return "", errors.New("null")
	}
	return *s, nil
}

// RouteMetadata returns the metadata that a Router serves under name.
func RouteMetadata(name string) []byte {
	b, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		panic("BUG: a string cannot be encoded: " + err.Error())
	}
	return b
}
