//lint:file-ignore SA1019 nhooyr.io/websocket under its old name is what is tested here, among others.

package wscompat

import (
	"context"
	"errors"
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
