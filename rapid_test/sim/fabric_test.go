package sim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"omnistreams.dev/transport"
)

// A fabric is the listeners that sessions on sockets are dialed at, one of
// each kind, each for many sessions.
type fabric struct {
	dir    string
	client *transport.Options
	doors  map[string]*door
}

// door is a listener. One at a time dials and accepts there, so that it is
// known which two ends belong together.
type door struct {
	mu sync.Mutex
	ln *transport.Listener
}

// The schemes, in turn: a session of TCP, one of WebSocket. The rarer ones
// take their share.
var schemes = [2][]string{{"tcp", "tcp", "unix", "tls"}, {"ws", "ws", "ws", "wss"}}

func newFabric(dir string) (*fabric, error) {
	srv := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	server := &transport.Options{TLS: &tls.Config{Certificates: srv.TLS.Certificates}}
	srv.Close()
	f := &fabric{dir: dir, client: &transport.Options{TLS: &tls.Config{RootCAs: pool}}, doors: map[string]*door{}}
	for scheme, url := range map[string]string{
		"tcp": "tcp://127.0.0.1:0", "tls": "tls://127.0.0.1:0",
		"ws": "ws://127.0.0.1:0/soak", "wss": "wss://127.0.0.1:0/soak",
		"unix": "unix://" + filepath.ToSlash(filepath.Join(dir, "door")),
	} {
		ln, err := transport.Listen(context.Background(), url, server)
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f.doors[scheme] = &door{ln: ln}
	}
	return f, nil
}

func (f *fabric) close() error {
	var errs []error
	for _, d := range f.doors {
		errs = append(errs, d.ln.Close())
	}
	return errors.Join(errs...)
}

// pair dials a session's connection, through its relay if it has one, and
// returns both ends. harm is told before the relay cuts.
func (f *fabric) pair(ctx context.Context, v *live, harm func(string)) (conns [2]transport.Conn, err error) {
	d := f.doors[v.scheme]
	url, at := d.ln.URL(), d.ln.Addr()
	if y := v.relay; y != nil {
		if err := y.listen(at.Network(), at.String(), f.dir, harm); err != nil {
			return conns, fmt.Errorf("sim: relay: %w", err)
		}
		url = strings.Replace(url, at.String(), y.ln.Addr().String(), 1)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if conns[0], err = transport.Dial(ctx, url, f.client); err != nil {
		return conns, err
	}
	if conns[1], err = d.ln.Accept(ctx); err != nil {
		_ = conns[0].Close()
	}
	return conns, err
}

// knock comes to a door and leaves in the middle of the handshake. Where
// there is none every connection would be a session.
func (f *fabric) knock(r *rand.Rand, scheme string) {
	if scheme == "tcp" || scheme == "unix" {
		return
	}
	c, err := net.Dial("tcp", f.doors[scheme].ln.Addr().String())
	if err != nil {
		return
	}
	words := "GET /soak HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	if scheme == "tls" {
		words = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	}
	_, _ = c.Write([]byte(words[:r.IntN(len(words))]))
	if r.IntN(2) == 0 {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	_ = c.Close()
}
