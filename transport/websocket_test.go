package transport_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

// rawClient is a WebSocket client that does what a test says, byte by byte.
type rawClient struct {
	net.Conn
	r *bufio.Reader
}

// dialRaw connects to a ws listener; it asks for the path with the given header lines.
func dialRaw(t *testing.T, l *transport.Listener, path string, header ...string) (*rawClient, *http.Response) {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	c := &rawClient{nc, bufio.NewReader(nc)}
	fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", path, l.Addr(), strings.Join(header, "\r\n"))
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return c, resp
}

var upgrade = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: other, omni.1",
}

// raw is a raw client and the Conn that was accepted for it.
func raw(t *testing.T) (*rawClient, transport.Conn) {
	t.Helper()
	l := listen(t, "ws://127.0.0.1:0")
	c, resp := dialRaw(t, l, "/", upgrade...)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	conn, err := l.Accept(bg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close() // first: it would not answer
		conn.Close()
	})
	return c, conn
}

// The first byte of a frame: the operation, and whether it is the last of its message.
const (
	final        = 0x80
	continuation = 0
	text         = 1
	binaryFrame  = 2
	closing      = 8
	ping         = 9
	pong         = 10
)

// write sends a frame of up to 125 bytes with a mask of zeros.
func (c *rawClient) write(first byte, payload string) {
	// If it fails, what is read next shows it.
	io.WriteString(c, string([]byte{first, final | byte(len(payload)), 0, 0, 0, 0})+payload)
}

func closePayload(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// read returns the next frame that the Conn sent.
func (c *rawClient) read() (first byte, payload string, err error) {
	var h [2]byte
	if _, err = io.ReadFull(c.r, h[:]); err != nil {
		return 0, "", err
	}
	p := make([]byte, h[1]&0x7f)
	_, err = io.ReadFull(c.r, p)
	return h[0], string(p), err
}

func (c *rawClient) want(t *testing.T, first byte, payload string) {
	t.Helper()
	f, p, err := c.read()
	if err != nil || f != first || p != payload {
		t.Errorf("frame %#x %q, %v; want %#x %q", f, p, err, first, payload)
	}
}

// wantEnd reads until the connection ends, which a deadline does not do.
func (c *rawClient) wantEnd(t *testing.T) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c.r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection goes on after the close")
	}
}

// Only a close with 1000 is a clean end.
func TestWebSocketN13Status(t *testing.T) {
	for code, want := range map[uint16]string{
		1000: "EOF",
		1001: `transport: the peer closed with status 1001, reason "why"`,
		1002: `transport: the peer closed with status 1002, reason "why"`,
		1009: `transport: the peer closed with status 1009, reason "why"`,
		1011: `transport: the peer closed with status 1011, reason "why"`,
		4000: `transport: the peer closed with status 4000, reason "why"`,
	} {
		c, conn := raw(t)
		c.write(final|binaryFrame, "last")
		c.write(final|closing, closePayload(code, "why"))
		if msg, err := conn.Recv(bg); string(msg) != "last" || err != nil {
			t.Errorf("%d: Recv: %q, %v", code, msg, err)
		}
		for range 2 {
			if _, err := conn.Recv(bg); err == nil || err.Error() != want {
				t.Errorf("%d: Recv: %v, want %s", code, err, want)
			}
		}
		c.want(t, final|closing, closePayload(code, "why"))
	}

	t.Run("no status", func(t *testing.T) {
		c, conn := raw(t)
		c.write(final|closing, "")
		if _, err := conn.Recv(bg); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Recv: %v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		c, conn := raw(t)
		c.Close()
		if _, err := conn.Recv(bg); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Recv: %v", err)
		}
	})
}

// A message that is cut anywhere is never handed out.
func TestWebSocketW01Cut(t *testing.T) {
	long := strings.Repeat("x", 20<<10)
	whole := string([]byte{final | binaryFrame, final | 126, 20 << 10 >> 8, 0, 0, 0, 0, 0}) + long
	fragments := string([]byte{binaryFrame, final | 100, 0, 0, 0, 0}) + long[:100] +
		string([]byte{final | continuation, final | 50, 0, 0, 0, 0}) + long[:50]
	cuts := map[string]string{}
	for _, n := range []int{1, 2, 7, 8, 9, 8 + 4<<10, 8 + 8<<10, 8 + 16<<10, 8 + 19<<10} {
		cuts[fmt.Sprintf("message, %d", n)] = whole[:n]
	}
	for _, n := range []int{1, 6, 7, 106, 107, 112, 161} {
		cuts[fmt.Sprintf("fragments, %d", n)] = fragments[:n]
	}
	for name, wire := range cuts {
		c, conn := raw(t)
		c.write(final|binaryFrame, "first")
		io.WriteString(c, wire)
		c.Close()
		if msg, err := conn.Recv(bg); string(msg) != "first" || err != nil {
			t.Errorf("%s: Recv: %q, %v", name, msg, err)
		}
		if msg, err := conn.Recv(bg); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: Recv: %d bytes, %v", name, len(msg), err)
		}
		conn.Close()
	}
}

