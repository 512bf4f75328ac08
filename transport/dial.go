package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// Dial connects to a listener by its URL's scheme:
//
//	ws://host[:port]/path   WebSocket, wss over TLS
//	tcp://host:port         TCP, tls with TLS on top
//	unix:path               a Unix socket, unix:///path for an absolute one
//	stdio:                  this process's standard input and output
//
// A server of ws, wss or tls that does not choose this protocol's name (the WebSocket subprotocol
// "omni.1" unless Options.NoSubprotocol, the TLS protocol "omni/1") is refused. If ctx ends first, Dial returns an error that
// wraps its cause and nothing is left open; afterwards ctx means nothing to the Conn.
func Dial(ctx context.Context, rawURL string, opts *Options) (Conn, error) {
	if ctx == nil {
		panic("transport: nil context")
	}
	a, err := parseAddress(rawURL)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("transport: dial %s: %w", redact(rawURL), context.Cause(ctx))
	}
	o := opts.orDefault()
	var c Conn
	switch a.Scheme {
	case "ws", "wss":
		c, err = dialWebSocket(ctx, a, o)
	case "tls":
		c, err = dialTLS(ctx, a, o)
	case "stdio":
		return Frame(newStdio(o)), nil
	default:
		var nc net.Conn
		network, addr := a.network()
		if nc, err = new(net.Dialer).DialContext(ctx, network, addr); err == nil {
			c = Frame(nc)
		}
	}
	if err != nil {
		if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("transport: dial %s: %w", redact(rawURL), err)
	}
	return c, nil
}

func dialTLS(ctx context.Context, a address, o Options) (Conn, error) {
	network, addr := a.network()
	nc, err := (&tls.Dialer{Config: o.tlsFor(alpn)}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if got := nc.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != alpn {
		nc.Close()
		return nil, fmt.Errorf("the server does not speak %s over TLS (it chose %q)", alpn, got)
	}
	return Frame(nc), nil
}
