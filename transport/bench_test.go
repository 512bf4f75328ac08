package transport_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"omnistreams.dev/transport"
)

// BenchmarkConn sends messages one way. BenchmarkRawTCP is what is to be had at best.
func BenchmarkConn(b *testing.B) {
	for _, name := range []string{"Pair", "net.Pipe", "unix", "tcp", "tls", "ws", "wss"} {
		for _, size := range []int{64, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				x, y := transport.Pair()
				switch name {
				case "Pair":
				case "net.Pipe":
					p, q := net.Pipe()
					x, y = transport.Frame(p), transport.Frame(q)
				default:
					x, y = connect(b, listen(b, urls(b)[name]))
				}
				defer closeAll(x, y)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				go func() {
					msg := make([]byte, size)
					for range b.N {
						if err := x.Send(context.Background(), msg); err != nil {
							b.Error(err)
							x.Close()
							return
						}
					}
				}()
				for range b.N {
					if _, err := y.Recv(context.Background()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
}

func BenchmarkRawTCP(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			x, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close()
			y, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer y.Close()
			b.SetBytes(int64(size))
			go func() {
				msg := make([]byte, size)
				for range b.N {
					if _, err := x.Write(msg); err != nil {
						b.Error(err)
						x.Close()
						return
					}
				}
			}()
			buf := make([]byte, size)
			for range b.N {
				if _, err := io.ReadFull(y, buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
}
