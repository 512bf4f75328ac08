//lint:file-ignore SA1019 nhooyr.io/websocket under its old name is what is tested here, among others.

package wscompat

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	coder "github.com/coder/websocket"
	nhooyr "nhooyr.io/websocket"

	"omnistreams.dev/transport"
	"omnistreams.dev/transport/transporttest"
)

const subprotocol = "omni.1"

// side is how one library, or package transport, makes each end of a connection.
type side struct {
	name   string
	accept func(w http.ResponseWriter, r *http.Request) (transport.Conn, error)
	dial   func(ctx context.Context, url string) (transport.Conn, error)
}

// The type parameters of FromWebSocket are inferred from either library's *websocket.Conn.
var sides = []side{
	{
		"coder",
		func(w http.ResponseWriter, r *http.Request) (transport.Conn, error) {
			ws, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{subprotocol}})
			if err != nil {
				return nil, err
			}
			return transport.FromWebSocket(ws), nil
		},
		func(ctx context.Context, url string) (transport.Conn, error) {
			ws, _, err := coder.Dial(ctx, url, &coder.DialOptions{Subprotocols: []string{subprotocol}})
			if err != nil {
				return nil, err
			}
			return transport.FromWebSocket(ws), nil
		},
	},
	{
		"nhooyr",
		func(w http.ResponseWriter, r *http.Request) (transport.Conn, error) {
			ws, err := nhooyr.Accept(w, r, &nhooyr.AcceptOptions{Subprotocols: []string{subprotocol}})
			if err != nil {
				return nil, err
			}
			return transport.FromWebSocket(ws), nil
		},
		func(ctx context.Context, url string) (transport.Conn, error) {
			ws, _, err := nhooyr.Dial(ctx, url, &nhooyr.DialOptions{Subprotocols: []string{subprotocol}})
			if err != nil {
				return nil, err
			}
			return transport.FromWebSocket(ws), nil
		},
	},
	{
		"transport",
		func(w http.ResponseWriter, r *http.Request) (transport.Conn, error) {
			return transport.Accept(w, r, nil)
		},
		func(ctx context.Context, url string) (transport.Conn, error) {
			return transport.Dial(ctx, url, nil)
		},
	},
}

// connect makes a connection from client to server.
func connect(t *testing.T, client, server side) (dialed, accepted transport.Conn) {
	t.Helper()
	conns := make(chan transport.Conn, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := server.accept(w, r)
		if err != nil {
			t.Errorf("accept: %v", err)
		}
		conns <- c
	}))
	t.Cleanup(func() {
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	dialed, err := client.dial(context.Background(), "ws"+srv.URL[len("http"):])
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	if accepted = <-conns; accepted == nil {
		t.FailNow()
	}
	return dialed, accepted
}

func TestConn(t *testing.T) {
	for _, client := range sides {
		for _, server := range sides {
			if client.name != "coder" && server.name != "coder" {
				continue // that is one library, and tested with package transport
			}
			t.Run(client.name+" to "+server.name, func(t *testing.T) {
				transporttest.TestConn(t, func(t *testing.T) (a, b transport.Conn) {
					return connect(t, client, server)
				})
			})
			t.Run(server.name+" from "+client.name, func(t *testing.T) {
				transporttest.TestConn(t, func(t *testing.T) (a, b transport.Conn) {
					b, a = connect(t, client, server)
					return a, b
				})
			})
		}
	}
}

// The peer's status is found in either library's error.
func TestStatus(t *testing.T) {
	for _, client := range sides {
		for _, server := range sides {
			t.Run(client.name+" to "+server.name, func(t *testing.T) {
				a, b := connect(t, client, server)
				defer b.Close()
				closed := make(chan error, 1)
				go func() { closed <- a.(transport.StatusCloser).CloseStatus(1002, "credit") }()
				_, err := b.Recv(context.Background())
				want := `transport: the peer closed with status 1002, reason "credit"`
				if err == nil || err.Error() != want {
					t.Errorf("Recv: %v, want %s", err, want)
				}
				if err := <-closed; err != nil {
					t.Errorf("CloseStatus: %v", err)
				}
				if err := a.Send(context.Background(), []byte("x")); !errors.Is(err, transport.ErrClosed) {
					t.Errorf("Send: %v, want ErrClosed", err)
				}
			})
		}
	}
}

// A message that the connection's end cuts is never handed out for the whole, wherever the cut is.
func TestCut(t *testing.T) {
	const length = 20 << 10
	frame := append([]byte{0x82, 126, length >> 8, length & 0xff}, make([]byte, length)...)
	for _, client := range sides {
		for _, n := range []int{1, 3, 4, 5, 4 + 4<<10, 4 + 8<<10, 4 + 16<<10, len(frame) - 1} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
				nc, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer nc.Close()
				// If it cannot be written, the client is told nothing and fails.
				fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
					"Sec-WebSocket-Protocol: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
					subprotocol, base64.StdEncoding.EncodeToString(key[:]), frame[:n])
			}))
			c, err := client.dial(context.Background(), "ws"+srv.URL[len("http"):])
			if err != nil {
				t.Fatal(err)
			}
			if msg, err := c.Recv(context.Background()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: cut at %d of %d: %d bytes, %v", client.name, n, len(frame), len(msg), err)
			}
			c.Close()
			srv.Close()
		}
	}
}
