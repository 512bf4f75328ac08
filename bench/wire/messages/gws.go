package messages

import (
	"net/http"
	"testing"

	websocket "github.com/lxzan/gws"
)

// gws is https://github.com/lxzan/gws with a read buffer of 64 KiB instead of
// 4. It calls back, on the goroutine that reads, and takes its messages'
// memory back when they are closed.
func gws() library {
	return library{"gws", "https://github.com/lxzan/gws", "github.com/lxzan/gws", gwsEnds}
}

func gwsEnds(tb testing.TB) ends {
	const buffer = 64 << 10
	accepted := make(chan *websocket.Conn, 1)
	up := websocket.NewUpgrader(websocket.BuiltinEventHandler{}, &websocket.ServerOption{ReadBufferSize: buffer})
	address, stop := serve(tb, func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	})
	defer stop()
	h := &gwsHandler{}
	client, _, err := websocket.NewClient(h, &websocket.ClientOption{Addr: "ws://" + address, ReadBufferSize: buffer})
	if err != nil {
		tb.Fatal(err)
	}
	server := took(tb, accepted)
	return ends{
		send: func(item []byte) error { return server.WriteMessage(websocket.OpcodeBinary, item) },
		each: func(f func([]byte) error) error {
			h.f = f
			client.ReadLoop()
			return h.err
		},
		close: func() {
			server.NetConn().Close()
			client.NetConn().Close()
		},
	}
}

type gwsHandler struct {
	websocket.BuiltinEventHandler
	f   func([]byte) error
	err error
}

func (h *gwsHandler) OnMessage(c *websocket.Conn, m *websocket.Message) {
	defer m.Close()
	if h.err != nil {
		return // read ahead, after the last
	}
	if h.err = h.f(m.Bytes()); h.err != nil {
		c.NetConn().Close() // the only way out of its loop
	}
}

func (h *gwsHandler) OnClose(_ *websocket.Conn, err error) {
	if h.err == nil {
		h.err = err
	}
}
