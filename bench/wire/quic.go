package wire

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"omnistreams.dev/bench/harness"
)

// quicPeer is https://github.com/quic-go/quic-go over UDP on loopback, which
// always encrypts. Windows as large as everyone's, the largest packets that it
// sends from the start, and streams of one direction where one is enough.
func quicPeer(batched bool) peer {
	return peer{
		name: "quic-go" + manner(batched), kind: harness.Peer,
		source: "https://github.com/quic-go/quic-go", module: "github.com/quic-go/quic-go", lazy: true,
		connect: func(tb testing.TB, _ link, s settings) (client, server muxer) {
			return connectQUIC(tb, s, batched)
		},
	}
}

func connectQUIC(tb testing.TB, s settings, batched bool) (client, server muxer) {
	tb.Helper()
	// It says on stderr when the system's limit for UDP buffers is low; that
	// is for the machine's owner.
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	streams := int64(max(1000, 2*s.streams))
	cfg := &quic.Config{
		InitialStreamReceiveWindow: uint64(window(s)), MaxStreamReceiveWindow: uint64(window(s)),
		InitialConnectionReceiveWindow: 64 << 20, MaxConnectionReceiveWindow: 64 << 20,
		MaxIncomingStreams: streams, MaxIncomingUniStreams: streams,
		InitialPacketSize: 1452,
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	sTLS, cTLS := quicTLS(tb)
	trs, trc := quicTransport(tb), quicTransport(tb)
	l, err := trs.Listen(sTLS, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	a, err := trc.Dial(ctx, trs.Conn.LocalAddr(), cTLS, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := l.Accept(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	// Whoever closes first says so to the other, whose close is then nothing.
	return &quicMuxer{c: a, tr: trc, set: s, batched: batched}, &quicMuxer{c: b, tr: trs, l: l, set: s, batched: batched}
}

func quicTransport(tb testing.TB) *quic.Transport {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	return &quic.Transport{Conn: udp}
}

// quicTLS makes a certificate that nobody checks.
func quicTLS(tb testing.TB) (server, client *tls.Config) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, pub, key)
	if err != nil {
		tb.Fatal(err)
	}
	server = &tls.Config{NextProtos: []string{"bench"}, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{NextProtos: []string{"bench"}, InsecureSkipVerify: true}
}

type quicMuxer struct {
	c       *quic.Conn
	tr      *quic.Transport
	l       *quic.Listener // the server's
	set     settings
	batched bool
	once    sync.Once
}

func (m *quicMuxer) open() (conn, error) {
	ctx := context.Background()
	if m.set.duplex {
		st, err := m.c.OpenStreamSync(ctx)
		return m.both(st, err)
	}
	st, err := m.c.OpenUniStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	return m.wrap(writeOnly{st}, st.Close, func() {}), nil
}

func (m *quicMuxer) accept() (conn, error) {
	ctx := context.Background()
	if m.set.duplex {
		st, err := m.c.AcceptStream(ctx)
		return m.both(st, err)
	}
	st, err := m.c.AcceptUniStream(ctx)
	if err != nil {
		return nil, err
	}
	// A stream that was read to its end is gone.
	return m.wrap(readOnly{st}, func() error { return errors.ErrUnsupported }, func() {}), nil
}

func (m *quicMuxer) both(st *quic.Stream, err error) (conn, error) {
	if err != nil {
		return nil, err
	}
	return m.wrap(st, st.Close, func() { st.CancelRead(0); st.Close() }), nil
}

func (m *quicMuxer) wrap(rw io.ReadWriter, end func() error, free func()) conn {
	return &byteConn{rw: rw, end: end, free: free, batched: m.batched, readBuf: readBuf(m.set)}
}

func (m *quicMuxer) close() {
	m.once.Do(func() {
		m.c.CloseWithError(0, "")
		if m.l != nil {
			m.l.Close()
		}
		m.tr.Close()
		m.tr.Conn.Close()
	})
}

type writeOnly struct{ io.Writer }

func (writeOnly) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }
