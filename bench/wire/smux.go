package wire

import (
	"testing"

	"github.com/xtaci/smux"

	"omnistreams.dev/bench/harness"
)

// smuxPeer is https://github.com/xtaci/smux with version 2 of its protocol,
// the one with windows per stream, and its longest frames.
func smuxPeer(batched bool) peer {
	return peer{
		name: "smux" + manner(batched), kind: harness.Peer,
		source: "https://github.com/xtaci/smux", module: "github.com/xtaci/smux",
		connect: func(tb testing.TB, l link, s settings) (client, server muxer) {
			cfg := smux.DefaultConfig()
			cfg.Version = 2
			cfg.MaxFrameSize = 65535
			cfg.MaxStreamBuffer = int(window(s))
			cfg.MaxReceiveBuffer = 4 * max(cfg.MaxStreamBuffer, 16<<20)
			a, b := l.conns(tb)
			ca, err := smux.Client(a, cfg)
			if err != nil {
				tb.Fatal(err)
			}
			cb, err := smux.Server(b, cfg)
			if err != nil {
				tb.Fatal(err)
			}
			return &smuxMuxer{ca, s, batched}, &smuxMuxer{cb, s, batched}
		},
	}
}

type smuxMuxer struct {
	s       *smux.Session
	set     settings
	batched bool
}

func (m *smuxMuxer) open() (conn, error)   { return m.wrap(m.s.OpenStream()) }
func (m *smuxMuxer) accept() (conn, error) { return m.wrap(m.s.AcceptStream()) }
func (m *smuxMuxer) close()                { m.s.Close() }

func (m *smuxMuxer) wrap(st *smux.Stream, err error) (conn, error) {
	if err != nil {
		return nil, err
	}
	return &byteConn{rw: st, end: st.Close, free: func() { st.Close() }, batched: m.batched, readBuf: readBuf(m.set)}, nil
}
