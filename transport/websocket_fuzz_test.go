package transport_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

// FuzzWebSocket gives a Conn any bytes as a client's frames, behind a real
// handshake with an http.Server on a pipe; or, if valid, what the bytes say as
// frames in order. Recv hands out what RFC 6455 finds in them and ends as it
// says, pings are answered, Send works while the connection does, and Close
// returns in time. There is no goroutine left, or the bubble would not end.
func FuzzWebSocket(f *testing.F) {
	hello := maskedFrame(final|binaryFrame, 0x01020304, "hello")
	for _, wire := range []string{
		hello + hello,
		maskedFrame(binaryFrame, 7, "he") + maskedFrame(final|ping, 0, "p") + maskedFrame(continuation, 9, "") + maskedFrame(final|continuation, 0, "llo"),
		hello + maskedFrame(final|closing, 0, closePayload(1000, "bye")) + hello,
		maskedFrame(final|closing, 5, closePayload(4000, "why")),
		maskedFrame(final|closing, 5, closePayload(1001, "away")),
		maskedFrame(final|closing, 5, ""),
		maskedFrame(final|text, 5, "hello"),
		maskedFrame(final|binaryFrame, 5, ""),
		maskedFrame(final|binaryFrame, 5, strings.Repeat("x", 200)),
		"\x82\x05hello",
		"\xc2\x80\x00\x00\x00\x00",
		"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00abc",
		"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00abc",
		"\x89\xfe\x00\x7e\x00\x00\x00\x00abc",
		hello[:8],
	} {
		f.Add([]byte(wire), false, false, uint16(100))
		f.Add([]byte(wire), false, true, uint16(100))
	}
	f.Add([]byte{5, 0, 40, 2, 9, 200, 3, 80, 255, 6, 1}, true, false, uint16(1000))
	f.Add([]byte{3, 1, 255, 7}, true, true, uint16(1000))
	f.Fuzz(func(t *testing.T, wire []byte, valid, cut bool, limit uint16) {
		if len(wire) > 4<<10 || valid && len(wire) > 32 {
			return // more of the same
		}
		var msgs []string
		if valid {
			wire, msgs = framesInOrder(wire)
			limit = 1 << 15
		}
		want := readFrames(wire, max(1, int(limit)))
		if valid && !slices.Equal(want.msgs, msgs) {
			t.Fatalf("the test itself reads %q of %x, not %q", want.msgs, wire, msgs)
		}
		synctest.Test(t, func(t *testing.T) { playFrames(t, wire, want, cut, max(1, int(limit))) })
	})
}

// maskedFrame is a frame of a client.
func maskedFrame(first byte, mask uint32, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := binary.BigEndian.AppendUint32(nil, mask)
	b = append(b, key...)
	for i := range payload {
		b = append(b, payload[i]^key[i%4])
	}
	return string(b)
}

// framesInOrder makes messages of bytes, in fragments with pings between them.
func framesInOrder(program []byte) (wire []byte, msgs []string) {
	for i, b := range program {
		msg := strings.Repeat(string(rune('a'+i%26)), 1+int(b)*int(b)/16)
		msgs = append(msgs, msg)
		op, pieces := byte(binaryFrame), int(b%5)
		for ; pieces > 0; pieces-- {
			n := len(msg) * (pieces % 2) / 2 // now and then none
			wire = append(wire, maskedFrame(op, uint32(b)*0x01030507, msg[:n])...)
			wire = append(wire, maskedFrame(final|[]byte{ping, pong}[b&1], uint32(i), msg[:min(n, 125)])...)
			op, msg = continuation, msg[n:]
		}
		wire = append(wire, maskedFrame(final|op, uint32(i), msg)...)
	}
	return wire, msgs
}

// reading is what a reader of frames finds.
type reading struct {
	msgs  []string // that are whole, in order, and come before anything else
	pings []string // that come before the end
	end   string   // "cut", "fault", "closed", "text", "empty" or "long"
	code  int      // of "closed"; 1005 for none
	why   string
}

