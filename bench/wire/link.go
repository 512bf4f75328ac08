package wire

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/coder/websocket"

	"omnistreams.dev/transport"
)

// The links. Their conns are as the net package makes them, with TCP_NODELAY:
// nobody here relies on the kernel to gather writes.
var (
	overTCP  = link{name: "TCP", conns: func(tb testing.TB) (client, server net.Conn) { return dialed(tb, "tcp", "127.0.0.1:0") }}
	overPipe = link{name: "net.Pipe", conns: func(testing.TB) (client, server net.Conn) { return net.Pipe() }}
	overUnix = link{name: "Unix socket", conns: unixConns}
	// Messages go from the WebSocket's server to its client, so whoever opens
	// streams is its server: that way nothing is masked.
	overWebSocket = link{name: "WebSocket", conns: webSocketConns, ours: ourWebSocket}
)

func dialed(tb testing.TB, network, address string) (client, server net.Conn) {
	tb.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial(network, l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	return client, server
}

func unixConns(tb testing.TB) (client, server net.Conn) {
	dir, err := os.MkdirTemp("", "bench") // tb.TempDir's names can be too long
	if err != nil {
		tb.Fatal(err)
	}
	defer os.RemoveAll(dir)
	return dialed(tb, "unix", filepath.Join(dir, "s"))
}

// webSocketConns puts a byte stream over a WebSocket, as that library offers
// it: each Write is one message.
func webSocketConns(tb testing.TB) (opener, accepter net.Conn) {
	tb.Helper()
	accepted := make(chan net.Conn, 1)
	url, stop := serveHTTP(tb, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			close(accepted)
			return
		}
		c.SetReadLimit(-1)
		accepted <- websocket.NetConn(context.Background(), c, websocket.MessageBinary)
	}))
	c, _, err := websocket.Dial(context.Background(), "ws"+url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	c.SetReadLimit(-1)
	server, ok := <-accepted
	stop()
	if !ok {
		tb.Fatal("the WebSocket was not accepted")
	}
	return server, websocket.NetConn(context.Background(), c, websocket.MessageBinary)
}

// serveHTTP serves h on loopback until stop. url begins with "://".
func serveHTTP(tb testing.TB, h http.Handler) (url string, stop func()) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	return "://" + l.Addr().String() + "/", func() {
		srv.Close() // leaves alone what was hijacked
		<-done
	}
}

func ourWebSocket(tb testing.TB) (opener, accepter transport.Conn) {
	tb.Helper()
	ctx := context.Background()
	l, err := transport.Listen(ctx, "ws://127.0.0.1:0/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if accepter, err = transport.Dial(ctx, l.URL(), nil); err != nil {
		tb.Fatal(err)
	}
	if opener, err = l.Accept(ctx); err != nil {
		tb.Fatal(err)
	}
	return opener, accepter
}
