package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// call opens a call and takes its answer.
func call(ctx context.Context, t *testing.T, s *mux.Session, metadata []byte) *mux.Duplex[[]byte, []byte] {
	t.Helper()
	c, err := s.Call(ctx, metadata)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Metadata(ctx)
	if err != nil || !bytes.Equal(got, metadata) {
		t.Fatalf("the answer has the metadata %q, %v, not %q", got, err, metadata)
	}
	return c
}

func wantItem(ctx context.Context, t *testing.T, p *omni.Producer[[]byte], want string) {
	t.Helper()
	if got, err := p.Next(ctx); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func write(ctx context.Context, t *testing.T, c *omni.Consumer[[]byte], items ...string) {
	t.Helper()
	for _, item := range items {
		if err := c.Write(ctx, []byte(item)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantError checks code and reason of a stream that the peer broke off.
func wantError(t *testing.T, err error, code omni.Code, reason string) {
	t.Helper()
	var se *omni.StreamError
	if !errors.As(err, &se) || se.Code != code || se.Reason != reason || !se.Remote {
		t.Fatalf("got %v, want code %d with %q from the peer", err, code, reason)
	}
}

func TestEcho(t *testing.T) {
	urls := map[string]string{
		"ws": "ws://127.0.0.1:0/echo", "tcp": "tcp://127.0.0.1:0",
		"unix": "unix:" + filepath.ToSlash(filepath.Join(t.TempDir(), "s")),
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "echo", "--listen", url)
			ctx, s := client(t, p.url(), nil)
			echoConforms(ctx, t, s)
			if onUnix() {
				echoDrains(ctx, t, s, p)
			}
		})
	}
}

// A page of another host is let in by --origin alone.
func TestEchoOrigins(t *testing.T) {
	p := start(t, "echo", "--listen", "ws://127.0.0.1:0/", "--origin", "app.example:*")
	for origin, want := range map[string]int{
		"http://app.example:8080": http.StatusSwitchingProtocols, "http://other.example": http.StatusForbidden,
	} {
		req, err := http.NewRequest("GET", "http"+strings.TrimPrefix(p.url(), "ws"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Origin": origin,
			"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OTAxMjM0NQ==",
		} {
			req.Header.Set(name, value)
		}
		answer, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("a page of %s is answered %s, not %d", origin, answer.Status, want)
		}
	}
	if code, _, stderr := runTool(t, "echo", "--listen", "tcp://127.0.0.1:0", "--origin", "x"); code != exitUsage {
		t.Errorf("--origin with TCP exits with %d: %s", code, stderr)
	}
}

// echoConforms is what everybody may expect of omni echo.
func echoConforms(ctx context.Context, t *testing.T, s *mux.Session) {
	t.Helper()
	long := blob("long", 200_000)
	c := call(ctx, t, s, []byte("any \xff\x00 bytes"))
	write(ctx, t, c.Out, "one", "", long)
	wantItem(ctx, t, c.In, "one")
	wantItem(ctx, t, c.In, "")
	wantItem(ctx, t, c.In, long)
	if err := c.Out.End(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.In.Next(ctx); err != io.EOF {
		t.Fatalf("after END: %v", err)
	}

	c = call(ctx, t, s, nil) // FAIL comes back as FAIL, behind the items
	write(ctx, t, c.Out, "before")
	c.Out.Cancel(&omni.StreamError{Code: 300, Reason: "no more of it"})
	wantItem(ctx, t, c.In, "before")
	_, err := c.In.Next(ctx)
	wantError(t, err, 300, "no more of it")

	c = call(ctx, t, s, []byte("{}")) // CLOSE of the answer is CLOSE of the call
	write(ctx, t, c.Out, "x")
	wantItem(ctx, t, c.In, "x")
	c.In.Cancel(&omni.StreamError{Code: 301, Reason: "enough"})
	select {
	case <-c.Out.Done():
	case <-ctx.Done():
		t.Fatal("the call goes on")
	}
	wantError(t, c.Out.Err(), 301, "enough")

	one, err := s.Open(ctx, []byte("one way"))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-one.Done():
	case <-ctx.Done():
		t.Fatal("a one-way stream is taken")
	}
	if !errors.Is(one.Err(), omni.ErrRefused) {
		t.Errorf("a one-way stream: %v", one.Err())
	}
}

// echoDrains ends the process while a call lives, which comes to its end.
func echoDrains(ctx context.Context, t *testing.T, s *mux.Session, p *process) {
	t.Helper()
	c := call(ctx, t, s, []byte("last"))
	write(ctx, t, c.Out, "a")
	wantItem(ctx, t, c.In, "a")
	p.signal(syscall.SIGTERM)
	for { // until it says that it takes no more
		another, err := s.Call(ctx, nil)
		if errors.Is(err, omni.ErrShuttingDown) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		another.Out.Cancel(nil)
		another.In.Cancel(nil)
	}
	write(ctx, t, c.Out, "b")
	wantItem(ctx, t, c.In, "b")
	if err := c.Out.End(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.In.Next(ctx); err != io.EOF {
		t.Fatal(err)
	}
	p.want(exitOK)
	if p.stderr.String() != "" {
		t.Errorf("it says %q", p.stderr)
	}
}

func TestEchoIsNotAheadOfItsReader(t *testing.T) {
	p := start(t, "echo", "--listen", "tcp://127.0.0.1:0")
	ctx, s := client(t, p.url(), &mux.Options{Prefetch: -1})
	c := call(ctx, t, s, nil)
	// Nothing was asked for, so nothing may be written.
	blocked := func(when string) {
		t.Helper()
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := c.Out.Write(short, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: %v, want to wait", when, err)
		}
	}
	blocked("before any request")
	c.In.Request(3)
	write(ctx, t, c.Out, "1", "2", "3")
	blocked("after the three that were asked for")
	for _, want := range []string{"1", "2", "3"} {
		wantItem(ctx, t, c.In, want)
	}
	blocked("after they were read")
	c.In.Request(1)
	write(ctx, t, c.Out, "4")
	wantItem(ctx, t, c.In, "4")
}

func TestEchoOverStdio(t *testing.T) {
	p := tool(t, "echo", "--listen", "stdio:")
	ours, theirs := pipePair(t)
	back, ours2 := pipePair(t)
	p.cmd.Stdin, p.cmd.Stdout = ours, ours2
	p.begin()
	ours.Close()
	ours2.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := transport.Dial(ctx, "stdio:", &transport.Options{Stdin: back, Stdout: theirs})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mux.New(conn, nil)
	if err != nil {
		t.Fatal(err)
	}
	echoConforms(ctx, t, s)
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	p.want(exitOK) // its only connection is over
	if got := p.stderr.String(); got != "listening on stdio:\n" {
		t.Errorf("it says %q", got)
	}
}

func TestEchoConnects(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l, err := transport.Listen(ctx, "ws://127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, "echo", "--connect", l.URL())
	conn, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mux.New(conn, nil)
	if err != nil {
		t.Fatal(err)
	}
	echoConforms(ctx, t, s)
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	p.want(exitOK)
}

func TestEchoStopsWhileNobodyIsThere(t *testing.T) {
	if !onUnix() {
		return
	}
	p := start(t, "echo", "--listen", "ws://127.0.0.1:0")
	p.url()
	p.signal(syscall.SIGTERM)
	p.want(exitOK)
}

func TestW10EchoTellsWhyASessionFailed(t *testing.T) {
	const says = "the other side does not keep to the protocol: "
	p := tool(t, "echo", "--listen", "stdio:")
	p.cmd.Stdin = strings.NewReader("GET / HTTP/1.1\r\n\r\n")
	p.cmd.Stdout = io.Discard
	p.begin()
	p.want(exitFailure)
	if line := lastLine(t, p); !strings.HasPrefix(line, "omni echo: "+says) {
		t.Errorf("it says %q", line)
	}

	p = start(t, "echo", "--listen", "tcp://127.0.0.1:0")
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url(), "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "\x00\x00\x00\x01x"); err != nil {
		t.Fatal(err)
	}
	p.await(p.stderr, regexp.MustCompile("omni echo: warning: ("+says+")"))
	ctx, s := client(t, p.url(), nil) // others are served still
	echoConforms(ctx, t, s)
}
