package mux

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// tcp returns the two ends of one connection over loopback.
func tcp(b testing.TB) (client, server net.Conn) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	return client, server
}

// BenchmarkTCP moves items of several sizes over one stream on loopback.
func BenchmarkTCP(b *testing.B) {
	for _, size := range []int{16, 64, 1 << 10, 16 << 10, 64 << 10} {
		// Once with items that the reader keeps, once with items whose memory
		// is used again, as io.Copy does with its buffer.
		for name, read := range map[string]func(*omni.Producer[[]byte]) *omni.Producer[[]byte]{
			"kept": func(p *omni.Producer[[]byte]) *omni.Producer[[]byte] { return p }, "reused": Reuse,
		} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				cc, cs := tcp(b)
				client, server := start(b, transport.Frame(cc), nil), start(b, transport.Frame(cs), nil)
				benchStream(b, client, server, size, read)
			})
		}
		b.Run(fmt.Sprintf("copy/%d", size), func(b *testing.B) {
			client, server := tcp(b)
			b.SetBytes(int64(size))
			done := make(chan struct{})
			go func() {
				defer close(done)
				io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{server})
			}()
			buf := make([]byte, size)
			for b.Loop() {
				client.Write(buf)
			}
			client.Close()
			<-done
		})
	}
}

func benchStream(b *testing.B, client, server *Session, size int, read func(*omni.Producer[[]byte]) *omni.Producer[[]byte]) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := client.Open(ctx, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		item := make([]byte, size)
		for range b.N {
			if err := c.Write(ctx, item); err != nil {
				b.Error(err)
				return
			}
		}
		c.End()
	}()
	in, err := server.Accept(ctx)
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	if err := omni.ForEach(ctx, read(in.Producer()), func([]byte) error { n++; return nil }); err != nil || n != b.N {
		b.Fatal(n, err)
	}
}
