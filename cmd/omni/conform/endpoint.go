package conform

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"strings"

	"omnistreams.dev/transport"
)

// readLimit is the longest message that the suite takes: longer than any that
// is allowed, so that the ledger can say what is wrong with it.
const readLimit = 32 << 20

// endpoint is where the echo under test is, or where it is waited for.
type endpoint struct {
	url      *url.URL // to connect to
	tls      *tls.Config
	listener *transport.Listener // nil to connect
}

// open makes a connection, by hand where that gives the byte stream below the
// messages. raw is nil where there is none. If ctx ends first, it returns an
// error and nothing is left open.
func (e *endpoint) open(ctx context.Context) (conn transport.Conn, raw io.Writer, err error) {
	switch {
	case e.listener != nil:
		conn, err = e.listener.Accept(ctx)
	case e.url.Scheme == "tcp" || e.url.Scheme == "unix":
		var d net.Dialer
		address := e.url.Host
		if e.url.Scheme == "unix" {
			address = e.url.Opaque + e.url.Path
		}
		var c net.Conn
		if c, err = d.DialContext(ctx, e.url.Scheme, address); err == nil {
			conn, raw = transport.Frame(c), c
		}
	default:
		conn, err = transport.Dial(ctx, e.url.String(), &transport.Options{TLS: e.tls})
	}
	if err != nil {
		return nil, nil, err
	}
	if l, ok := conn.(transport.Limiter); ok {
		l.SetReadLimit(readLimit)
	}
	return conn, raw, nil
}

// scheme is that of the URL.
func (e *endpoint) scheme() string {
	if e.listener != nil {
		scheme, _, _ := strings.Cut(e.listener.URL(), ":")
		return scheme
	}
	return e.url.Scheme
}
