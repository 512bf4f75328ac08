package wire

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"omnistreams.dev/bench/harness"
)

// rawFrames is a connection with nothing but lengths in it, and so with one
// stream: what boundaries alone cost.
func rawFrames(batched bool) peer {
	return peer{
		name: "raw frames" + manner(batched), kind: harness.Limit,
		connect: func(tb testing.TB, l link, s settings) (client, server muxer) {
			a, b := l.conns(tb)
			return &rawMuxer{a, batched}, &rawMuxer{b, batched}
		},
	}
}

type rawMuxer struct {
	c       net.Conn
	batched bool
}

func (m *rawMuxer) open() (conn, error) { return m.accept() }
func (m *rawMuxer) accept() (conn, error) {
	end := m.c.Close
	if half, ok := m.c.(interface{ CloseWrite() error }); ok {
		end = half.CloseWrite
	}
	return &byteConn{rw: m.c, end: end, free: func() {}, batched: m.batched}, nil
}
func (m *rawMuxer) close() { m.c.Close() }

// rawCopy writes b.N times size bytes to so many connections, each with a
// writer, and lets io.Copy read them: what the link alone costs. No
// boundaries, so only the sum is checked. A write has at most cut bytes; 0 is
// all of an item.
func rawCopy(l link, size, conns, cut int) harness.Case {
	c := harness.Case{Name: "raw writes", Kind: harness.Limit, Source: "https://go.dev/src/io/io.go"}
	if conns > 1 {
		c.Name = fmt.Sprintf("raw writes, %d connections", conns)
	}
	if cut > 0 {
		c.Name = fmt.Sprintf("raw writes, cut to %d KiB", cut>>10)
	}
	c.Bench = func(b *testing.B) {
		var fs []func() error
		var ends []net.Conn
		for i := range conns {
			out, in := l.conns(b)
			ends = append(ends, out, in)
			n := share(b.N, i, conns)
			fs = append(fs,
				func() error { return rawWrite(out, make([]byte, size), n, cut) },
				func() error { return rawRead(in, int64(n)*int64(size)) })
		}
		b.ResetTimer()
		err := together(func() {
			for _, c := range ends {
				c.Close()
			}
		}, fs...)
		b.StopTimer()
		for _, c := range ends {
			c.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return c
}

func rawWrite(c net.Conn, item []byte, n, cut int) error {
	if cut == 0 {
		cut = len(item)
	}
	for range n {
		for piece := range slices.Chunk(item, cut) {
			if _, err := c.Write(piece); err != nil {
				return err
			}
		}
	}
	return c.Close()
}

func rawRead(c net.Conn, want int64) error {
	// The wrappers keep io.Copy from splicing the connection away.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, bufSize))
	if err == nil && n != want {
		err = fmt.Errorf("%d of %d bytes", n, want)
	}
	return err
}
