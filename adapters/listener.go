package adapters

import (
	"context"
	"net"

	"omnistreams.dev/mux"
)

// Listener is a session as a net.Listener: Accept returns the peer's calls,
// each as a Conn. One-way streams are not for it: they are refused, with
// omni.ErrRefused. So a session has either a Listener or other callers of
// Session.Accept; where calls of several kinds come, accept them there and
// hand them to NewConn.
type Listener struct {
	s    *mux.Session
	ctx  context.Context // ends at Close
	stop context.CancelFunc
}

// NewListener returns a Listener of the calls on s. It starts no goroutine
// and does not own s. Connections that an HTTP client keeps for later are
// streams that live: shut the http.Server down, or have the client close its
// idle connections, before Session.Shutdown, which waits for them.
func NewListener(s *mux.Session) *Listener {
	if s == nil {
		panic("adapters: NewListener of a nil Session")
	}
	l := &Listener{s: s}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// Accept waits for the next call and returns it, a *Conn; the caller's
// metadata is not looked at. After Close it fails with net.ErrClosed, when no
// more calls can come with what Session.Accept says about it:
// omni.ErrShuttingDown, or why the session ended.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		in, err := l.s.Accept(l.ctx)
		if err != nil {
			return nil, l.failed("accept", err)
		}
		if !in.IsCall() {
			in.Refuse("only calls are accepted here")
			continue
		}
		conn, err := l.answer(in)
		if err != nil {
			// The caller has given up, or we are closed, or the session is
			// over; of the last two the next Accept will tell.
			in.Refuse("not answered")
			continue
		}
		return conn, nil
	}
}

func (l *Listener) answer(in *mux.Incoming) (*Conn, error) {
	most, err := l.s.MaxItem(l.ctx)
	if err != nil {
		return nil, err
	}
	out, err := in.Reply(l.ctx, nil)
	if err != nil {
		return nil, err
	}
	return callConn(in.Producer(), out, most), nil
}

// Close makes Accept fail, from now on and where it waits. The Conns live on,
// and so does the session: its owner ends it, which refuses the calls that
// nobody accepted; until then they wait. A second Close fails with
// net.ErrClosed.
func (l *Listener) Close() error {
	if l.ctx.Err() != nil {
		return l.failed("close", net.ErrClosed)
	}
	l.stop()
	return nil
}

// Addr returns an address whose network and string are both "omni".
func (l *Listener) Addr() net.Addr { return addr{} }

func (l *Listener) failed(op string, err error) error {
	if l.ctx.Err() != nil {
		err = net.ErrClosed
	}
	return opError(op, l.Addr(), err)
}