func TestWebSocketN13Text(t *testing.T) {
	c, conn := raw(t)
	c.write(final|text, "hello")
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.want(t, final|closing, closePayload(1003, "binary messages only"))
		c.write(final|closing, closePayload(1003, ""))
	}()
	_, err := conn.Recv(bg)
	if err == nil || !strings.Contains(err.Error(), "1003") {
		t.Errorf("Recv of text: %v", err)
	}
	if again := conn.Send(bg, []byte("x")); again != err {
		t.Errorf("Send after it: %v, want %v", again, err)
	}
	<-closed
}

// A ping in the middle of a message is answered and does no harm to it.
func TestWebSocketN13PingInMessage(t *testing.T) {
	c, conn := raw(t)
	c.write(binaryFrame, "one, ")
	c.write(final|ping, "there?")
	c.write(continuation, "two, ")
	c.write(final|continuation, "three")
	if msg, err := conn.Recv(bg); string(msg) != "one, two, three" || err != nil {
		t.Errorf("Recv: %q, %v", msg, err)
	}
	c.want(t, final|pong, "there?")
}

func TestWebSocketW02EmptyMessage(t *testing.T) {
	c, conn := raw(t)
	c.write(final|binaryFrame, "")
	if _, err := conn.Recv(bg); !errors.Is(err, transport.ErrEmpty) {
		t.Errorf("Recv: %v, want ErrEmpty", err)
	}
	if err := conn.Send(bg, []byte("why")); err != nil {
		t.Errorf("Send: %v", err)
	}
	c.want(t, final|binaryFrame, "why")
}

// A frame that announces 2^62 bytes is refused by what comes of them, in little memory.
func TestWebSocketW03Announced(t *testing.T) {
	c, conn := raw(t)
	conn.(transport.Limiter).SetReadLimit(50 << 10)
	c.Write([]byte{final | binaryFrame, final | 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.Write(make([]byte, 60<<10))
	}()
	var err error
	if n := allocated(func() { _, err = conn.Recv(bg) }); n > 512<<10 {
		t.Errorf("%d bytes allocated", n)
	}
	var long *transport.TooLongError
	if !errors.As(err, &long) || long.Limit != 50<<10 {
		t.Errorf("Recv: %v, want a TooLongError", err)
	}
	<-sent
}

// The end says why, and cuts a reason that is too long at a rune.
func TestWebSocketCloseStatus(t *testing.T) {
	c, conn := raw(t)
	go func() {
		conn.(transport.StatusCloser).CloseStatus(1002, strings.Repeat("é", 100))
	}()
	c.want(t, final|closing, closePayload(1002, strings.Repeat("é", 61)))
	c.write(final|closing, closePayload(1002, ""))
	c.wantEnd(t)
}

// A peer that does not answer the close is cut off.
func TestWebSocketN12SilentPeer(t *testing.T) {
	c, conn := raw(t)
	if err := conn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	c.want(t, final|closing, closePayload(1000, ""))
	c.wantEnd(t)
}

// library is a WebSocket library's connection whose peer is silent. As in the real libraries, one
// at a time reads, Close among them, and only the end of a read's ctx, or a CloseNow that comes
// before Close, ends a call.
type library struct {
	reading chan struct{} // holds one while somebody reads
	dropped chan struct{}
	once    sync.Once // for dropped
}

func newLibrary() *library {
	return &library{reading: make(chan struct{}, 1), dropped: make(chan struct{})}
}

func (l *library) Reader(ctx context.Context) (int, io.Reader, error) {
	select {
	case l.reading <- struct{}{}:
		defer func() { <-l.reading }()
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	case <-l.dropped:
		return 0, nil, net.ErrClosed
	}
	select {
	case <-ctx.Done():
		_ = l.CloseNow()
	case <-l.dropped:
	}
	return 0, nil, net.ErrClosed
}

func (l *library) Write(context.Context, int, []byte) error {
	<-l.dropped
	return net.ErrClosed
}

func (l *library) Close(int, string) error {
	timeout := time.After(5 * time.Second)
	select {
	case l.reading <- struct{}{}:
		defer func() { <-l.reading }()
	case <-l.dropped:
		return nil
	case <-timeout:
		return nil
	}
	select {
	case <-l.dropped:
	case <-timeout:
	}
	return nil
}

func (l *library) CloseNow() error {
	l.once.Do(func() { close(l.dropped) })
	return nil
}

func (*library) SetReadLimit(int64) {}

// Close takes a second with any library, whether nobody calls or somebody hangs in a call.
func TestWebSocketN12CloseInTime(t *testing.T) {
	for name, calls := range map[string]func(transport.Conn){
		"no call": func(transport.Conn) {},
		"in Recv": func(c transport.Conn) { c.Recv(bg) },
		"in Send": func(c transport.Conn) { c.Send(bg, []byte("x")) },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := transport.FromWebSocket(newLibrary())
			go calls(c)
			synctest.Wait()
			start := time.Now()
			c.Close()
			if took := time.Since(start); took != time.Second {
				t.Errorf("%s: Close took %v", name, took)
			}
		})
	}
}

