package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Listener accepts Conns. It is safe for concurrent use.
type Listener struct {
	url   string
	ln    net.Listener  // nil for stdio
	conns chan Conn     // from the handshakes to Accept; closed by stdio alone, after its only one
	slots chan struct{} // one for each connection between its arrival and Accept
	done  chan struct{} // closed by Close, or by fail
	once  sync.Once     // for done
	err   error         // what Accept returns after done; set before it is closed

	stop func()         // ends what the scheme started besides acceptLoop
	wg   sync.WaitGroup // acceptLoop and the handshakes
}

// A client that is slow to introduce itself holds one of these places, for so long at most, and
// nobody else up. Clients beyond that number wait in the system's queue.
const handshakes = 128

var handshakeTimeout = 10 * time.Second // longer in tests, which must not depend on it

// Listen listens for what [Dial] connects to: the URLs are the same. The port may be 0, for any
// that is free, and the host empty, for all addresses. A ws or wss listener serves the path of its
// URL and no other. A Unix socket's file is removed by Close, and before if nobody listens there.
// stdio accepts one Conn, and after it Accept returns io.EOF.
//
// Listen starts a goroutine, and one for each connection until Accept returns it; Close ends them.
// If ctx ends first, Listen returns an error that wraps its cause; afterwards ctx means nothing to
// the Listener.
func Listen(ctx context.Context, rawURL string, opts *Options) (*Listener, error) {
	if ctx == nil {
		panic("transport: nil context")
	}
	a, err := parseAddress(rawURL)
	if err != nil {
		return nil, err
	}
	o := opts.orDefault()
	l := &Listener{
		url: rawURL, stop: func() {},
		conns: make(chan Conn, 1), slots: make(chan struct{}, handshakes), done: make(chan struct{}),
	}
	if a.Scheme == "stdio" {
		l.conns <- Frame(newStdio(o))
		close(l.conns)
		return l, nil
	}
	fail := func(err error) (*Listener, error) {
		return nil, fmt.Errorf("transport: listen %s: %w", redact(rawURL), err)
	}
	if err := o.checkOrigins(); err != nil {
		return nil, err
	}
	if (a.Scheme == "tls" || a.Scheme == "wss") && !o.hasCertificate() {
		return fail(errors.New("Options.TLS has no certificate"))
	}
	l.conns = make(chan Conn) // without room, so that what Accept does not take stays ours
	if l.ln, err = bind(ctx, a); err != nil {
		return fail(err)
	}
	l.url = a.listening(l.ln.Addr())
	switch a.Scheme {
	case "ws", "wss":
		l.serveWebSocket(a, o)
	case "tls":
		cfg := o.tlsFor(alpn)
		life, cancel := context.WithCancel(context.Background())
		l.stop = cancel
		l.wg.Go(func() {
			l.acceptLoop(func(nc net.Conn) (Conn, error) { return tlsHandshake(life, nc, cfg) })
		})
	default:
		l.wg.Go(func() { l.acceptLoop(func(nc net.Conn) (Conn, error) { return Frame(nc), nil }) })
	}
	return l, nil
}

func (o Options) hasCertificate() bool {
	t := o.TLS
	return t != nil && (len(t.Certificates) > 0 || t.GetCertificate != nil || t.GetConfigForClient != nil)
}

// bind listens on the address. On a Unix socket's file that a process left behind when it died it
// takes over.
func bind(ctx context.Context, a address) (net.Listener, error) {
	network, addr := a.network()
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, addr)
	if err == nil || network != "unix" {
		return ln, err
	}
	if info, e := os.Lstat(addr); e != nil || info.Mode().Type() != os.ModeSocket {
		return nil, err
	}
	// Only a refusal says that nobody is there; anything else may be a listener that is busy.
	probe, e := new(net.Dialer).DialContext(ctx, network, addr)
	if e == nil {
		probe.Close()
		return nil, err
	}
	if !errors.Is(e, syscall.ECONNREFUSED) || os.Remove(addr) != nil {
		return nil, err
	}
	return lc.Listen(ctx, network, addr)
}

// Accept returns the next connection, whose handshake is over. After Close it returns [ErrClosed],
// and io.EOF after the only connection of stdio. If ctx ends first, it returns its cause and no
// connection is lost: the next Accept gets it.
func (l *Listener) Accept(ctx context.Context) (Conn, error) {
	if ctx == nil {
		panic("transport: nil context")
	}
	select {
	case <-l.done:
		return nil, l.err
	default:
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("transport: accept: %w", context.Cause(ctx))
	}
	select {
	case c, ok := <-l.conns:
		if !ok {
			return nil, io.EOF
		}
		return c, nil
	case <-l.done:
		return nil, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("transport: accept: %w", context.Cause(ctx))
	}
}

// Close stops listening and closes the connections that no Accept has returned, those in the middle
// of a handshake too. It waits for the goroutines that Listen started, a second or so at most. The
// Conns that Accept returned are not affected.
func (l *Listener) Close() error {
	l.fail(ErrClosed)
	l.stop()
	l.wg.Wait()
	if l.ln == nil {
		if c, ok := <-l.conns; ok {
			return c.Close()
		}
	}
	return nil
}

// fail ends the Listener; the first reason counts.
func (l *Listener) fail(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.done)
		if l.ln != nil {
			// Its error would be about a file descriptor that is gone in any case.
			_ = l.ln.Close()
		}
	})
}

// URL is the URL to dial, with the port that the system chose.
func (l *Listener) URL() string { return l.url }

// Addr is the network's address.
func (l *Listener) Addr() net.Addr {
	if l.ln == nil {
		return stdioAddr{}
	}
	return l.ln.Addr()
}

type stdioAddr struct{}

func (stdioAddr) Network() string { return "stdio" }
func (stdioAddr) String() string  { return "stdio:" }

// acceptLoop runs a handshake for each connection, side by side.
func (l *Listener) acceptLoop(handshake func(net.Conn) (Conn, error)) {
	pause := acceptPause{}
	for l.acquire() {
		nc, err := l.ln.Accept()
		if err != nil {
			l.release()
			if !pause.after(err, l.done) {
				l.fail(fmt.Errorf("transport: accept: %w", err))
				return
			}
			continue
		}
		pause = acceptPause{}
		l.wg.Go(func() {
			defer l.release()
			if c, err := handshake(nc); err == nil {
				l.deliver(c)
			}
		})
	}
}

func tlsHandshake(ctx context.Context, nc net.Conn, cfg *tls.Config) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	t := tls.Server(nc, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return Frame(t), nil
}

// deliver hands c to an Accept.
func (l *Listener) deliver(c Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close() // nobody to tell
	}
}

// acquire waits for a slot; it is false after Close.
func (l *Listener) acquire() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	case <-l.done:
		return false
	}
}

func (l *Listener) release() { <-l.slots }

// acceptPause waits after an Accept that failed for want of resources: they come back, and until
// then the clients wait in the system's queue.
type acceptPause struct{ last time.Duration }

func (p *acceptPause) after(err error, done <-chan struct{}) bool {
	scarce := []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}
	if !anyOf(err, scarce) {
		return false
	}
	p.last = min(max(2*p.last, 5*time.Millisecond), time.Second)
	timer := time.NewTimer(p.last)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

func anyOf(err error, targets []error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
