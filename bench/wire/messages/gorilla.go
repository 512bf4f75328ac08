package messages

import (
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
)

// gorilla is https://github.com/gorilla/websocket with buffers of 64 KiB
// instead of 4, read through NextReader into memory that is used again.
func gorilla() library {
	return library{"gorilla", "https://github.com/gorilla/websocket", "github.com/gorilla/websocket", gorillaEnds}
}

func gorillaEnds(tb testing.TB) ends {
	const buffer = 64 << 10
	accepted := make(chan *websocket.Conn, 1)
	up := websocket.Upgrader{ReadBufferSize: buffer, WriteBufferSize: buffer}
	address, stop := serve(tb, func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	})
	defer stop()
	d := websocket.Dialer{ReadBufferSize: buffer, WriteBufferSize: buffer}
	client, _, err := d.Dial("ws://"+address, nil)
	if err != nil {
		tb.Fatal(err)
	}
	server := took(tb, accepted)
	return ends{
		send: func(item []byte) error { return server.WriteMessage(websocket.BinaryMessage, item) },
		each: func(f func([]byte) error) error {
			var buf []byte
			for {
				_, r, err := client.NextReader()
				if err == nil {
					buf, err = readInto(buf, r)
				}
				if err == nil {
					err = f(buf)
				}
				if err != nil {
					return err
				}
			}
		},
		close: func() {
			server.Close()
			client.Close()
		},
	}
}
