package wire

import (
	"context"
	"testing"

	"omnistreams.dev/bench/harness"
	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// This project, through its public API alone. Its reader keeps the items,
// each a slice of its own, or lets their memory be used again.
var (
	ours       = peer{name: "omnistreams", kind: harness.Ours, connect: connectOurs(false)}
	oursReused = peer{name: "omnistreams, reused", kind: harness.Ours, connect: connectOurs(true)}
)

// ourOptions are the defaults. Where thousands of streams live at once that
// must be allowed, and those that are to be idle do nothing in advance.
func ourOptions(s settings) *mux.Options {
	o := &mux.Options{}
	if s.streams > 128 {
		o = &mux.Options{MaxStreams: s.streams, MaxItem: 4 << 10, Budget: 1 << 30}
	}
	if s.idle {
		o.Prefetch = -1
	}
	return o
}

func connectOurs(reuse bool) func(testing.TB, link, settings) (client, server muxer) {
	return func(tb testing.TB, l link, s settings) (client, server muxer) {
		var a, b transport.Conn
		if l.ours != nil {
			a, b = l.ours(tb)
		} else {
			ca, cb := l.conns(tb)
			a, b = transport.Frame(ca), transport.Frame(cb)
		}
		o := ourOptions(s)
		return newSession(tb, a, o, s.duplex, reuse), newSession(tb, b, o, s.duplex, reuse)
	}
}

func newSession(tb testing.TB, conn transport.Conn, o *mux.Options, duplex, reuse bool) muxer {
	session, err := mux.New(conn, o)
	if err != nil {
		tb.Fatal(err)
	}
	return &ourMuxer{session, duplex, reuse}
}

type ourMuxer struct {
	s      *mux.Session
	duplex bool
	reuse  bool
}

func (m *ourMuxer) open() (conn, error) {
	if !m.duplex {
		c, err := m.s.Open(context.Background(), nil)
		return &ourConn{out: c}, err
	}
	d, err := m.s.Call(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	return &ourConn{out: d.Out, in: m.readable(d.In)}, nil
}

func (m *ourMuxer) accept() (conn, error) {
	in, err := m.s.Accept(context.Background())
	if err != nil {
		return nil, err
	}
	c := &ourConn{in: m.readable(in.Producer())}
	if in.IsCall() {
		c.out, err = in.Reply(context.Background(), nil)
	}
	return c, err
}

func (m *ourMuxer) readable(p *omni.Producer[[]byte]) *omni.Producer[[]byte] {
	if m.reuse {
		return mux.Reuse(p)
	}
	return p
}

func (m *ourMuxer) close() { m.s.Close() }

// ourConn has one end of a stream, or both halves of a call.
type ourConn struct {
	out *omni.Consumer[[]byte]
	in  *omni.Producer[[]byte]
}

func (c *ourConn) send(item []byte) error { return c.out.Write(context.Background(), item) }
func (c *ourConn) flush() error           { return nil }
func (c *ourConn) recv() ([]byte, error)  { return c.in.Next(context.Background()) }
func (c *ourConn) closeSend() error       { return c.out.End() }
func (c *ourConn) release()               {} // goes with its end

func (c *ourConn) each(f func(item []byte) error) error {
	for item, err := range c.in.All(context.Background()) {
		if err != nil {
			return err
		}
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}
