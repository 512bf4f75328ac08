//go:build !js

package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
)

// below is the network connection below a library's. Package transport keeps hold of it, since
// nothing else ends the library's Close early.
type below struct {
	net.Conn
	pace *pace
}

// Write notes how far a long message is.
func (b below) Write(p []byte) (int, error) { return b.pace.writePaced(b.Conn, p) }

// Read never says io.EOF: inside a message the library takes it for the message's end, and hands
// out a part of it as the whole.
func (b below) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	return n, noEOF(err)
}

// bare is the connection below TLS, whose Close has nothing to say and does not wait.
func bare(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}

func dialWebSocket(ctx context.Context, a address, o Options) (Conn, error) {
	var last atomic.Pointer[net.Conn]
	pace := newPace()
	dial := func(dialer interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	}) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			kill := bare(nc)
			last.Store(&kill)
			return below{nc, pace}, nil
		}
	}
	cfg := o.tlsFor("http/1.1")
	t := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     dial(&net.Dialer{}),
		DialTLSContext:  dial(&tls.Dialer{Config: cfg}),
		TLSClientConfig: cfg, // through a proxy
	}
	defer t.CloseIdleConnections()
	client := &http.Client{
		Transport: t,
		// A redirect could lead from wss to ws.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ws, err := wsDial(ctx, a.String(), &wsDialOptions{
		HTTPClient: client, HTTPHeader: o.Header, Subprotocols: o.subprotocols(),
	})
	if err != nil {
		// The error of package http repeats the URL, which may hold a token.
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, err
	}
	nc := *last.Load()
	if ws.Subprotocol() != subprotocol && !o.NoSubprotocol {
		nc.Close()
		_ = ws.CloseNow()
		return nil, fmt.Errorf("the server does not speak the subprotocol %s", subprotocol)
	}
	return newWebSocket(ws, context.Background(), func() { nc.Close() }, pace), nil
}

func acceptWebSocket(w http.ResponseWriter, r *http.Request, o Options) (Conn, error) {
	h := &hijacker{ResponseWriter: w, pace: newPace()}
	ws, err := wsAccept(h, r, &wsAcceptOptions{
		Subprotocols: o.subprotocols(), OriginPatterns: o.Origins,
	})
	if err != nil {
		return nil, err
	}
	return newWebSocket(ws, context.Background(), func() { h.bare.Close() }, h.pace), nil
}

// hijacker notes the network connection that the library takes over.
type hijacker struct {
	http.ResponseWriter
	bare net.Conn // set by Hijack
	pace *pace
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.bare = bare(nc)
	return below{nc, h.pace}, rw, nil
}
