package main

import (
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"omnistreams.dev/omni"
)

// told is what pipe says on stderr, since stdout carries data.
func (p *process) told() string { p.t.Helper(); return p.await(p.stderr, listening) }

func TestPipeBothWaysWithHalfClose(t *testing.T) {
	for _, url := range []string{"tcp://127.0.0.1:0", "ws://127.0.0.1:0"} {
		a := start(t, "pipe", "--listen", url)
		b := start(t, "pipe", "--connect", a.told())
		if _, err := io.WriteString(b.stdin, "question"); err != nil {
			t.Fatal(err)
		}
		a.await(a.stdout, regexp.MustCompile("^(question)$"))
		b.stdin.Close() // half of it: the answer still comes
		if _, err := io.WriteString(a.stdin, "answer"); err != nil {
			t.Fatal(err)
		}
		b.await(b.stdout, regexp.MustCompile("^(answer)$"))
		a.stdin.Close()
		a.want(exitOK)
		b.want(exitOK)
		if b.stderr.String() != "" {
			t.Errorf("it says %q", b.stderr)
		}
	}
}

func TestPipeMovesEveryByte(t *testing.T) {
	in := blob("pipe", 3<<20)
	a := start(t, "pipe", "--listen", "unix:"+t.TempDir()+"/s")
	a.stdin.Close()
	b := start(t, "pipe", "--connect", a.told())
	if _, err := io.WriteString(b.stdin, in); err != nil {
		t.Fatal(err)
	}
	b.stdin.Close()
	b.want(exitOK)
	a.want(exitOK)
	if got := a.stdout.String(); got != in {
		t.Errorf("%d bytes of %d, or others", len(got), len(in))
	}
}

func TestPipePeerKilled(t *testing.T) {
	a := start(t, "pipe", "--listen", "tcp://127.0.0.1:0")
	b := start(t, "pipe", "--connect", a.told())
	if _, err := io.WriteString(b.stdin, "x"); err != nil {
		t.Fatal(err)
	}
	a.await(a.stdout, regexp.MustCompile("(x)"))
	b.signal(os.Kill)
	a.want(exitFailure) // though its stdin is still open
	if line := lastLine(t, a); !strings.Contains(line, "the connection to the other side was lost") {
		t.Errorf("it says %q", line)
	}
}

func TestPipeInterrupted(t *testing.T) {
	if !onUnix() {
		return
	}
	a := start(t, "pipe", "--listen", "tcp://127.0.0.1:0")
	a.told()
	a.signal(os.Interrupt)
	a.want(exitInterrupted)
}

func TestPipeCutsItsItems(t *testing.T) {
	in := blob("pipe", 5000)
	a := start(t, "pipe", "-l", "tcp://127.0.0.1:0", "--max-item", "100")
	b := start(t, "pipe", "-c", a.told(), "--max-item", "7")
	for _, p := range []*process{a, b} {
		if _, err := io.WriteString(p.stdin, in); err != nil {
			t.Fatal(err)
		}
		p.stdin.Close()
	}
	for _, p := range []*process{a, b} {
		p.want(exitOK)
		if p.stdout.String() != in {
			t.Errorf("%d bytes of %d, or others", len(p.stdout.String()), len(in))
		}
	}
}

func TestPipeTakesItsOwnCallOnly(t *testing.T) {
	a := start(t, "pipe", "-l", "tcp://127.0.0.1:0")
	ctx, s := client(t, a.told(), nil)
	for _, metadata := range []string{`{"name":"file"}`, `pipe`, ``, `null`} {
		if err := offer(ctx, t, s, metadata); !errors.Is(err, omni.ErrRefused) {
			t.Errorf("%q: %v, want a refusal", metadata, err)
		}
	}
	a.stdin.Close()
	if err := offer(ctx, t, s, `{"name":"pipe"}`, "taken"); err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	a.want(exitOK)
	if a.stdout.String() != "taken" {
		t.Errorf("it wrote %q", a.stdout)
	}
}
