package wire

import (
	"net"
	"testing"

	"omnistreams.dev/bench/harness"
	"omnistreams.dev/transport"
)

// peer is one way to carry messages in streams over one connection.
type peer struct {
	name   string
	kind   harness.Kind
	source string // where its code can be read
	module string // what go.mod calls it; empty for the standard library

	// lazy says that nobody hears of a stream until something was written.
	lazy bool

	// connect makes a session over a new connection of l. It fails tb, and
	// whoever calls it closes both ends.
	connect func(tb testing.TB, l link, s settings) (client, server muxer)
}

// settings are what a workload knows of itself beforehand, and what a user who
// knows as much would set.
type settings struct {
	streams int  // how many live at once; zero is one
	duplex  bool // messages go both ways
	idle    bool // nothing will be sent, so nothing need be granted
	short   bool // each lives for a message or two
}

// muxer is one end of a session. Clients open streams, servers accept them.
type muxer interface {
	open() (conn, error)
	accept() (conn, error)
	// close cuts the session, unblocks everything and waits until its
	// goroutines are gone. A second close does nothing.
	close()
}

// conn is one end of a stream. One goroutine writes and one reads.
type conn interface {
	// send sends one message and keeps nothing of it.
	send(item []byte) error
	// flush hands over what send has kept back; only what is batched by hand
	// does that.
	flush() error
	// recv returns the next message, which is valid until the next call, and
	// io.EOF after the last.
	recv() ([]byte, error)
	// closeSend flushes and tells the other end that this was the last one.
	closeSend() error
	// release lets go of the stream, after its end was read.
	release()
}

// link makes the two ends of what a session runs over.
type link struct {
	name  string
	conns func(tb testing.TB) (client, server net.Conn)
	// ours, if not nil, is what this project has of its own for it; otherwise
	// transport.Frame is put over conns.
	ours func(tb testing.TB) (client, server transport.Conn)
}

// reader is a conn that has a loop of its own for reading everything.
type reader interface {
	each(f func(item []byte) error) error
}

// each calls f with every message of c until its end.
func each(c conn, f func(item []byte) error) error {
	if r, ok := c.(reader); ok {
		return r.each(f)
	}
	for {
		item, err := c.recv()
		if err != nil {
			return ended(err)
		}
		if err := f(item); err != nil {
			return err
		}
	}
}
