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

// dialWebSocket keeps hold of the network connection below the library's, since nothing else ends
// the library's Close early.
func dialWebSocket(ctx context.Context, a address, o Options) (Conn, error) {
	var below atomic.Pointer[net.Conn]
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				below.Store(&nc)
			}
			return nc, err
		},
		TLSClientConfig: o.tlsFor("http/1.1"),
	}
	defer t.CloseIdleConnections()
	client := &http.Client{
		Transport: t,
		// A redirect could lead from wss to ws.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ws, _, err := wsDial(ctx, a.String(), &wsDialOptions{
		HTTPClient: client, HTTPHeader: o.Header, Subprotocols: []string{subprotocol},
	})
	if err != nil {
		// The error of package http repeats the URL, which may hold a token.
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, err
	}
	nc := *below.Load()
	if ws.Subprotocol() != subprotocol {
		nc.Close()
		_ = ws.CloseNow()
		return nil, fmt.Errorf("the server does not speak the subprotocol %s", subprotocol)
	}
	return newWebSocket(ws, context.Background(), func() { nc.Close() }), nil
}

func acceptWebSocket(w http.ResponseWriter, r *http.Request, o Options) (Conn, error) {
	h := &hijacker{ResponseWriter: w}
	ws, err := wsAccept(h, r, &wsAcceptOptions{
		Subprotocols: []string{subprotocol}, OriginPatterns: o.Origins,
	})
	if err != nil {
		return nil, err
	}
	return newWebSocket(ws, context.Background(), func() { h.below.Close() }), nil
}

// hijacker notes the network connection that the library takes over.
type hijacker struct {
	http.ResponseWriter
	below net.Conn // set by Hijack, below TLS
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.below = nc
	if t, ok := nc.(*tls.Conn); ok {
		h.below = t.NetConn()
	}
	return nc, rw, err
}