// readFrames reads a client's frames by RFC 6455.
func readFrames(b []byte, limit int) (r reading) {
	r.end = "cut"
	var msg []byte
	inside := false
	for {
		h, payload, whole := cutHeader(b)
		switch {
		case h.fault(inside):
			r.end = "fault"
			return r
		case !h.known:
			return r
		case h.op == text:
			r.end = "text"
			return r
		case h.op < closing && len(msg)+len(payload) > limit:
			r.end = "long"
			return r
		case !whole:
			return r
		}
		b = b[h.size+len(payload):]
		switch h.op {
		case ping:
			r.pings = append(r.pings, string(payload))
		case closing:
			r.close(payload)
			return r
		case continuation, binaryFrame:
			msg = append(msg, payload...)
			if inside = !h.final; inside {
				continue
			}
			if len(msg) == 0 {
				r.end = "empty"
				return r
			}
			r.msgs, msg = append(r.msgs, string(msg)), nil
		}
	}
}

// close reads the payload of a close frame.
func (r *reading) close(payload []byte) {
	r.end, r.code = "closed", 1005
	if len(payload) == 0 {
		return
	}
	r.end = "fault"
	if len(payload) < 2 {
		return
	}
	r.code, r.why = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
	switch c := r.code; {
	case c >= 1000 && c <= 1014 && c != 1004 && c != 1005 && c != 1006, c >= 3000 && c < 5000:
		r.end = "closed"
	}
}

// frameHeader is that of a client's frame, as far as it is there.
type frameHeader struct {
	known  bool // all of it is there
	op     byte
	final  bool
	rsv    bool
	masked bool
	length uint64
	size   int // of the header
}

// fault says what is wrong whatever follows: a frame may be so before all of
// it is there, but not before its header is.
func (h frameHeader) fault(inside bool) bool {
	if h.length >= 1<<63 {
		return true // before the mask
	}
	switch {
	case !h.known:
		return false
	case h.rsv, !h.masked, h.op > binaryFrame && h.op < closing, h.op > pong:
		return true
	case h.op >= closing:
		return !h.final || h.length > 125
	}
	return inside != (h.op == continuation)
}

// cutHeader takes a header off, and what is there of the payload.
func cutHeader(b []byte) (h frameHeader, payload []byte, whole bool) {
	if len(b) < 2 {
		return h, nil, false
	}
	h = frameHeader{op: b[0] & 15, final: b[0]&final != 0, rsv: b[0]&0x70 != 0, masked: b[1]&0x80 != 0, size: 2}
	more := map[byte]int{126: 2, 127: 8}[b[1]&0x7f]
	if len(b) < 2+more {
		return h, nil, false
	}
	if h.length = uint64(b[1] & 0x7f); more > 0 {
		h.length = 0
		for _, c := range b[2 : 2+more] {
			h.length = h.length<<8 | uint64(c)
		}
	}
	h.size += more
	var key [4]byte
	if h.masked {
		if len(b) < h.size+4 {
			return h, nil, false
		}
		copy(key[:], b[h.size:])
		h.size += 4
	}
	h.known = true
	payload = bytes.Clone(b[h.size:][:min(uint64(len(b)-h.size), h.length)])
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return h, payload, uint64(len(payload)) == h.length
}

