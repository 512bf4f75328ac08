package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/mux"
)

// flags is a connection as it is without any.
func flags(listen, connect string) *connection {
	return &connection{listen: listen, connect: connect, maxItem: defaultMaxItem, keepAlive: time.Second}
}

func TestFlagsThatCannotBe(t *testing.T) {
	certs := newCerts(t)
	cert, key, ca := certs.server[1], certs.server[3], certs.trust[1]
	with := func(c *connection, change func(*connection)) *connection { change(c); return c }
	for why, c := range map[string]*connection{
		"neither":         flags("", ""),
		"both":            flags("tcp://:1", "tcp://:1"),
		"no scheme":       flags("127.0.0.1:80", ""),
		"other scheme":    flags("http://x", ""),
		"no port":         flags("", "tcp://x"),
		"no path":         flags("", "unix:"),
		"no URL":          flags("", "tcp://[::1"),
		"TLS on ws":       with(flags("ws://:0", ""), func(c *connection) { c.cert, c.key = cert, key }),
		"insecure ws":     with(flags("", "ws://x"), func(c *connection) { c.insecure = true }),
		"no key":          with(flags("wss://:0", ""), func(c *connection) { c.cert = cert }),
		"no certificate":  flags("tls://:0", ""),
		"wrong key":       with(flags("tls://:0", ""), func(c *connection) { c.cert, c.key = cert, certs.client[5] }),
		"insecure server": with(flags("tls://:0", ""), func(c *connection) { c.cert, c.key, c.insecure = cert, key, true }),
		"insecure and ca": with(flags("", "tls://x:1"), func(c *connection) { c.ca, c.insecure = ca, true }),
		"ca is none":      with(flags("", "tls://x:1"), func(c *connection) { c.ca = key }),
		"no token":        with(flags("", "tls://x:1"), func(c *connection) { c.tokenFile = cert + ".none" }),
		"item of 0":       with(flags("", "tcp://x:1"), func(c *connection) { c.maxItem = 0 }),
		"item too long":   with(flags("", "tcp://x:1"), func(c *connection) { c.maxItem = mostMaxItem + 1 }),
		"no keepalive":    with(flags("", "tcp://x:1"), func(c *connection) { c.keepAlive = 0 }),
	} {
		var usage usageError
		if err := c.prepare(""); !errors.As(err, &usage) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if c := flags("", ""); c.prepare("ws://127.0.0.1:0") != nil || c.url.Scheme != "ws" {
		t.Error("the fallback is not taken")
	}
}

func TestURLs(t *testing.T) {
	for _, bad := range []string{
		"", ":", "ws:", "ws:///x", "ws:x", "ws://x#f", "ws://x:65536", "ws://x:99999999999", "ws://x:y", "ws://u@x#f", "ftp://x",
		"tcp:x:1", "tcp://x", "tcp://x:", "tcp://x:65536", "tcp://x:-1", "tcp://x:1/path", "tcp://u:p@x:1", "tcp://x:1?q", "tcp://x:1#f",
		"tls://x:1/path", "unix:", "unix://host/path", "unix:x?q", "unix:x#f", "stdio:x", "stdio://host", "stdio:?q", "stdio:#f", "stdio:/x",
	} {
		for _, listen := range []bool{true, false} {
			var usage usageError
			if _, err := checkURL(bad, listen); !errors.As(err, &usage) {
				t.Errorf("%q, listen %v: %v", bad, listen, err)
			}
		}
	}
	if _, err := checkURL("127.0.0.1:1000", true); err == nil || !strings.Contains(err.Error(), "tcp://") {
		t.Errorf("an address without a scheme: %v", err)
	}
	for _, good := range []string{
		"ws://x", "wss://x/path?q=1", "ws://x:1", "tcp://x:65535", "tcp://[::1]:1", "tls://x:1/", "unix:a/b", "unix:///a", "stdio:", "stdio://",
	} {
		for _, listen := range []bool{true, false} {
			if _, err := checkURL(good, listen); err != nil {
				t.Errorf("%q, listen %v: %v", good, listen, err)
			}
		}
	}
	for url, onlyListen := range map[string]bool{"tcp://:0": true, "ws://x:0": true, "ws://user:secret@x": false} {
		if _, err := checkURL(url, !onlyListen); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
		if _, err := checkURL(url, onlyListen); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	right, _, _ := tokens(t)
	certs := newCerts(t)
	tls := func(c *connection) *connection { c.cert, c.key = certs.server[1], certs.server[3]; return c }
	ca := func(c *connection) *connection { c.ca = certs.trust[1]; return c }
	token := func(c *connection) *connection { c.tokenFile = right; return c }
	insecure := func(c *connection) *connection { c.insecure = true; return c }
	const anyone, readable = "anyone who can reach", "the token can be read"
	for _, c := range []struct {
		c    *connection
		want string
	}{
		{flags("ws://127.0.0.1:0", ""), ""}, {flags("ws://localhost:0", ""), ""}, {flags("tcp://[::1]:0", ""), ""},
		{flags("unix:x", ""), ""}, {flags("stdio:", ""), ""}, {flags("", "tcp://192.0.2.1:1"), ""},
		{flags("ws://0.0.0.0:0", ""), anyone}, {flags("ws://:0", ""), anyone}, {flags("tcp://192.0.2.1:0", ""), anyone},
		{tls(flags("tls://:0", "")), anyone}, {ca(tls(flags("tls://:0", ""))), ""}, {token(tls(flags("wss://:0", ""))), ""},
		{token(flags("ws://:0", "")), readable}, {token(flags("", "tcp://192.0.2.1:1")), readable},
		{token(flags("", "tcp://127.0.0.1:1")), ""}, {token(flags("", "wss://192.0.2.1")), ""},
		{insecure(token(flags("", "wss://192.0.2.1"))), readable},
	} {
		if err := c.c.prepare(""); err != nil {
			t.Errorf("%+v: %v", c.c, err)
		} else if got := c.c.warning(); got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s%s: %q, want %q", c.c.listen, c.c.connect, got, c.want)
		}
	}
}

func TestAnyItemLengthWorks(t *testing.T) {
	for _, n := range []sizeFlag{1, defaultMaxItem, 1 << 20, mostMaxItem} {
		c := flags("", "tcp://x:1")
		c.maxItem = n
		// Options that cannot work are an error of New, on any connection.
		for _, base := range []mux.Options{{}, {Prefetch: -1}, {MaxStreams: 1}, {MaxStreams: -1}} {
			s, err := mux.New(deadConn{}, c.options(base))
			if err != nil {
				t.Errorf("%d: %v", n, err)
				continue
			}
			_ = s.Close()
		}
	}
}

func TestTLSIsVerified(t *testing.T) {
	certs := newCerts(t)
	other := newCerts(t)
	from := spec{"a": "x"}.build(t, t.TempDir())
	for name, c := range map[string]struct {
		rx, tx []string
		says   string
	}{
		"unknown authority":     {certs.server, nil, "certificate"},
		"another authority":     {certs.server, other.trust, "certificate"},
		"no client certificate": {certs.mutual, certs.trust, ""},
		"another's certificate": {certs.mutual, append(other.client[2:6:6], certs.trust...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := filepath.Join(t.TempDir(), "to")
			rx := start(t, append([]string{"recv", "--dir", to, "-l", "wss://127.0.0.1:0"}, c.rx...)...)
			tx := start(t, append([]string{"send", "-c", rx.url(), from + "/"}, c.tx...)...)
			tx.want(exitFailure)
			if line := lastLine(t, tx); !strings.Contains(line, c.says) {
				t.Errorf("it says %q", line)
			}
			// Nobody came in, so it listens still.
			start(t, append([]string{"send", "-c", rx.url(), from + "/"}, certs.client...)...).want(exitOK)
		})
	}
}
