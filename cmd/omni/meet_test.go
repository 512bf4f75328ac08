package main

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// silence connects several times and says nothing.
func silence(t *testing.T, url string) {
	t.Helper()
	for range 5 {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}

// Somebody who says nothing is given up after 10 seconds at the earliest; the
// honest must not wait so long, let alone for all of them.
func TestSilentStrangersKeepNobodyWaiting(t *testing.T) {
	const at = "tcp://127.0.0.1:0"
	from, to := spec{"a": "x"}.build(t, t.TempDir()), filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once", "-l", at, "--keepalive", "1h")
	silence(t, rx.url())
	start(t, "send", "-c", rx.url(), from+"/").want(exitOK)
	rx.want(exitOK)
	same(t, from, to)

	tx := start(t, "send", "-l", at, from+"/", "--keepalive", "1h")
	silence(t, tx.url())
	start(t, "recv", "-c", tx.url(), "--dir", to).want(exitOK)
	tx.want(exitOK)

	p := start(t, "pipe", "-l", at, "--keepalive", "1h")
	p.stdin.Close()
	silence(t, p.told())
	q := start(t, "pipe", "-c", p.told())
	q.stdin.Close()
	q.want(exitOK)
	p.want(exitOK)
	for _, p := range []*process{rx, tx, p} {
		if strings.Contains(p.stderr.String(), "warning") {
			t.Errorf("it says %q", p.stderr)
		}
	}
}

func TestAStrangerWhoIsSilentIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := transport.Pair()
		began := time.Now()
		_, err := introduced(t.Context(), conn, &mux.Options{KeepAlive: time.Hour}, "sender")
		if !errors.As(err, new(strangerError)) || !strings.Contains(err.Error(), "within 10s") {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d > time.Minute {
			t.Errorf("it took %v", d)
		}
	})
}
