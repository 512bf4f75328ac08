package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"omnistreams.dev/transport"
)

// deadConn is a connection on which nothing comes.
type deadConn struct{}

var _ transport.Conn = deadConn{}

func (deadConn) Send(context.Context, []byte) error   { return io.ErrClosedPipe }
func (deadConn) Recv(context.Context) ([]byte, error) { return nil, io.EOF }
func (deadConn) Close() error                         { return nil }

// inProcess runs a command line that does not get as far as to connect.
func inProcess(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = execute(t.Context(), stdio{strings.NewReader(""), &out, &err}, args)
	return code, out.String(), err.String()
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{}, {"nothing"}, {"--bad"}, {"recv"}, {"recv", "x", "--dir", dir}, {"recv", "--dir", dir, "--limit", "x"},
		{"recv", "--dir", dir, "-l", "ws://:0", "-c", "ws://x"}, {"send", "-c", "ws://x"}, {"send", dir},
		{"send", "-c", "ws://x", filepath.Join(dir, "none")}, {"send", "-c", "ws://x", "-p", "0", dir},
		{"send", "-c", "http://x", dir}, {"pipe"}, {"pipe", "-l", "stdio:"}, {"pipe", "-c", "stdio:"}, {"echo"},
		{"recv", "--dir", filepath.Join(dir, "new"), "-l", "tcp://127.0.0.1:70000"}, {"recv", "--dir", filepath.Join(dir, "new"), "-c", "stdio:x"},
		{"recv", "--dir", filepath.Join(dir, "new"), "--max-item", "31"}, {"help", "nosuch"},
		{"echo", "-l", "tcp://127.0.0.1:0", "--max-item", "8MiB"}, {"demo", "--source", filepath.Join(dir, "none")},
	} {
		code, stdout, stderr := inProcess(t, args...)
		if code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 2 || !strings.Contains(stderr, "--help") {
			t.Errorf("omni %q: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("something was done: %v", entries)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{
		{"--help"}, {"recv", "--help"}, {"send", "-h"}, {"help", "pipe"}, {"echo", "--help"}, {"demo", "--help"},
	} {
		code, stdout, stderr := inProcess(t, args...)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, exitCodes) {
			t.Errorf("omni %q: exit code %d, stderr %q, stdout %q", args, code, stderr, stdout)
		}
		if args[0] != "--help" && !strings.Contains(stdout, "Examples:") {
			t.Errorf("omni %q has no examples", args)
		}
		for line := range strings.Lines(stdout) {
			if len([]rune(line)) > 101 {
				t.Errorf("omni %q: the line %q is long", args, line)
			}
		}
	}
	if code, stdout, _ := inProcess(t, "--version"); code != exitOK || !strings.HasPrefix(stdout, "omni version "+version) {
		t.Errorf("exit code %d, %q", code, stdout)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, stdout, _ := inProcess(t, "completion", shell); code != exitOK || !strings.Contains(stdout, "omni") {
			t.Errorf("%s: exit code %d", shell, code)
		}
	}
	if _, stdout, _ := inProcess(t, "__complete", "recv", "--listen", ""); !strings.Contains(stdout, "wss://") {
		t.Errorf("URLs are not completed: %q", stdout)
	}
}

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{
		nil: 0, io.EOF: 1, usageError{io.EOF}: 2, errSkipped: 3, errInterrupted: 130, startedError{usagef("x")}: 2,
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestErrorsAreJSONToo(t *testing.T) {
	for _, args := range [][]string{
		{"send", "--json", "-c", "http://x", "."}, {"send", "--json", "-c", "tcp://x:1"}, {"recv", "--json", "--bad"},
		{"recv", "--json", "--dir", "x", "-l", "stdio:x"}, {"send", "--json", "-c", "stdio:", "none-such"},
	} {
		_, stdout, stderr := inProcess(t, args...)
		in, other := stdout, stderr
		if strings.Contains(strings.Join(args, " "), "stdio:") {
			in, other = stderr, ""
		}
		var e event
		if err := json.Unmarshal([]byte(in), &e); err != nil || e.Event != "error" || e.Reason == "" {
			t.Errorf("omni %q: %q: %v", args, in, err)
		}
		if other != "" && !strings.Contains(other, e.Reason) {
			t.Errorf("omni %q: people are told %q", args, other)
		}
	}
}

func TestFailureOverStdioIsJSON(t *testing.T) {
	p := tool(t, "recv", "--json", "--dir", filepath.Join(t.TempDir(), "to"), "-l", "stdio:")
	p.cmd.Stdin = strings.NewReader("nonsense")
	p.begin()
	p.want(exitFailure)
	if _, s := events(t, p.stderr.String()); s.OK || s.Error == "" {
		t.Errorf("summary %+v", s)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestStandardOutputThatFails(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"help", "send"}, {"completion", "bash"}} {
		var stderr bytes.Buffer
		code := execute(t.Context(), stdio{strings.NewReader(""), full{}, &stderr}, args)
		if code != exitFailure || !strings.Contains(stderr.String(), "standard output: short write") {
			t.Errorf("omni %q: exit code %d, stderr %q", args, code, stderr.String())
		}
	}
}
