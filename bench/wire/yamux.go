package wire

import (
	"io"
	"testing"

	"github.com/hashicorp/yamux"

	"omnistreams.dev/bench/harness"
)

// yamuxPeer is https://github.com/hashicorp/yamux, but for no goroutine per
// open that watches for its acknowledgement. Its windows stay at 256 KiB: with
// larger ones it is up to four times slower, since its buffers grow as long as
// the reader is behind.
func yamuxPeer(batched bool) peer {
	return peer{
		name: "yamux" + manner(batched), kind: harness.Peer,
		source: "https://github.com/hashicorp/yamux", module: "github.com/hashicorp/yamux",
		connect: func(tb testing.TB, l link, s settings) (client, server muxer) {
			cfg := yamux.DefaultConfig()
			cfg.LogOutput = io.Discard
			cfg.StreamOpenTimeout = 0
			cfg.AcceptBacklog = max(256, s.streams)
			a, b := l.conns(tb)
			ca, err := yamux.Client(a, cfg)
			if err != nil {
				tb.Fatal(err)
			}
			cb, err := yamux.Server(b, cfg)
			if err != nil {
				tb.Fatal(err)
			}
			return &yamuxMuxer{ca, s, batched}, &yamuxMuxer{cb, s, batched}
		},
	}
}

type yamuxMuxer struct {
	s       *yamux.Session
	set     settings
	batched bool
}

func (m *yamuxMuxer) open() (conn, error)   { return m.wrap(m.s.OpenStream()) }
func (m *yamuxMuxer) accept() (conn, error) { return m.wrap(m.s.AcceptStream()) }
func (m *yamuxMuxer) close()                { m.s.Close() }

// wrap: a Close ends this end's half, and the stream is gone when both have.
func (m *yamuxMuxer) wrap(st *yamux.Stream, err error) (conn, error) {
	if err != nil {
		return nil, err
	}
	return &byteConn{rw: st, end: st.Close, free: func() { st.Close() }, batched: m.batched, readBuf: readBuf(m.set)}, nil
}
