// Package wires connects two ends over each of the transports, for tests that
// must pass on all of them.
package wires

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// Wire is one kind of transport.
type Wire struct {
	Name    string
	connect func(testing.TB) (a, b transport.Conn)
}

// All returns every kind of transport.
func All() []Wire {
	return []Wire{
		{"pair", func(testing.TB) (a, b transport.Conn) { return transport.Pair() }},
		{"netpipe", netPipe},
		{"tcp", listening("tcp://127.0.0.1:0")},
		{"unix", unix},
		{"tls", listening("tls://127.0.0.1:0")},
		{"stdio", stdio},
		{"ws", listening("ws://127.0.0.1:0/omni")},
		{"wss", listening("wss://127.0.0.1:0/omni")},
	}
}

// Sessions returns two connected sessions, a the one that dialed. They are
// closed when the test ends, if they are not before.
func (w Wire) Sessions(t testing.TB, opt *mux.Options) (a, b *mux.Session) {
	t.Helper()
	ca, cb := w.connect(t)
	return session(t, ca, opt), session(t, cb, opt)
}

func session(t testing.TB, conn transport.Conn, opt *mux.Options) *mux.Session {
	t.Helper()
	s, err := mux.New(conn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // always nil
	return s
}

func netPipe(testing.TB) (a, b transport.Conn) {
	x, y := net.Pipe()
	return transport.Frame(x), transport.Frame(y)
}

// listening connects to a listener of the given URL.
func listening(url string) func(testing.TB) (a, b transport.Conn) {
	return func(t testing.TB) (a, b transport.Conn) {
		t.Helper()
		serverTLS, clientTLS := certificates()
		l, err := transport.Listen(t.Context(), url, &transport.Options{TLS: serverTLS})
		if err != nil {
			t.Fatal(err)
		}
		dialed := make(chan error, 1)
		go func() {
			var err error
			a, err = transport.Dial(t.Context(), l.URL(), &transport.Options{TLS: clientTLS})
			dialed <- err
		}()
		b, err = l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := <-dialed; err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return a, b
	}
}

// unix connects over a socket in a directory of its own, with a short name:
// the system allows about a hundred bytes.
func unix(t testing.TB) (a, b transport.Conn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "omni")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return listening("unix://" + filepath.ToSlash(filepath.Join(dir, "s")))(t)
}

// stdio connects as two processes are whose standard input and output are
// pipes.
func stdio(t testing.TB) (a, b transport.Conn) {
	t.Helper()
	r1, w1, err1 := os.Pipe()
	r2, w2, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	a, err := transport.Dial(t.Context(), "stdio:", &transport.Options{Stdin: r1, Stdout: w2})
	if err != nil {
		t.Fatal(err)
	}
	b, err = transport.Dial(t.Context(), "stdio:", &transport.Options{Stdin: r2, Stdout: w1})
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// certificates returns the two sides of TLS on the loopback interface, with
// the certificate that package httptest has for that.
func certificates() (server, client *tls.Config) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots}
}
