package conform

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The opcodes and the bit of a WebSocket's frames that the cases use.
const (
	wsContinue = 0
	wsText     = 1
	wsBinary   = 2
	wsClose    = 8
	wsFinal    = 0x80
)

// webSocket is a WebSocket by hand: no library sends what it must not.
type webSocket struct {
	p     *peer
	conn  net.Conn
	in    *bufio.Reader
	reply *http.Response
}

// webSocket makes another connection, with these headers in its request. The
// caller closes it.
func (p *peer) webSocket(headers ...string) *webSocket {
	if !p.web {
		p.skip("this transport is no WebSocket")
	}
	if p.at.listener != nil {
		p.skip("the echo is the client")
	}
	u := p.at.url
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme])
	}
	d := net.Dialer{}
	conn, err := d.DialContext(p.ctx, "tcp", host)
	if err != nil {
		p.fail("", "there is no second connection: %v", err)
	}
	if u.Scheme == "wss" {
		cfg := &tls.Config{}
		if p.at.tls != nil {
			cfg = p.at.tls.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName = u.Hostname()
		}
		conn = tls.Client(conn, cfg)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * max(p.wait, 2*time.Second))) // it is a socket
	w := &webSocket{p: p, conn: conn, in: bufio.NewReader(conn)}
	lines := append([]string{"GET " + u.RequestURI() + " HTTP/1.1", "Host: " + u.Host, "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: b21uaXN0cmVhbXMgMSAgIA=="}, headers...)
	_, _ = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n") // an error shows in the reply
	if w.reply, err = http.ReadResponse(w.in, nil); err != nil || w.reply.StatusCode != http.StatusSwitchingProtocols {
		_ = conn.Close()
		p.fail("transports", "the echo takes no WebSocket with %q: %v", headers, err)
	}
	return w
}

// send sends a frame; the mask of zeros leaves the payload as it is.
func (w *webSocket) send(first byte, payload []byte) {
	h := []byte{first, 0x80 | 126}
	h = binary.BigEndian.AppendUint16(h, uint16(len(payload)))
	if len(payload) < 126 {
		h = []byte{first, 0x80 | byte(len(payload))}
	}
	h = append(h, 0, 0, 0, 0)
	w.p.note(">  WebSocket frame %#02x with %d bytes", first, len(payload))
	_, _ = w.conn.Write(append(h, payload...)) // an error shows in what comes back
}

// next is the next frame of the echo.
func (w *webSocket) next() (opcode byte, payload []byte) {
	var h [2]byte
	_, err := io.ReadFull(w.in, h[:])
	n := int(h[1] & 0x7f)
	if err == nil && n == 126 {
		var long [2]byte
		_, err = io.ReadFull(w.in, long[:])
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	if err == nil {
		payload = make([]byte, n)
		_, err = io.ReadFull(w.in, payload)
	}
	if err != nil {
		w.p.fail("transports", "want a frame of the WebSocket: %v", err)
	}
	w.p.note("<  WebSocket frame %#02x %.60x", h[0], payload)
	return h[0] & 0x0f, payload
}

// wantStatus reads up to the close frame and wants this status in it. It
// returns the last binary message before.
func (w *webSocket) wantStatus(status uint16) (last []byte) {
	for {
		switch opcode, payload := w.next(); opcode {
		case wsBinary:
			last = payload
		case wsClose:
			if len(payload) < 2 || binary.BigEndian.Uint16(payload) != status {
				w.p.fail("transports", "the WebSocket is closed with %x, not with the status %d", payload, status)
			}
			return last
		}
	}
}

// wantFrame reads up to a frame of the protocol with this type.
func (w *webSocket) wantFrame(typ byte) frame {
	for {
		opcode, msg := w.next()
		if opcode == wsClose {
			w.p.fail("transports", "want %s; the WebSocket is closed with %x", typeNames[typ], msg)
		}
		for opcode == wsBinary && len(msg) > 0 {
			f, rest, err := cut(msg)
			if err != nil {
				w.p.fatal(err)
			}
			if f.typ == typ {
				return f
			}
			msg = rest
		}
	}
}
