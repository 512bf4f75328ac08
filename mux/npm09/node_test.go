package npm09

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// packages installs what testdata/node needs, once, and returns the folder.
var packages = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "npm09-")
	if err != nil {
		return "", err
	}
	installed = dir
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--silent")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, out)
	}
	return dir, nil
})

var installed string

func removePackages() { _ = os.RemoveAll(installed) }

// peerDir is the folder of the Node peer. The test is skipped where there is
// no Node or its packages cannot be had, unless everything is required.
func peerDir(t *testing.T) string {
	t.Helper()
	dir, err := "", error(nil)
	for _, tool := range []string{"node", "npm"} {
		if _, e := exec.LookPath(tool); e != nil {
			err = e
		}
	}
	if err == nil {
		dir, err = packages()
	}
	switch {
	case err == nil:
		return dir
	case os.Getenv("OMNI_REQUIRE") == "all":
		t.Fatal(err)
	}
	t.Skip("the peer of npm cannot run here: ", err)
	return ""
}

// node starts the peer and returns the lines that it prints. At the test's end
// it must have ended by itself, without an error, when the connection did.
func node(t *testing.T, args ...string) (lines *bufio.Scanner) {
	t.Helper()
	dir := peerDir(t)
	cmd := exec.CommandContext(context.Background(), "node", append([]string{filepath.Join(dir, "peer.mjs")}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("the peer ended with %v: %s", err, stderr.String())
		}
	})
	return bufio.NewScanner(stdout)
}

// meetNode runs the peer in a role, as client or as server, and returns our
// session with it.
func meetNode(t *testing.T, role string, weListen bool, opt *Options) (*Session, *bufio.Scanner) {
	t.Helper()
	var conn transport.Conn
	var lines *bufio.Scanner
	if weListen {
		l, err := transport.Listen(t.Context(), "ws://127.0.0.1:0/omnistreams", &transport.Options{NoSubprotocol: true})
		must(t, err)
		defer l.Close()
		lines = node(t, "connect", l.URL(), role)
		conn, err = l.Accept(t.Context())
		must(t, err)
	} else {
		lines = node(t, "listen", role)
		if !lines.Scan() {
			t.Fatal("the peer does not say where it listens")
		}
		var err error
		conn, err = transport.Dial(t.Context(), lines.Text(), &transport.Options{NoSubprotocol: true})
		must(t, err)
	}
	s, err := New(conn, opt)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s, lines
}

func bothWays(t *testing.T, test func(t *testing.T, weListen bool)) {
	for _, weListen := range []bool{true, false} {
		t.Run(map[bool]string{true: "as client", false: "as server"}[weListen], func(t *testing.T) {
			test(t, weListen)
		})
	}
}

// TestNodeDrives: the package's own code opens conduits, and is content with
// what our echo makes of them.
func TestNodeDrives(t *testing.T) {
	bothWays(t, func(t *testing.T, weListen bool) {
		s, lines := meetNode(t, "drive", weListen, &Options{Options: mux.Options{Prefetch: -1}, Control: 1000})
		go func() {
			for {
				msg, err := s.ReadControl(t.Context())
				if err != nil || s.WriteControl(t.Context(), msg) != nil {
					return
				}
			}
		}()
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), echo) }()
		last := ""
		for lines.Scan() {
			last = lines.Text()
		}
		if last != "ok" {
			t.Fatalf("the peer came as far as %q: %v", last, s.Err())
		}
		if err := <-served; err != nil {
			t.Fatal(err)
		}
	})
}

// echo answers a stream with one of the same metadata and content.
func echo(ctx context.Context, in *mux.Incoming) error {
	out, err := in.Session().Open(ctx, in.Metadata())
	if err != nil {
		return err
	}
	return Terminating(in.Producer()).Pipe(ctx, out)
}

