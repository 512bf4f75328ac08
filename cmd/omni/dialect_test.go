package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/mux/npm09"
	"omnistreams.dev/transport"
)

var npm = []string{"--dialect", "npm-0.9"}

// TestDialectEchoAndPackage: the npm package itself, in Node, is content with
// what omni echo answers: 50 conduits at a time in windows of 1 and 255, 600
// one after the other, empty ones, 50,000 messages, termination, control.
func TestDialectEchoAndPackage(t *testing.T) {
	peer := nodePeer(t)
	p := start(t, append(npm, "echo", "--listen", "ws://127.0.0.1:0/omnistreams")...)
	cmd := exec.Command("node", peer, "connect", p.url(), "drive")
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "\nok\n") {
		t.Fatalf("the package came so far: %v\n%s", err, out)
	}
	if p.stderr.String() != "" {
		t.Errorf("echo says %q", p.stderr)
	}
}

// nodePeer installs the package and returns the program that uses it. The test
// is skipped where there is no Node, unless everything is required.
func nodePeer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	_, err := exec.LookPath("node")
	if err == nil {
		err = os.CopyFS(dir, os.DirFS("../../mux/npm09/testdata/node"))
	}
	if err == nil {
		cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--silent")
		cmd.Dir = dir
		err = cmd.Run()
	}
	switch {
	case err == nil:
		return filepath.Join(dir, "peer.mjs")
	case os.Getenv("OMNI_REQUIRE") == "all":
		t.Fatal(err)
	}
	t.Skip("the package of npm cannot run here: ", err)
	return ""
}

func TestDialectSendAndReceive(t *testing.T) {
	from := sample(t)
	to := t.TempDir()
	for range 2 { // the second time all is there, and nothing changes
		rx := start(t, append(npm, "recv", "--dir", to, "--once", "--listen", "ws://127.0.0.1:0/x")...)
		code, _, stderr := runTool(t, append(npm, "send", "--connect", rx.url(), from)...)
		if code != exitOK {
			t.Fatalf("send: %d, %s", code, stderr)
		}
		rx.want(exitOK)
		same(t, from, filepath.Join(to, filepath.Base(from)))
		noStaging(t, to)
	}
}

