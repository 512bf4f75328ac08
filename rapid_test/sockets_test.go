package laws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/transport"
	"pgregory.net/rapid"
)

// certificate is a server's configuration for localhost and a client's that
// trusts it.
var certificate = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(24 * time.Hour)}
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

// connect dials a listener and accepts the connection.
func connect(ctx context.Context, l *transport.Listener) (dialed, accepted transport.Conn, err error) {
	_, client := certificate()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		if dialed, err = transport.Dial(ctx, l.URL(), &transport.Options{TLS: client}); err != nil {
			cancel(err) // and Accept returns
		}
	})
	accepted, err = l.Accept(ctx)
	wg.Wait()
	return dialed, accepted, err
}

// connectStdio connects as two processes are whose standard input and output
// are pipes.
func connectStdio(ctx context.Context) (a, b transport.Conn, err error) {
	r1, w1, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	r2, w2, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	if a, err = transport.Dial(ctx, "stdio:", &transport.Options{Stdin: r1, Stdout: w2}); err != nil {
		return nil, nil, err
	}
	b, err = transport.Dial(ctx, "stdio:", &transport.Options{Stdin: r2, Stdout: w1})
	return a, b, err
}

// fewer lets a test check a fiftieth of what -rapid.checks says: sockets take
// real time.
func fewer(t *testing.T) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	n, err := strconv.Atoi(was)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Value.Set(strconv.Itoa(max(2, n/50))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) }) // it was good before
}

// All laws hold over sockets, and the programs leave the traces that they
// leave in process.
func TestL9SameTraceOverSockets(t *testing.T) {
	fewer(t)
	server, _ := certificate()
	for name, url := range map[string]string{
		"tcp":  "tcp://127.0.0.1:0",
		"tls":  "tls://localhost:0",
		"unix": "unix://" + filepath.Join(t.TempDir(), "s"),
		"ws":   "ws://127.0.0.1:0",
		"wss":  "wss://localhost:0/streams",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			l, err := transport.Listen(ctx, url, &transport.Options{TLS: server})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			checkOver(t, name, func() (a, b transport.Conn, err error) { return connect(ctx, l) })
		})
	}
	t.Run("stdio", func(t *testing.T) {
		checkOver(t, "stdio", func() (a, b transport.Conn, err error) { return connectStdio(t.Context()) })
	})
}

// checkOver runs programs over the connections that meet makes.
func checkOver(t *testing.T, name string, meet func() (a, b transport.Conn, err error)) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs(shape{}).Draw(t, "program")
		h := newHistory(&p, name)
		a, b, err := meet()
		if err != nil {
			t.Fatal(err)
		}
		f, err := newSessions(h, a, b)
		if err != nil {
			t.Fatal(err)
		}
		execute(&p, h, f, socketLimit)
		if v := h.verdict(0); v != "" {
			t.Fatal(v)
		}
	})
}
