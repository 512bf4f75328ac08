package transport

import (
	"crypto/tls"
	"io"
	"net/http"
)

// Options say how to dial, listen and accept. Nil stands for the zero value everywhere, and nothing
// here is changed or kept open.
type Options struct {
	// TLS is the configuration of tls and wss. Zero trusts the system's roots when dialing; a
	// listener needs a certificate in it. The application protocol (ALPN) is set by this package.
	TLS *tls.Config

	// Header is sent with a WebSocket's request when dialing, a token for example. Zero sends none.
	Header http.Header

	// Origins are the hosts whose web pages may connect to a WebSocket here, besides the host that
	// the page calls: patterns of path.Match, such as "*.example.com" or "localhost:*". Zero allows
	// no other host, "*" all of them. Clients that are not web pages send no origin and are let in.
	Origins []string

	// NoSubprotocol is for WebSocket peers of another protocol, those of package npm09 for one: the
	// subprotocol "omni.1" is neither offered nor asked for, and not chosen if it is offered.
	NoSubprotocol bool

	// Stdin and Stdout take the place of os.Stdin and os.Stdout for stdio. What of them is an
	// io.Closer is closed with the Conn.
	Stdin  io.Reader
	Stdout io.Writer
}

func (o *Options) orDefault() Options {
	if o == nil {
		return Options{}
	}
	return *o
}

// The names under which peers find out before the first byte that they speak the same.
const (
	subprotocol = "omni.1" // WebSocket
	alpn        = "omni/1" // TLS
)

// subprotocols are those to offer, or to choose from.
func (o Options) subprotocols() []string {
	if o.NoSubprotocol {
		return nil
	}
	return []string{subprotocol}
}

// tlsFor is the caller's configuration with the application protocol that the scheme needs.
func (o Options) tlsFor(protocol string) *tls.Config {
	cfg := o.TLS.Clone() // nil stays nil
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.NextProtos = []string{protocol}
	return cfg
}
