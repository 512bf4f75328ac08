package main

import (
	"context"
	"errors"
	"net"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

func oursSession(c net.Conn, _ bool) (session, error) {
	s, err := mux.New(transport.Frame(c), nil)
	if err != nil {
		return nil, err
	}
	return &ourSession{s}, nil
}

// ourSession is this project through its exported names alone.
type ourSession struct{ s *mux.Session }

func (o *ourSession) accept() (stream, error) {
	in, err := o.s.Accept(context.Background())
	if err != nil {
		<-o.s.Done()
		if why := o.s.Err(); why != nil {
			err = why
		}
		return nil, err
	}
	return &ourStream{in: in, p: in.Producer()}, nil
}

func (o *ourSession) open() (stream, error) {
	c, err := o.s.Open(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	return &ourStream{out: c}, nil
}

func (o *ourSession) close() { o.s.Close() }

func (o *ourSession) dead() bool {
	select {
	case <-o.s.Done():
		return true
	default:
		return false
	}
}

// ourStream is one end, or both of a call.
type ourStream struct {
	in   *mux.Incoming
	p    *omni.Producer[[]byte]
	out  *omni.Consumer[[]byte]
	rest []byte // of the item being read
}

func (s *ourStream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		var err error
		if s.rest, err = s.p.Next(context.Background()); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *ourStream) Write(b []byte) (int, error) {
	if s.out == nil {
		if !s.in.IsCall() {
			return 0, errors.New("a one-way stream")
		}
		var err error
		if s.out, err = s.in.Reply(context.Background(), nil); err != nil {
			return 0, err
		}
	}
	if err := s.out.Write(context.Background(), b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (s *ourStream) Close() error {
	if s.p != nil {
		s.p.Cancel(nil)
	}
	if s.out != nil {
		return s.out.End()
	}
	return nil
}
