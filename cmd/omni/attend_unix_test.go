//go:build unix

package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// TestExplainOnSignal: a pipe whose other side does not read says so.
func TestExplainOnSignal(t *testing.T) {
	for _, url := range []string{"tcp://127.0.0.1:0", "ws://127.0.0.1:0"} {
		l, err := transport.Listen(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, "pipe", "--explain", "--connect", l.URL())
		conn, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := mux.New(conn, nil)
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Accept(t.Context())
		if err != nil || !in.IsCall() {
			t.Fatal(err)
		}
		go p.stdin.Write(make([]byte, 8<<20)) // ends with the process
		stuck := regexp.MustCompile(`(?m)^  our call 1 .*: (?:STUCK|busy) for [\d.]+.?s, waits for the peer's reader; items \d+ of \d+, bytes (\d+) of`)
		// It has to fill the window first, and nothing says when it has.
		for tries := 0; stuckNot(p, stuck); tries++ {
			if tries > 1000 {
				t.Fatalf("it does not say %v", stuck)
			}
			p.signal(syscall.SIGUSR1)
			for {
				_, more := p.stderr.find(stuck)
				if strings.Count(p.stderr.String(), "asked:") > tries {
					break
				}
				select {
				case <-more:
				case <-time.After(patience):
					t.Fatal("it does not answer")
				}
			}
		}
		l.Close()
		s.Close()
		p.want(exitFailure)
	}
}

func stuckNot(p *process, text *regexp.Regexp) bool {
	found, _ := p.stderr.find(text)
	return found == nil
}

// TestExplainJSON: with --json it is an event.
func TestExplainJSON(t *testing.T) {
	p := start(t, "recv", "--explain", "--json", "--dir", t.TempDir())
	p.await(p.stdout, regexp.MustCompile(`"listening"`))
	p.signal(syscall.SIGUSR1)
	line := p.await(p.stdout, regexp.MustCompile(`(?m)^(.*"explain".*)$`))
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Event != "explain" {
		t.Fatalf("%q: %v", line, err)
	}
	p.await(p.stderr, regexp.MustCompile("no session"))
	if strings.Contains(p.stderr.String(), "STUCK") {
		t.Fatal(p.stderr)
	}
}
