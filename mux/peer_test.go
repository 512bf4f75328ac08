package mux

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// rawPeer plays the peer of a session by hand, frame by frame, in a bubble:
// "nothing more comes" is exact there. It always reads.
type rawPeer struct {
	t    testing.TB
	conn transport.Conn

	mu   sync.Mutex
	got  []rawFrame // received, not looked at yet
	err  error      // of Recv
	done chan struct{}
}

// meet starts a session and returns it with its raw peer.
func meet(t testing.TB, cfg *config) (*Session, *rawPeer) {
	ca, cb := transport.Pair()
	return meetOver(t, cfg, ca, cb)
}

// meetOver is meet over a given transport.
func meetOver(t testing.TB, cfg *config, conn, peer transport.Conn) (*Session, *rawPeer) {
	s := newSession(conn, cfg)
	p := &rawPeer{t: t, conn: peer, done: make(chan struct{})}
	go p.read()
	t.Cleanup(func() {
		p.cut()
		s.Close()
		<-p.done
	})
	return s, p
}

// meetOpt is meet after the handshake, with options.
func meetOpt(t testing.TB, opt *Options) (*Session, *rawPeer) {
	t.Helper()
	cfg, err := newConfig(opt)
	must(t, err)
	s, p := meet(t, cfg)
	p.greet()
	return s, p
}

// greet exchanges HELLOs: the peer grants much.
func (p *rawPeer) greet() {
	p.t.Helper()
	p.send(wHello(1<<16, 100, 100, 1<<20, ""))
	if f := p.next("its HELLO"); f.typ != 0 {
		p.t.Fatalf("got %v, want its HELLO", f)
	}
}

func (p *rawPeer) read() {
	defer close(p.done)
	for {
		msg, err := p.conn.Recv(p.t.Context())
		p.mu.Lock()
		if err != nil {
			p.err = err
			p.mu.Unlock()
			return
		}
		frames, err := split(msg)
		if err != nil {
			p.t.Errorf("the session sent %v", err)
		}
		p.got = append(p.got, frames...)
		p.mu.Unlock()
	}
}

// send sends one message of frames.
func (p *rawPeer) send(frames ...rawFrame) {
	p.t.Helper()
	p.sendBytes(join(frames...))
}

func (p *rawPeer) sendBytes(msg []byte) {
	p.t.Helper()
	if err := p.conn.Send(p.t.Context(), msg); err != nil {
		p.t.Fatalf("sending %.40x: %v", msg, err)
	}
}

// pending is what has come and was not looked at, when all is quiet.
func (p *rawPeer) pending() []rawFrame {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got
}

// next takes the next frame that has come.
func (p *rawPeer) next(why string) rawFrame {
	p.t.Helper()
	got := p.pending()
	if len(got) == 0 {
		p.t.Fatalf("%s: nothing came (%v)", why, p.err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = p.got[1:]
	return got[0]
}

// want takes exactly these frames.
func (p *rawPeer) want(why string, frames ...rawFrame) {
	p.t.Helper()
	for _, f := range frames {
		if got := p.next(why); got != f {
			p.t.Fatalf("%s: got %v, want %v", why, got, f)
		}
	}
}

// wantCode takes a frame of that type and stream, with that code and any
// reason.
func (p *rawPeer) wantCode(why string, typ frameType, stream uint32, code omni.Code) {
	p.t.Helper()
	f := p.next(why)
	if f.typ != byte(typ) || f.stream != stream || f.code() != code {
		p.t.Fatalf("%s: got %v, want %v of stream %d with code %d", why, f, typ, stream, code)
	}
}

// wantIdle fails if anything has come.
func (p *rawPeer) wantIdle(why string) {
	p.t.Helper()
	if got := p.pending(); len(got) > 0 {
		p.t.Fatalf("%s: got %v, want nothing", why, got)
	}
}

// wantFail drops frames up to FAIL on stream 0, which must have the code and
// a reason, be the last, and be followed by the transport's end within two
// seconds, though the peer does not close it.
func (p *rawPeer) wantFail(why string, code omni.Code) string {
	p.t.Helper()
	for {
		f := p.next(why)
		if f.typ != byte(frameFail) || f.stream != 0 {
			continue
		}
		if f.code() != code || len(f.payload) == 4 {
			p.t.Fatalf("%s: got %v, want code %d and a reason", why, f, code)
		}
		p.wantClosed(why)
		return f.payload[4:]
	}
}

// wantClosed waits for the transport's end; no frame comes before it.
func (p *rawPeer) wantClosed(why string) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
		p.t.Fatalf("%s: the transport is still open after two seconds", why)
	}
	p.wantIdle(why)
}

// cut ends the transport.
func (p *rawPeer) cut() { p.conn.Close() }

// eachTransport runs f in a bubble over a channel pair and over net.Pipe; its
// meet is meetOpt on that transport.
func eachTransport(t *testing.T, f func(t *testing.T, meet func(*Options) (*Session, *rawPeer))) {
	conns := map[string]func() (a, b transport.Conn){
		"pair": transport.Pair,
		"pipe": func() (a, b transport.Conn) {
			ca, cb := net.Pipe()
			return transport.Frame(ca), transport.Frame(cb)
		},
	}
	for name, two := range conns {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f(t, func(opt *Options) (*Session, *rawPeer) {
					t.Helper()
					cfg, err := newConfig(opt)
					must(t, err)
					a, b := two()
					s, p := meetOver(t, cfg, a, b)
					p.greet()
					return s, p
				})
			})
		})
	}
}
