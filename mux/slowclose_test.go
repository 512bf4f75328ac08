package mux

import (
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

// slowCloser is a connection whose Close takes a while.
type slowCloser struct{ transport.Conn }

func (c slowCloser) Close() error {
	time.Sleep(800 * time.Millisecond)
	return c.Conn.Close()
}

// TestN12SlowClose: whoever comes while the connection is being closed waits
// where a bubble, and a ctx, can see it: not on a mutex.
func TestN12SlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := transport.Pair()
		s, err := New(slowCloser{ca}, nil)
		must(t, err)
		peer, err := New(cb, nil)
		must(t, err)
		defer peer.Close()
		_, err = peer.Peer(t.Context())
		must(t, err)
		began := time.Now()
		done := make(chan struct{})
		go func() { s.closeConn(); close(done) }()
		must(t, s.Close())
		<-done
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("Close took %v", took)
		}
	})
}
