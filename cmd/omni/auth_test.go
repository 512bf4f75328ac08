package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

func TestTokenCheck(t *testing.T) {
	check := checkToken("secret")
	if err := check(encode(hello{Name: "omni", Token: "secret"})); err != nil {
		t.Error(err)
	}
	for _, metadata := range []string{
		"", "{}", "secret", `{"token":""}`, `{"token":"Secret"}`, `{"token":"secret "}`, `{"token":"secre"}`,
		`{"token":["secret"]}`, "\xff",
	} {
		if err := check([]byte(metadata)); !errors.Is(err, &omni.StreamError{Code: omni.CodeRefused}) {
			t.Errorf("%q: %v", metadata, err)
		}
	}
	if checkToken("") != nil {
		t.Error("without a token there is a check")
	}
}

func TestReadToken(t *testing.T) {
	dir := t.TempDir()
	write := func(content string) string {
		path := filepath.Join(dir, "token")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if token, err := readToken(write(" s3 cret\r\n")); token != "s3 cret" || err != nil {
		t.Errorf("%q, %v", token, err)
	}
	var usage usageError
	for _, path := range []string{write(" \n"), filepath.Join(dir, "none"), dir} {
		if _, err := readToken(path); !errors.As(err, &usage) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := readToken(write(strings.Repeat("x", maxToken+1))); !errors.As(err, &usage) {
		t.Errorf("too long: %v", err)
	}
}

// tokens are files with one token each.
func tokens(t *testing.T) (right, same, wrong string) {
	t.Helper()
	dir := spec{"right": "secret\n", "same": "secret", "wrong": "Secret\n"}.build(t, t.TempDir())
	return filepath.Join(dir, "right"), filepath.Join(dir, "same"), filepath.Join(dir, "wrong")
}

func TestTokenLetsIn(t *testing.T) {
	right, same, _ := tokens(t)
	from := spec{"a": "x"}.build(t, t.TempDir())
	to := filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once", "--token-file", right)
	tx := start(t, "send", "-c", rx.url(), "--token-file", same, from+"/")
	tx.want(exitOK)
	rx.want(exitOK)
	whole(t, from, to)
}

func TestTokenKeepsOut(t *testing.T) {
	right, _, wrong := tokens(t)
	from, to := spec{"a": "x"}.build(t, t.TempDir()), filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once", "--token-file", right)
	for _, c := range []struct {
		args           []string
		rxSays, txSays string
	}{
		{[]string{"--token-file", wrong}, "the sender was refused: the token is not the right one", "refused by the receiver: the token is not the right one"},
		{nil, "the sender was refused: a token is needed", "refused by the receiver: a token is needed"},
	} {
		tx := start(t, append([]string{"send", "-c", rx.url(), from + "/"}, c.args...)...)
		tx.want(exitFailure)
		if line := lastLine(t, tx); !strings.Contains(line, c.txSays) {
			t.Errorf("the sender says %q", line)
		}
		rx.await(rx.stderr, regexp.MustCompile("warning: (.*"+c.rxSays+")"))
	}
	// It listens still, and nothing came through.
	if entries, _ := os.ReadDir(to); len(entries) != 1 {
		t.Errorf("there is %v", entries)
	}
	start(t, "send", "-c", rx.url(), "--token-file", right, from+"/").want(exitOK)
	rx.want(exitOK)
	same(t, from, to)
}

func TestListenerKeepsItsTokenToItself(t *testing.T) {
	right, _, _ := tokens(t)
	from := spec{"a": "x"}.build(t, t.TempDir())
	for name, args := range map[string][]string{
		"recv": {"recv", "--dir", t.TempDir()}, "send": {"send", from}, "pipe": {"pipe"}, "echo": {"echo"},
	} {
		p := start(t, append(args, "-l", "tcp://127.0.0.1:0", "--token-file", right)...)
		at := p.stdout
		if name == "pipe" {
			at = p.stderr
		}
		ctx, s := client(t, p.await(at, listening), &mux.Options{Metadata: []byte(`{"token":"Secret"}`)})
		// What comes first is its HELLO, before it knows who this is.
		if metadata, err := s.Peer(ctx); err != nil || strings.Contains(string(metadata), "secret") {
			t.Errorf("%s says %q to a stranger, %v", name, metadata, err)
		}
	}
}

func TestOnlyTheListenerCompares(t *testing.T) {
	right, _, _ := tokens(t)
	for _, c := range []*connection{flags("tcp://127.0.0.1:0", ""), flags("", "tcp://127.0.0.1:1")} {
		c.tokenFile = right
		if err := c.prepare(""); err != nil {
			t.Fatal(err)
		}
		opt := c.options(mux.Options{})
		if sends := strings.Contains(string(opt.Metadata), "secret"); sends != (c.connect != "") || sends == (opt.CheckPeer != nil) {
			t.Errorf("%s%s sends %q, compares: %v", c.listen, c.connect, opt.Metadata, opt.CheckPeer != nil)
		}
	}
}

func TestW10StrangersDoNotEndAnything(t *testing.T) {
	from, to := spec{"a": "x"}.build(t, t.TempDir()), filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once", "-l", "tcp://127.0.0.1:0")
	for _, nonsense := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "\x00\x00\x00\x01x"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(rx.url(), "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(nonsense)); err != nil {
			t.Fatal(err)
		}
		if cw, ok := c.(*net.TCPConn); ok {
			_ = cw.CloseWrite()
		}
	}
	rx.await(rx.stderr, regexp.MustCompile("(?s)(warning: the sender does not keep to the protocol: .*){3}\n"))
	start(t, "send", "-c", rx.url(), from+"/").want(exitOK)
	rx.want(exitOK)
	same(t, from, to)
}
