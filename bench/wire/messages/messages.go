// Package messages measures what WebSocket libraries do by themselves: one
// message for each item, from the server to the client, on loopback. It is the
// limit of whatever runs over them.
//
// Each library is one small file. All read into memory that is used again
// where the library has a way to, and nobody compresses.
package messages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"omnistreams.dev/bench/harness"
)

// ends are a WebSocket's.
type ends struct {
	// send sends one message from the server. It keeps nothing of it.
	send func(item []byte) error
	// each calls f with each message that the client receives, until f
	// returns an error, and returns that.
	each func(f func(item []byte) error) error
	// close closes both.
	close func()
}

// Cases are all libraries with messages of n bytes.
func Cases(n int) []harness.Case {
	all := append(nhooyr(), coder()...)
	all = append(all, gorilla(), gws(), gobwas())
	var cases []harness.Case
	for _, l := range all {
		cases = append(cases, harness.Case{
			Name: l.name, Kind: harness.Limit, Source: l.source, Module: l.module,
			Bench: func(b *testing.B) { run(b, l, n) },
		})
	}
	return cases
}

// library is one way to use one.
type library struct {
	name, source, module string
	connect              func(tb testing.TB) ends
}

// errDone ends a client's loop.
var errDone = errors.New("all there")

func run(b *testing.B, l library, n int) {
	e := l.connect(b)
	defer e.close()
	item := make([]byte, n)
	b.ResetTimer()
	wrote := make(chan error, 1)
	go func() {
		for i := range b.N {
			binary.LittleEndian.PutUint64(item, uint64(i))
			if err := e.send(item); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	next := 0
	err := e.each(func(item []byte) error {
		if len(item) != n || binary.LittleEndian.Uint64(item) != uint64(next) {
			return fmt.Errorf("not message %d of %d bytes", next, n)
		}
		if next++; next == b.N {
			return errDone
		}
		return nil
	})
	b.StopTimer()
	if !errors.Is(err, errDone) {
		e.close() // so that the writer ends
		b.Error(l.name, ": ", err)
	}
	if err := <-wrote; err != nil {
		b.Error(l.name, ": ", err)
	}
}

// serve answers WebSocket requests on loopback with upgrade, which hijacks,
// until stop is called.
func serve(tb testing.TB, upgrade http.HandlerFunc) (address string, stop func()) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	srv := &http.Server{Handler: upgrade}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	return l.Addr().String(), func() {
		srv.Close() // leaves alone what was hijacked
		<-done
	}
}

// took returns what the handler made of the one request.
func took[C any](tb testing.TB, c <-chan C) C {
	tb.Helper()
	v, ok := <-c
	if !ok {
		tb.Fatal("the WebSocket was not accepted")
	}
	return v
}

// readInto reads r to its end into buf's memory, which grows as needed.
func readInto(buf []byte, r io.Reader) ([]byte, error) {
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