// Close waits for a Write that runs: the libraries lose what is written beside their Close.
func TestWebSocketClosesBehindSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &slowWriter{library: newLibrary()}
		c := transport.FromWebSocket(l)
		sent := make(chan error, 1)
		go func() { sent <- c.Send(bg, []byte("x")) }()
		synctest.Wait()
		c.Close()
		<-sent
		if l.order != "write, written, close" {
			t.Errorf("the library was called for %s", l.order)
		}
	})
}

type slowWriter struct {
	*library
	order string
}

func (l *slowWriter) Write(context.Context, int, []byte) error {
	l.order += "write"
	time.Sleep(time.Second / 2)
	l.order += ", written"
	return nil
}

func (l *slowWriter) Close(int, string) error {
	l.order += ", close"
	return l.CloseNow()
}

// What ends the library's Close early ends every call on the connection.
func TestWebSocketKill(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		l := listen(t, urls(t)[scheme])
		for _, side := range []string{"dialed", "accepted"} {
			dialed, accepted := connect(t, l)
			c := dialed
			if side == "accepted" {
				c = accepted
			}
			received := make(chan error, 1)
			go func() {
				_, err := c.Recv(bg)
				received <- err
			}()
			c.(interface{ Kill() }).Kill()
			if err := <-received; err == nil || errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: Recv: %v", scheme, side, err)
			}
			closeAll(dialed, accepted)
		}
	}
}

func TestWebSocketRequests(t *testing.T) {
	l, err := transport.Listen(bg, "ws://127.0.0.1:0/omni", &transport.Options{Origins: []string{"*.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	with := func(more ...string) []string { return append(more, upgrade...) }
	for _, c := range []struct {
		name   string
		path   string
		header []string
		status int
	}{
		{"another path", "/", with(), 404},
		{"a longer path", "/omni/x", with(), 404},
		{"no WebSocket", "/omni", nil, 426},
		{"a cut request", "/omni", upgrade[:3], 400},
		{"no web page", "/omni", with(), 101},
		{"a query", "/omni?token=1", with(), 101},
		{"a page of ours", "/omni", with("Origin: http://" + l.Addr().String()), 101},
		{"a page that is allowed", "/omni", with("Origin: https://www.example.com"), 101},
		{"another page", "/omni", with("Origin: https://example.org"), 403},
		{"no subprotocol", "/omni", upgrade[:4], 101},
	} {
		_, resp := dialRaw(t, l, c.path, c.header...)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", c.name, resp.Status, c.status)
		}
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("%s: extensions %q", c.name, got)
		}
		if c.status != 101 {
			continue
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); (got == "omni.1") != (len(c.header) > 4) {
			t.Errorf("%s: subprotocol %q", c.name, got)
		}
		conn, err := l.Accept(bg)
		if err != nil {
			t.Fatal(err)
		}
		go conn.Close() // the client does not answer
	}
}

// A server that does not know the subprotocol is none of ours.
func TestWebSocketForeignServer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Sec-WebSocket-Protocol")
		c, err := transport.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.Recv(bg)
		c.Close()
	}))
	defer srv.Close()
	_, err := transport.Dial(bg, "ws"+srv.URL[len("http"):], nil)
	if err == nil || !strings.Contains(err.Error(), "omni.1") {
		t.Errorf("Dial: %v", err)
	}
	c, err := transport.Dial(bg, "ws"+srv.URL[len("http"):], &transport.Options{NoSubprotocol: true})
	if err != nil {
		t.Fatalf("Dial without a subprotocol: %v", err)
	}
	c.Close()
}

// Without one a client that offers it is let in, and told that it was not chosen.
func TestWebSocketNoSubprotocol(t *testing.T) {
	l, err := transport.Listen(bg, "ws://127.0.0.1:0/", &transport.Options{NoSubprotocol: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = transport.Dial(bg, l.URL(), nil)
	if err == nil || !strings.Contains(err.Error(), "omni.1") {
		t.Errorf("Dial: %v", err)
	}
}

// A redirect could lead from TLS to none, so none is followed, and no secret of a URL is told.
func TestWebSocketRedirect(t *testing.T) {
	srv := httptest.NewServer(http.RedirectHandler("http://localhost:1/", http.StatusFound))
	defer srv.Close()
	_, err := transport.Dial(bg, "ws://user:secret@"+srv.URL[len("http://"):]+"/?token=secret", nil)
	if err == nil || !strings.Contains(err.Error(), "302") || strings.Contains(err.Error(), "secret") {
		t.Errorf("Dial: %v", err)
	}
}

func TestWebSocketHeader(t *testing.T) {
	got := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer srv.Close()
	header := http.Header{"Authorization": {"Bearer token"}}
	_, err := transport.Dial(bg, "ws"+srv.URL[len("http"):], &transport.Options{Header: header})
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("Dial: %v", err)
	}
	if got := <-got; got != "Bearer token" {
		t.Errorf("header %q", got)
	}
	if len(header) != 1 {
		t.Errorf("Options.Header was changed: %v", header)
	}
}
