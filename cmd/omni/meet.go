package main

import (
	"context"
	"errors"
	"sync"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// Whoever connects is not known until it has introduced itself. Somebody who
// says nothing must not keep others waiting, so several are waited for at a
// time: so many.
const maxGuests = 64

// one returns the session with the one connected to, or with the first to
// come that introduces itself as it must: others are told of and waited past,
// so that nobody without the token can end a command. If ctx ends first it
// returns the cause. The caller waits for c.guests in the end: those who were
// not the first are still being sent away.
func (c *connection) one(ctx context.Context, opt *mux.Options, out *output, who string) (*mux.Session, error) {
	if c.connect != "" {
		conn, err := c.dial(ctx)
		if err != nil {
			return nil, err
		}
		return introduced(ctx, conn, opt, who)
	}
	l, err := c.bind(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	out.listening(l.URL())
	if c.usesStdout() {
		// There will be no other.
		conn, err := l.Accept(ctx)
		if err != nil {
			return nil, err
		}
		return introduced(ctx, conn, opt, who)
	}
	return c.first(ctx, l, opt, who, func(err error) { out.warn("", oneLine(err)) })
}

// first returns the session with the first that introduces itself, and calls
// stranger for those that did it wrongly before.
func (c *connection) first(ctx context.Context, l mux.Listener, opt *mux.Options, who string, stranger func(error)) (*mux.Session, error) {
	meeting, over := context.WithCancelCause(ctx)
	defer over(errTaken)
	var once sync.Once
	found := make(chan *mux.Session, 1)
	slots := make(chan struct{}, maxGuests)
	for {
		conn, err := acceptInto(meeting, l, slots)
		if err == nil {
			c.guests.Go(func() { // ends with the introduction, or with meeting
				defer func() { <-slots }()
				s, err := introduced(meeting, conn, opt, who)
				if err != nil {
					if errors.As(err, new(strangerError)) && meeting.Err() == nil {
						stranger(err)
					}
					return
				}
				late := true
				once.Do(func() { late = false; found <- s; over(errTaken) })
				if late {
					_ = s.Close()
				}
			})
			continue
		}
		if errors.Is(context.Cause(meeting), errTaken) {
			return <-found, nil
		}
		over(err)
		c.guests.Wait()
		select {
		case s := <-found: // at the same moment
			_ = s.Close()
		default:
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
}

// errTaken sends away whoever was not the first.
var errTaken = errors.New("another one was first")

// acceptInto is Accept once one of slots is taken.
func acceptInto(ctx context.Context, l mux.Listener, slots chan struct{}) (transport.Conn, error) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	conn, err := l.Accept(ctx)
	if err != nil {
		<-slots
	}
	return conn, err
}

// strangerError is about a peer that did not introduce itself, or not as it
// must.
type strangerError struct{ error }

// Unwrap returns what was wrong with it.
func (e strangerError) Unwrap() error { return e.error }

// introduced starts a session and waits until the peer is known and let in. The
// session gives up a peer that is silent.
func introduced(ctx context.Context, conn transport.Conn, opt *mux.Options, who string) (*mux.Session, error) {
	s, err := mux.New(conn, opt)
	if err != nil {
		return nil, err
	}
	if _, err = s.Peer(ctx); err == nil {
		return s, nil
	}
	_ = s.Close()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, strangerError{broken(s, err, who)}
}
