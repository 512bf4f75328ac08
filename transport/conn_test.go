package transport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/transport"
	"omnistreams.dev/transport/transporttest"
)

// certificate is a server's configuration for localhost and a client's that trusts it.
var certificate = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots}
})

// listen is Listen, and Close when the test ends.
func listen(t testing.TB, url string) *transport.Listener {
	t.Helper()
	server, _ := certificate()
	l, err := transport.Listen(context.Background(), url, &transport.Options{TLS: server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Listener.Close: %v", err)
		}
	})
	return l
}

// connect is a dialed Conn and its accepted peer.
func connect(t testing.TB, l *transport.Listener) (dialed, accepted transport.Conn) {
	t.Helper()
	_, client := certificate()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel() // means nothing to the Conns
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		if dialed, err = transport.Dial(ctx, l.URL(), &transport.Options{TLS: client}); err != nil {
			t.Errorf("Dial: %v", err)
			cancel()
		}
	})
	accepted, err := l.Accept(ctx)
	wg.Wait()
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	if dialed == nil {
		t.FailNow()
	}
	return dialed, accepted
}

// urls are one of each scheme that listens on a network.
func urls(t testing.TB) map[string]string {
	return map[string]string{
		"tcp":  "tcp://127.0.0.1:0",
		"tls":  "tls://localhost:0",
		"unix": "unix://" + filepath.Join(t.TempDir(), "s"),
		"ws":   "ws://127.0.0.1:0",
		"wss":  "wss://localhost:0/some/path",
	}
}

func TestConn(t *testing.T) {
	both := func(t *testing.T, name string, make func(t *testing.T) (a, b transport.Conn)) {
		t.Run(name, func(t *testing.T) { transporttest.TestConn(t, make) })
		t.Run(name+" reversed", func(t *testing.T) {
			transporttest.TestConn(t, func(t *testing.T) (a, b transport.Conn) {
				b, a = make(t)
				return a, b
			})
		})
	}
	t.Run("Pair", func(t *testing.T) {
		transporttest.TestConn(t, func(*testing.T) (a, b transport.Conn) { return transport.Pair() })
	})
	t.Run("net.Pipe", func(t *testing.T) {
		transporttest.TestConn(t, func(*testing.T) (a, b transport.Conn) {
			x, y := net.Pipe()
			return transport.Frame(x), transport.Frame(y)
		})
	})
	t.Run("os.Pipe", func(t *testing.T) { transporttest.TestConn(t, stdioPair) })
	for scheme, url := range urls(t) {
		both(t, scheme, func(t *testing.T) (a, b transport.Conn) { return connect(t, listen(t, url)) })
	}
	both(t, "Handler", func(t *testing.T) (a, b transport.Conn) {
		conns := make(chan transport.Conn, 1)
		ended := make(chan struct{})
		srv := httptest.NewServer(transport.Handler(nil, func(c transport.Conn) {
			conns <- c
			<-ended
		}))
		t.Cleanup(func() { close(ended); srv.Close() })
		a, err := transport.Dial(context.Background(), "ws"+srv.URL[len("http"):], nil)
		if err != nil {
			t.Fatal(err)
		}
		return a, <-conns
	})
}

// stdioPair is two processes' standard input and output, joined by pipes of the system.
func stdioPair(t *testing.T) (a, b transport.Conn) {
	r1, w1, err1 := os.Pipe()
	r2, w2, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	a, err := transport.Dial(context.Background(), "stdio:", &transport.Options{Stdin: r1, Stdout: w2})
	if err != nil {
		t.Fatal(err)
	}
	l, err := transport.Listen(context.Background(), "stdio:", &transport.Options{Stdin: r2, Stdout: w1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if b, err = l.Accept(context.Background()); err != nil {
		t.Fatal(err)
	}
	return a, b
}