// oneConn is a listener with a single connection.
type oneConn struct {
	conn chan net.Conn
	once sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conn; ok {
		return c, nil
	}
	return nil, io.EOF
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.conn) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// playFrames sends the wire's bytes to a Conn and holds it to what is wanted.
func playFrames(t *testing.T, wire []byte, want reading, cut bool, limit int) {
	client, there := net.Pipe()
	l := &oneConn{conn: make(chan net.Conn, 1)}
	l.conn <- there
	conns, free := make(chan transport.Conn), make(chan struct{})
	srv := http.Server{Handler: transport.Handler(nil, func(c transport.Conn) { conns <- c; <-free })}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { _ = srv.Serve(l) }) // until l is closed
	defer l.Close()
	defer client.Close()
	defer close(free)
	fmt.Fprintf(client, "GET / HTTP/1.1\r\nHost: test\r\n%s\r\n\r\n", strings.Join(upgrade, "\r\n"))
	r := bufio.NewReader(client)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	conn := <-conns
	conn.(transport.Limiter).SetReadLimit(limit)
	heard := make(chan []byte, 1)
	all.Go(func() {
		b, _ := io.ReadAll(r) // until the connection ends
		heard <- b
	})
	var sent sync.WaitGroup
	sent.Go(func() { client.Write(wire) }) // unless the Conn ends before
	got := make(chan recvd, 1)
	all.Go(func() { got <- recvAll(conn) })
	synctest.Wait()
	var rest []string
	if want.end == "cut" {
		if err := conn.Send(bg, []byte("still here")); err != nil {
			t.Fatalf("Send on a connection that works: %v", err)
		}
		rest = append(rest, "still here")
	}
	if cut {
		client.Close()
		synctest.Wait()
	}
	began := time.Now()
	conn.Close()
	if took := time.Since(began); took > 1100*time.Millisecond {
		t.Errorf("Close took %v", took)
	}
	checkRecvd(t, <-got, want, cut, limit)
	if err := conn.Send(bg, []byte("x")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	client.Close()
	sent.Wait()
	checkHeard(t, <-heard, want, rest)
}

// recvd is what a Conn has received, and how that ended.
type recvd struct {
	msgs []string
	err  error
}

func recvAll(conn transport.Conn) (r recvd) {
	for {
		msg, err := conn.Recv(bg)
		if err != nil {
			r.err = err
			return r
		}
		r.msgs = append(r.msgs, string(msg))
	}
}

func checkRecvd(t *testing.T, got recvd, want reading, cut bool, limit int) {
	if !slices.Equal(got.msgs, want.msgs) {
		t.Errorf("received %q, want %q", got.msgs, want.msgs)
	}
	var long *transport.TooLongError
	var closed *transport.CloseError
	err, ok := got.err, false
	switch want.end {
	case "cut":
		ok = errors.Is(err, transport.ErrClosed)
		if cut {
			ok = errors.Is(err, io.ErrUnexpectedEOF)
		}
	case "fault":
		ok = err != io.EOF && !errors.As(err, &closed)
	case "closed":
		ok = errors.As(err, &closed) && closed.Status == want.code && closed.Reason == want.why
		if want.code == 1000 {
			ok = err == io.EOF
		}
	case "text":
		ok = strings.Contains(err.Error(), "1003") || errors.Is(err, transport.ErrClosed)
	case "empty":
		ok = errors.Is(err, transport.ErrEmpty)
	case "long":
		ok = errors.As(err, &long) && long.Limit == int64(limit) && long.Size == int64(limit)+1
	}
	if !ok {
		t.Errorf("Recv ends with %v, want %q, status %d, reason %q", err, want.end, want.code, want.why)
	}
}

// checkHeard holds what the Conn has sent to RFC 6455: a pong for each ping in
// turn, the messages, and at last one close frame at the most. Where the Conn
// hands out nothing more, the library still reads: it may answer what it finds
// there, and say a close frame for each fault.
func checkHeard(t *testing.T, b []byte, want reading, msgs []string) {
	pongs, closes := want.pings, 0
	reads := want.end != "cut" && want.end != "closed"
	for len(b) > 0 {
		h, payload, whole := cutHeader(b)
		if !whole {
			return // the pipe was closed
		}
		b = b[h.size+len(payload):]
		ok := !h.masked && h.final && !h.rsv && (h.op < closing || len(payload) < 126)
		ok = ok && (closes == 0 || reads && h.op >= closing)
		switch h.op {
		case pong:
			ok = ok && (len(pongs) == 0 && reads || len(pongs) > 0 && string(payload) == pongs[0])
			pongs = pongs[min(1, len(pongs)):]
		case binaryFrame:
			ok = ok && len(msgs) > 0 && string(payload) == msgs[0]
			msgs = msgs[min(1, len(msgs)):]
		case closing:
			closes++
		default:
			ok = false
		}
		if !ok {
			t.Errorf("it sent a frame %+v %q", h, payload)
		}
	}
	if len(pongs) > 0 && want.end != "text" || len(msgs) > 0 {
		t.Errorf("not sent: pongs %q, messages %q", pongs, msgs)
	}
}
