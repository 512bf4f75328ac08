package npm09

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	removePackages()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // fuzzing has goroutines of its own
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		fmt.Fprintf(os.Stderr, "%d goroutines are left, %d were there before:\n%s", n, before, stacks)
		code = max(code, 1)
	}
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%s: got %v, want %v", what, err, target)
	}
}

// rawPeer plays the peer of a session by hand, message by message, in a
// bubble: "nothing more comes" is exact there.
type rawPeer struct {
	t    testing.TB
	conn transport.Conn
	done chan struct{} // the session has closed the connection

	mu  sync.Mutex
	got []string // messages, not looked at yet
}

// meet starts a session and returns it with its raw peer.
func meet(t testing.TB, opt *Options) (*Session, *rawPeer) {
	t.Helper()
	ca, cb := transport.Pair()
	s, err := New(ca, opt)
	must(t, err)
	p := &rawPeer{t: t, conn: cb, done: make(chan struct{})}
	go p.read()
	t.Cleanup(func() {
		cb.Close()
		s.Close()
		<-p.done
	})
	return s, p
}

func (p *rawPeer) read() {
	defer close(p.done)
	for {
		msg, err := p.conn.Recv(context.Background())
		if err != nil {
			return
		}
		p.mu.Lock()
		p.got = append(p.got, string(msg))
		p.mu.Unlock()
	}
}

// send sends messages.
func (p *rawPeer) send(msgs ...string) {
	p.t.Helper()
	for _, msg := range msgs {
		if err := p.conn.Send(p.t.Context(), []byte(msg)); err != nil {
			p.t.Fatalf("sending %.40q: %v", msg, err)
		}
	}
}

// want takes exactly these messages, and nothing else may have come when all
// is quiet.
func (p *rawPeer) want(why string, msgs ...string) {
	p.t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if fmt.Sprintf("%q", p.got) != fmt.Sprintf("%q", msgs) {
		p.t.Fatalf("%s: got %.300q, want %.300q", why, p.got, msgs)
	}
	p.got = nil
}

// frame makes a message.
func frame(typ byte, stream uint8, rest string) string {
	return string([]byte{typ, stream}) + rest
}

func create(k uint8, metadata string) string { return frame(npmCreate, k, metadata) }
func data(k uint8, item string) string       { return frame(npmData, k, item) }
func end(k uint8) string                     { return frame(npmEnd, k, "") }
func terminate(k uint8) string               { return frame(npmTerminate, k, "") }
func request(k uint8, n byte) string         { return frame(npmRequest, k, string([]byte{n})) }

// pure are options without a prefetch: what is requested is what the test
// requests.
func pure() *Options { return &Options{Options: mux.Options{Prefetch: -1}} }

func open(t testing.TB, s *Session, metadata string) *omni.Consumer[[]byte] {
	t.Helper()
	c, err := s.Open(t.Context(), []byte(metadata))
	must(t, err)
	return c
}

func accept(t testing.TB, s *Session) *mux.Incoming {
	t.Helper()
	in, err := s.Accept(t.Context())
	must(t, err)
	return in
}

func wantItem(t testing.TB, p *omni.Producer[[]byte], want string) {
	t.Helper()
	if v, err := p.Next(t.Context()); err != nil || string(v) != want {
		t.Fatalf("read %.40q, %v, want %.40q", v, err, want)
	}
}
