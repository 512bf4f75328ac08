package messages

import (
	"context"
	"net/http"
	"testing"

	"github.com/coder/websocket"
)

// Coder is the fast way to read with github.com/coder/websocket.
const Coder = "coder, Reader into a reused buffer"

// coder is https://github.com/coder/websocket, read with its Read, which
// allocates each message, and through its Reader into memory that is used
// again. Its contexts cannot end: those that can cost it a goroutine's wake-up.
func coder() []library {
	way := func(name string, reused bool) library {
		return library{name, "https://github.com/coder/websocket", "github.com/coder/websocket", func(tb testing.TB) ends { return coderEnds(tb, reused) }}
	}
	return []library{way("coder, Read", false), way(Coder, true)}
}

func coderEnds(tb testing.TB, reused bool) ends {
	ctx := context.Background()
	accepted := make(chan *websocket.Conn, 1)
	address, stop := serve(tb, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	})
	defer stop()
	client, _, err := websocket.Dial(ctx, "ws://"+address, nil)
	if err != nil {
		tb.Fatal(err)
	}
	client.SetReadLimit(-1)
	server := took(tb, accepted)
	var buf []byte
	read := func() ([]byte, error) {
		_, item, err := client.Read(ctx)
		return item, err
	}
	if reused {
		read = func() ([]byte, error) {
			_, r, err := client.Reader(ctx)
			if err == nil {
				buf, err = readInto(buf, r)
			}
			return buf, err
		}
	}
	return ends{
		send: func(item []byte) error { return server.Write(ctx, websocket.MessageBinary, item) },
		each: func(f func([]byte) error) error {
			for {
				item, err := read()
				if err == nil {
					err = f(item)
				}
				if err != nil {
					return err
				}
			}
		},
		close: func() {
			server.CloseNow()
			client.CloseNow()
		},
	}
}
