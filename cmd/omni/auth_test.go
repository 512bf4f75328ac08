package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
		// Both sides find that out, and either may be the first to say it.
		{[]string{"--token-file", wrong}, "the token is not the right one", "the token is not the right one"},
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

func TestReceiverWithoutTheToken(t *testing.T) {
	right, _, _ := tokens(t)
	from, to := spec{"a": "x"}.build(t, t.TempDir()), filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once")
	tx := start(t, "send", "-c", rx.url(), "--token-file", right, from+"/")
	tx.want(exitFailure)
	rx.want(exitFailure)
	if line := lastLine(t, tx); !strings.Contains(line, "the receiver was refused: a token is needed") {
		t.Errorf("the sender says %q", line)
	}
	if line := lastLine(t, rx); !strings.Contains(line, "refused by the sender: a token is needed") {
		t.Errorf("the receiver says %q", line)
	}
	if n := whole(t, from, to); n > 0 {
		t.Errorf("%d files came through", n)
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
