package transport

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
)

// serveWebSocket runs an HTTP server whose only page is the WebSocket.
//
// The server runs a goroutine for each connection and does not join them. What it tells about their
// states does it here: a new one takes a slot and a place in wg, and gives both back when it is
// closed, or, if it has become a WebSocket, when the handler has delivered it.
func (l *Listener) serveWebSocket(a address, o Options) {
	path := a.EscapedPath()
	if path == "" {
		path = "/"
	}
	srv := &http.Server{
		ReadTimeout:    handshakeTimeout, // TLS handshake and request; a WebSocket is free of both
		WriteTimeout:   handshakeTimeout,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       log.New(io.Discard, "", 0),
		TLSNextProto:   map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.EscapedPath() != path {
				http.NotFound(w, r)
				return
			}
			c, err := Accept(w, r, &o)
			if err != nil {
				return // the client was told
			}
			defer l.leave()
			l.deliver(c)
		}),
		ConnState: func(nc net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew: // on the goroutine of Serve: this holds up nobody but newcomers
				l.wg.Add(1)
				l.acquire()
				select {
				case <-l.done: // the server may not know of it yet when it closes the others
					nc.Close()
				default:
				}
			case http.StateClosed:
				l.leave()
			}
		},
	}
	srv.SetKeepAlivesEnabled(false) // one connection, one request: none sits idle on a slot
	l.stop = func() {
		// Its error is that of closing ln, which is closed.
		_ = srv.Close()
	}
	ln := l.ln
	if a.Scheme == "wss" {
		ln = tls.NewListener(ln, o.tlsFor("http/1.1"))
	}
	l.wg.Go(func() {
		// Serve waits by itself when the process is short of files.
		err := srv.Serve(ln)
		l.fail(err)
	})
}

func (l *Listener) leave() {
	// After Close there may be connections that came without a slot.
	select {
	case <-l.slots:
	default:
	}
	l.wg.Done()
}
