package npm09

import (
	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// Options are the settings of a session; nil means all defaults.
type Options struct {
	// Options are those of mux; Dialect is set here.
	mux.Options
	// Control is how many bytes of the peer's control messages are kept for
	// ReadControl, each counting as its length + 64; more end the session,
	// since nothing can hold the peer back. Zero means none: each is
	// dropped when it comes.
	Control int
}

// Session is a mux.Session with control messages.
type Session struct {
	*mux.Session
	dialect *dialect
}

// New starts a session on conn, as mux.New does.
func New(conn transport.Conn, opt *Options) (*Session, error) {
	var o Options
	if opt != nil {
		o = *opt
	}
	d := newDialect(o.Control)
	o.Dialect = func() mux.Dialect { return d }
	s, err := mux.New(conn, &o.Options)
	if err != nil {
		return nil, err
	}
	return &Session{s, d}, nil
}
