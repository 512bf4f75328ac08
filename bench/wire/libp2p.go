package wire

import (
	"context"
	"io"
	"math"
	"testing"

	"github.com/libp2p/go-yamux/v5"

	"omnistreams.dev/bench/harness"
)

// libp2pPeer is https://github.com/libp2p/go-yamux, version 5, with windows of
// 4 MiB from the start and a read buffer of 60 KiB instead of 4: over TCP
// without TLS it has no other.
func libp2pPeer(batched bool) peer {
	return peer{
		name: "libp2p yamux" + manner(batched), kind: harness.Peer,
		source: "https://github.com/libp2p/go-yamux", module: "github.com/libp2p/go-yamux/v5",
		connect: func(tb testing.TB, l link, s settings) (client, server muxer) {
			cfg := yamux.DefaultConfig()
			cfg.LogOutput = io.Discard
			cfg.InitialStreamWindowSize = window(s)
			cfg.MaxStreamWindowSize = window(s)
			cfg.MaxIncomingStreams = math.MaxUint32
			cfg.AcceptBacklog = max(256, s.streams)
			cfg.ReadBufSize = bufSize
			a, b := l.conns(tb)
			ca, err := yamux.Client(a, cfg, nil)
			if err != nil {
				tb.Fatal(err)
			}
			cb, err := yamux.Server(b, cfg, nil)
			if err != nil {
				tb.Fatal(err)
			}
			return &libp2pMuxer{ca, s, batched}, &libp2pMuxer{cb, s, batched}
		},
	}
}

type libp2pMuxer struct {
	s       *yamux.Session
	set     settings
	batched bool
}

func (m *libp2pMuxer) open() (conn, error)   { return m.wrap(m.s.OpenStream(context.Background())) }
func (m *libp2pMuxer) accept() (conn, error) { return m.wrap(m.s.AcceptStream()) }
func (m *libp2pMuxer) close()                { m.s.Close() }

func (m *libp2pMuxer) wrap(st *yamux.Stream, err error) (conn, error) {
	if err != nil {
		return nil, err
	}
	return &byteConn{rw: st, end: st.CloseWrite, free: func() { st.Close() }, batched: m.batched, readBuf: readBuf(m.set)}, nil
}
