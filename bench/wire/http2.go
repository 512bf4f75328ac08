package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"omnistreams.dev/bench/harness"
)

// http2Peer is net/http with HTTP/2 over plain TCP, a request and its response
// as the two halves of a stream and windows as large as it allows: what one stream may keep is less than what the connection may, or
// a stream that is not read would stop all.
func http2Peer(batched bool) peer {
	return peer{
		name: "HTTP/2" + manner(batched), kind: harness.Peer,
		source: "https://go.dev/src/net/http/",
		connect: func(tb testing.TB, l link, s settings) (client, server muxer) {
			cfg := &http.HTTP2Config{
				MaxConcurrentStreams:          max(1000, 2*s.streams),
				MaxReceiveBufferPerConnection: 4<<20 - 1,
				MaxReceiveBufferPerStream:     1 << 20,
			}
			if s.streams > 128 {
				cfg.MaxReadFrameSize = 16 << 10 // each request has a buffer of that size
			}
			return connectHTTP2(tb, l, cfg, s, batched)
		},
	}
}

// http2Defaults is the same with the settings that one gets.
var http2Defaults = peer{
	name: "HTTP/2, defaults", kind: harness.Peer, source: "https://go.dev/src/net/http/",
	connect: func(tb testing.TB, l link, s settings) (client, server muxer) {
		return connectHTTP2(tb, l, nil, s, false)
	},
}

func connectHTTP2(tb testing.TB, l link, cfg *http.HTTP2Config, s settings, batched bool) (client, server muxer) {
	a, b := l.conns(tb)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)

	sm := &http2Server{set: s, batched: batched, streams: make(chan *byteConn), quit: make(chan struct{}), served: make(chan struct{})}
	sm.srv = &http.Server{Handler: sm, Protocols: &protocols, HTTP2: cfg}
	go func() {
		defer close(sm.served)
		sm.srv.Serve(newOneListener(b))
	}()

	dial := make(chan net.Conn, 1)
	dial <- a
	tr := &http.Transport{
		Protocols: &protocols, HTTP2: cfg, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case c := <-dial:
				return c, nil
			default:
				return nil, errors.New("the one connection is gone")
			}
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &http2Client{tr: tr, raw: a, ctx: ctx, cancel: cancel, set: s, batched: batched}, sm
}

type http2Client struct {
	tr      *http.Transport
	raw     net.Conn
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	trips   sync.WaitGroup
	set     settings
	batched bool
}

// open sends a request whose body is what will be written. Its response comes
// when the server has accepted, which open does not wait for.
func (m *http2Client) open() (conn, error) {
	body, w := io.Pipe()
	ctx, cancel := context.WithCancel(m.ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bench/", body)
	if err != nil {
		cancel()
		return nil, err
	}
	rw := &requestConn{w: w, came: make(chan struct{})}
	m.trips.Go(func() {
		defer close(rw.came)
		if rw.resp, rw.err = m.tr.RoundTrip(req); rw.err != nil {
			body.CloseWithError(rw.err)
		}
	})
	free := func() {
		if <-rw.came; rw.err == nil {
			io.Copy(io.Discard, rw.resp.Body)
			rw.resp.Body.Close()
		}
		cancel()
	}
	return &byteConn{rw: rw, end: w.Close, free: free, batched: m.batched, readBuf: readBuf(m.set)}, nil
}

func (m *http2Client) accept() (conn, error) { return nil, errors.ErrUnsupported }

func (m *http2Client) close() {
	m.cancel()
	m.trips.Wait()
	m.tr.CloseIdleConnections()
	m.raw.Close()
}

// requestConn writes a request's body and reads its response's.
type requestConn struct {
	w    *io.PipeWriter
	came chan struct{} // closed when resp or err is set
	resp *http.Response
	err  error
}

func (c *requestConn) Write(p []byte) (int, error) { return c.w.Write(p) }

func (c *requestConn) Read(p []byte) (int, error) {
	if <-c.came; c.err != nil {
		return 0, c.err
	}
	return c.resp.Body.Read(p)
}

type http2Server struct {
	srv      *http.Server
	set      settings
	batched  bool
	streams  chan *byteConn
	handlers sync.WaitGroup
	served   chan struct{}
	quit     chan struct{}
	once     sync.Once
}

// ServeHTTP lends its request to whoever accepts, until it is released.
func (m *http2Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.handlers.Add(1)
	defer m.handlers.Done()
	rc := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		return
	}
	released := make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(released) }) }
	rw := &responseConn{r: r.Body, w: w, rc: rc}
	c := &byteConn{rw: rw, end: func() error { free(); return nil }, free: free, batched: m.batched, readBuf: readBuf(m.set)}
	select {
	case m.streams <- c:
	case <-m.quit:
		return
	}
	select {
	case <-released:
	case <-r.Context().Done():
	}
}

func (m *http2Server) open() (conn, error) { return nil, errors.ErrUnsupported }

func (m *http2Server) accept() (conn, error) {
	select {
	case c := <-m.streams:
		return c, nil
	case <-m.quit:
		return nil, net.ErrClosed
	}
}

func (m *http2Server) close() {
	m.once.Do(func() { close(m.quit) })
	m.srv.Close()
	<-m.served
	m.handlers.Wait()
}

// responseConn reads a request's body and writes its response's, each Write at
// once.
type responseConn struct {
	r  io.Reader
	w  io.Writer
	rc *http.ResponseController
}

func (c *responseConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (c *responseConn) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err == nil {
		err = c.rc.Flush()
	}
	return n, err
}