// TestDialectBrokenOff: a file that nobody completes gets no name, and the
// others do.
func TestDialectBrokenOff(t *testing.T) {
	to := t.TempDir()
	rx := start(t, append(npm, "recv", "--dir", to, "--once", "--listen", "ws://127.0.0.1:0/")...)
	conn, err := transport.Dial(t.Context(), rx.url(), &transport.Options{NoSubprotocol: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := npm09.New(conn, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, items := range map[string][]string{
		"whole": {"content", string(sumOf("content"))},
		"short": {"content"},
		"other": {"content", string(sumOf("another"))},
	} {
		e := fileEntry(name, "content")
		c, err := s.Open(t.Context(), encode(e))
		if err != nil {
			t.Fatal(err)
		}
		write(t.Context(), t, c, items...)
		if err := c.End(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := rx.code(); code == exitOK {
		t.Errorf("recv exited with %d", code)
	}
	entries, err := os.ReadDir(to)
	if err != nil || len(entries) != 1 || entries[0].Name() != "whole" {
		t.Errorf("there are %v, %v", entries, err)
	}
}

func TestDialectPipe(t *testing.T) {
	a := start(t, append(npm, "pipe", "--listen", "ws://127.0.0.1:0")...)
	b := start(t, append(npm, "pipe", "--connect", a.told())...)
	if _, err := io.WriteString(b.stdin, "question"); err != nil {
		t.Fatal(err)
	}
	a.await(a.stdout, regexp.MustCompile("^(question)$"))
	b.stdin.Close()
	if _, err := io.WriteString(a.stdin, "answer"); err != nil {
		t.Fatal(err)
	}
	b.await(b.stdout, regexp.MustCompile("^(answer)$"))
	a.stdin.Close()
	a.want(exitOK)
	b.want(exitOK)
}

// TestDialectEchoLives: a peer that breaks the rules ends its own session.
func TestDialectEchoLives(t *testing.T) {
	p := start(t, append(npm, "echo", "--listen", "ws://127.0.0.1:0/")...)
	for _, msg := range []string{"\x02\x09", "text", "\x04\x00\x00", "\x00"} {
		conn, err := transport.Dial(t.Context(), p.url(), &transport.Options{NoSubprotocol: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Send(t.Context(), []byte(msg)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Recv(t.Context()); err == nil {
			t.Errorf("%q is answered", msg)
		}
		conn.Close()
	}
	conn, err := transport.Dial(t.Context(), p.url(), &transport.Options{NoSubprotocol: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := npm09.New(conn, &npm09.Options{Options: mux.Options{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Open(t.Context(), []byte("alive"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.Accept(t.Context())
	if err != nil || string(in.Metadata()) != "alive" {
		t.Fatal(in, err)
	}
	write(t.Context(), t, c, "yes")
	wantItem(t.Context(), t, in.Producer(), "yes")
}

func TestDialectUsage(t *testing.T) {
	for _, args := range [][]string{
		{"echo", "--dialect", "npm-1.0", "-l", "ws://127.0.0.1:0"},
		{"echo", "--dialect", "npm-0.9", "-l", "tcp://127.0.0.1:0"},
		{"echo", "--dialect", "npm-0.9", "-l", "ws://127.0.0.1:0", "--token-file", "x"},
	} {
		if code, _, stderr := inProcess(t, args...); code != exitUsage || !strings.Contains(stderr, "--dialect") {
			t.Errorf("%q: %d, %s", args, code, stderr)
		}
	}
}

// TestDialectManyDirectories: what has no content waits for its receiver too.
func TestDialectManyDirectories(t *testing.T) {
	const many = 6000
	from, to := filepath.Join(t.TempDir(), "from"), t.TempDir()
	for i := range many {
		if err := os.MkdirAll(filepath.Join(from, fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	rx := start(t, append(npm, "recv", "--dir", to, "--once", "--listen", "ws://127.0.0.1:0/x")...)
	code, _, stderr := runTool(t, append(npm, "send", "--connect", rx.url(), from)...)
	if code != exitOK {
		t.Errorf("send: %d, %s", code, stderr)
	}
	rx.want(exitOK)
	if got, err := os.ReadDir(filepath.Join(to, "from")); err != nil || len(got) != many {
		t.Errorf("%d of %d directories came, %v", len(got), many, err)
	}
}

// TestDialectDirectoriesAreBounded: a sender cannot fill the receiver's memory
// with them.
func TestDialectDirectoriesAreBounded(t *testing.T) {
	in := newInbound(&receiver{total: &counts{}, oneWay: true}, &counts{})
	e := &entry{Path: wireName(strings.Repeat("x", 10_000))}
	n := 0
	for in.keepForLater(e) == nil {
		n++
	}
	if n < 1000 || n > laterBytes/10_000 {
		t.Errorf("%d are kept", n)
	}
}

// TestDialectControlBurst: an honest peer that reads may send as fast as it
// likes.
func TestDialectControlBurst(t *testing.T) {
	const many = 20_000
	p := start(t, append(npm, "echo", "--listen", "ws://127.0.0.1:0/")...)
	conn, err := transport.Dial(t.Context(), p.url(), &transport.Options{NoSubprotocol: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	back := make(chan int, 1)
	go func() {
		n := 0
		for ; n < many; n++ {
			if _, err := conn.Recv(t.Context()); err != nil {
				break
			}
		}
		back <- n
	}()
	for range many {
		if err := conn.Send(t.Context(), []byte("\x05hello")); err != nil {
			t.Fatal(err)
		}
	}
	if n := <-back; n != many {
		t.Errorf("%d of %d came back", n, many)
	}
}