// TestNodeEchoes: the package's own pipe answers our streams, whatever the
// window.
func TestNodeEchoes(t *testing.T) {
	bothWays(t, func(t *testing.T, weListen bool) {
		for _, window := range []int{1, 64, 255, 1000} {
			s, _ := meetNode(t, "echo", weListen, &Options{Options: mux.Options{Prefetch: window}, Control: 1000})
			e := newEchoed(s)
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() {
					if err := e.roundTrip(t.Context(), fmt.Sprint("stream ", i), 250); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if t.Failed() {
				return
			}
			for i := range 300 {
				must(t, e.roundTrip(t.Context(), fmt.Sprint("again ", i), 2))
			}
			must(t, e.roundTrip(t.Context(), "", 3))
			must(t, s.WriteControl(t.Context(), []byte("control")))
			if msg, err := s.ReadControl(t.Context()); err != nil || string(msg) != "control" {
				t.Fatalf("got %q, %v", msg, err)
			}
			e.shutdown(t)
		}
	})
}

// TestNodeMessages: 50,000 of them, there and back.
func TestNodeMessages(t *testing.T) {
	s, _ := meetNode(t, "echo", true, nil)
	e := newEchoed(s)
	must(t, e.roundTrip(t.Context(), "long", 50_000))
	e.shutdown(t)
}

// TestNodeSurvivesCancel: whenever we cancel, also while its END is on the
// way, and whatever we do next, the package lives.
func TestNodeSurvivesCancel(t *testing.T) {
	s, _ := meetNode(t, "echo", true, nil)
	e := newEchoed(s)
	for i := range 300 {
		name := fmt.Sprint("cancel ", i)
		answer := e.expect(name)
		c, err := s.Open(t.Context(), []byte(name))
		must(t, err)
		must(t, c.Write(t.Context(), []byte("x")))
		if i%3 == 0 {
			must(t, c.End())
		}
		in := <-answer
		if i%2 == 0 {
			wantItem(t, in.Producer(), "x")
		}
		in.Producer().Cancel(nil)
		if i%3 != 0 {
			must(t, c.End())
		}
	}
	must(t, e.roundTrip(t.Context(), "alive", 100))
	e.shutdown(t)
}

// echoed hands the answers that come to whoever waits for their metadata.
type echoed struct {
	s       *Session
	mu      sync.Mutex
	waiting map[string]chan *mux.Incoming
	done    chan struct{}
}

func newEchoed(s *Session) *echoed {
	e := &echoed{s: s, waiting: make(map[string]chan *mux.Incoming), done: make(chan struct{})}
	go func() {
		defer close(e.done)
		for {
			in, err := s.Accept(context.Background())
			if err != nil {
				return
			}
			e.mu.Lock()
			got := e.waiting[string(in.Metadata())]
			delete(e.waiting, string(in.Metadata()))
			e.mu.Unlock()
			got <- in
		}
	}()
	return e
}

func (e *echoed) expect(name string) chan *mux.Incoming {
	got := make(chan *mux.Incoming, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting[name] = got
	return got
}

// roundTrip writes n items to a new stream and reads them back.
func (e *echoed) roundTrip(ctx context.Context, name string, n int) error {
	answer := e.expect(name)
	c, err := e.s.Open(ctx, []byte(name))
	if err != nil {
		return err
	}
	wrote := make(chan error, 1)
	go func() {
		for i := range n {
			if err := c.Write(ctx, fmt.Appendf(nil, "%s %d", name, i)); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- c.End()
	}()
	i := 0
	for item, err := range (<-answer).Producer().All(ctx) {
		if want := fmt.Sprintf("%s %d", name, i); err != nil || string(item) != want {
			return fmt.Errorf("got %q, %v, want %q", item, err, want)
		}
		i++
	}
	if i != n {
		return fmt.Errorf("%s: %d items came back of %d", name, i, n)
	}
	return <-wrote
}

// shutdown ends the session, which loses nothing.
func (e *echoed) shutdown(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	must(t, e.s.Shutdown(ctx))
	<-e.done
}
