package messages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gobwas/ws"
)

// gobwas is https://github.com/gobwas/ws used as it is meant to be, frame by
// frame: header and payload in one write, a read buffer of 64 KiB, payloads
// into memory that is used again.
func gobwas() library {
	return library{"gobwas", "https://github.com/gobwas/ws", "github.com/gobwas/ws", gobwasEnds}
}

func gobwasEnds(tb testing.TB) ends {
	accepted := make(chan net.Conn, 1)
	address, stop := serve(tb, func(w http.ResponseWriter, r *http.Request) {
		c, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	})
	defer stop()
	client, ahead, _, err := ws.Dial(context.Background(), "ws://"+address)
	if err != nil {
		tb.Fatal(err)
	}
	if ahead != nil {
		tb.Fatal("something came before the first message")
	}
	server := took(tb, accepted)
	return ends{
		send: gobwasSend(server),
		each: func(f func([]byte) error) error { return gobwasEach(client, f) },
		close: func() {
			server.Close()
			client.Close()
		},
	}
}

func gobwasSend(c net.Conn) func(item []byte) error {
	var head bytes.Buffer
	return func(item []byte) error {
		head.Reset()
		h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(len(item))}
		if err := ws.WriteHeader(&head, h); err != nil {
			return err
		}
		if len(item) > 4<<10 { // too much to copy
			_, err := (&net.Buffers{head.Bytes(), item}).WriteTo(c)
			return err
		}
		head.Write(item)
		_, err := c.Write(head.Bytes())
		return err
	}
}

func gobwasEach(c net.Conn, f func([]byte) error) error {
	r := bufio.NewReaderSize(c, 64<<10)
	var buf []byte
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return err
		}
		if h.OpCode != ws.OpBinary || !h.Fin {
			return errors.New("not a whole binary message")
		}
		if int64(cap(buf)) < h.Length {
			buf = make([]byte, h.Length)
		}
		buf = buf[:h.Length]
		if _, err = io.ReadFull(r, buf); err == nil {
			err = f(buf)
		}
		if err != nil {
			return err
		}
	}
}
