package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"
)

// asOmni makes the test's own binary be the tool, so that tests run it as
// real processes.
const asOmni = "OMNI_TEST_AS_TOOL"

func TestMain(m *testing.M) {
	if os.Getenv(asOmni) != "" {
		os.Exit(run())
	}
	// The goroutine that package signal needs once never ends, and go test
	// -fuzz needs it too: it is to be there before.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	signal.Stop(caught)
	before := runtime.NumGoroutine()
	code := m.Run()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond) // the runtime takes a moment to count down
	}
	if n := runtime.NumGoroutine(); code == 0 && n > before {
		fmt.Fprintf(os.Stderr, "%d goroutines are left of the tests, there were %d before:\n", n, before)
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// patience is how long tests wait for what must come.
const patience = 30 * time.Second

// process is the tool, running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *transcript
	stderr *transcript
	exited chan struct{}
}

// tool is a process that has not been started.
func tool(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asOmni+"=1", "GORACE=atexit_sleep_ms=0")
	p := &process{t: t, cmd: cmd, stdout: newTranscript(), stderr: newTranscript(), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	return p
}

// start starts the tool with these arguments; the test ends it.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := tool(t, args...)
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	p.begin()
	return p
}

func (p *process) begin() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the state says it all
		close(p.exited)
	}()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if p.t.Failed() {
			p.t.Logf("omni %q\nstdout:\n%s\nstderr:\n%s", p.cmd.Args[1:], p.stdout, p.stderr)
		}
	})
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// code waits for the end and returns the exit code.
func (p *process) code() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("omni %q does not end", p.cmd.Args[1:])
		return -1
	}
}

// want waits for the end and checks the exit code.
func (p *process) want(code int) {
	p.t.Helper()
	if got := p.code(); got != code {
		p.t.Fatalf("omni %q exited with %d, not %d", p.cmd.Args[1:], got, code)
	}
}

var listening = regexp.MustCompile(`(?m)^listening on (\S+)\r?\n`)

// url waits until the tool says where it listens.
func (p *process) url() string { p.t.Helper(); return p.await(p.stdout, listening) }

// await waits until the text has come and returns its first group.
func (p *process) await(in *transcript, text *regexp.Regexp) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		found, more := in.find(text)
		if found != nil {
			return found[len(found)-1]
		}
		select {
		case <-more:
		case <-p.exited:
			if found, _ := in.find(text); found != nil {
				return found[len(found)-1]
			}
			p.t.Fatalf("omni %q ended without saying %q", p.cmd.Args[1:], text)
		case <-ctx.Done():
			p.t.Fatalf("omni %q does not say %q", p.cmd.Args[1:], text)
		}
	}
}

// runTool runs the tool to its end and returns the exit code.
func runTool(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, args...)
	code = p.code()
	return code, p.stdout.String(), p.stderr.String()
}

// transcript keeps what was written to it, for readers who wait for more.
type transcript struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{} // closed when there is more
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.more)
	t.more = make(chan struct{})
	return t.buf.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// find looks for the text; more is closed when it is worth another look.
func (t *transcript) find(text *regexp.Regexp) (found []string, more <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return text.FindStringSubmatch(t.buf.String()), t.more
}
