package mux

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// Session carries many streams over one connection. Its methods are safe for
// concurrent use.
type Session struct {
	conn  transport.Conn
	began time.Time
	cfg   *config

	mu sync.Mutex // guards memory, never held while waiting
	// Guarded by mu:
	e         *engine
	awake     bool      // the write loop has been woken and will look
	ending    bool      // the timer below is set
	lingering *timer    // closes the connection if the peer does not
	alive     keepalive // when the peer was last heard

	wake     chan struct{} // one slot: something to pack, or the end
	readDone chan struct{} // closed when the read loop has returned
	checked  chan struct{} // closed when CheckPeer has returned
	done     chan struct{} // closed when all of the session's goroutines have returned
	shutting atomic.Bool   // somebody closes conn
	shut     chan struct{} // closed when that is done
}

type timer = time.Timer

// New starts a session on conn, which it owns from now on, also if it returns
// an error: options that cannot work, named by their field. It sends HELLO at
// once and waits for nothing; calls that need the peer's HELLO wait for it.
//
// It starts a read loop and a write loop (and a goroutine for CheckPeer, if
// set, until that has returned); Close joins them, and so does the end of the
// session, when Done closes.
func New(conn transport.Conn, opt *Options) (*Session, error) {
	if conn == nil {
		panic("mux: New with a nil transport.Conn")
	}
	cfg, err := newConfig(opt)
	if err != nil {
		_ = conn.Close() // the options are what is wrong
		return nil, err
	}
	return newSession(conn, cfg), nil
}

// newSession is New once the options are known to work.
func newSession(conn transport.Conn, cfg *config) *Session {
	if l, ok := conn.(transport.Limiter); ok {
		l.SetReadLimit(max(minMessage, headerSize+int(cfg.maxItem)))
	}
	s := &Session{
		conn:     conn,
		cfg:      cfg,
		e:        newEngine(cfg),
		awake:    true,
		wake:     make(chan struct{}, 1),
		readDone: make(chan struct{}),
		checked:  make(chan struct{}),
		done:     make(chan struct{}),
		shut:     make(chan struct{}),
	}
	if s.e.dialect != nil {
		s.e.dialect.Attach(s.look)
		s.e.greet()
	}
	s.began = time.Now()
	s.startKeepalive()
	cfg.observer.began(s)
	go s.readLoop()
	go s.writeLoop()
	if cfg.check == nil {
		close(s.checked)
	} else {
		go s.checkPeer()
	}
	return s
}

// unlock ends a critical section in which the engine may have come to have
// something to send, or to its end.
func (s *Session) unlock() {
	if s.e.over && !s.ending {
		s.ending = true
		s.lingering = time.AfterFunc(lingerTime, s.closeConn)
	}
	rouse := !s.awake && (s.e.over || s.e.kick())
	if rouse {
		s.awake = true
	}
	s.mu.Unlock()
	if rouse {
		s.wake <- struct{}{} // there is room: awake says that the slot is empty
	}
}

// clockLocked tells the engine the time, and returns it.
func (s *Session) clockLocked() time.Duration {
	s.e.now = time.Since(s.began)
	return s.e.now
}

// look makes the write loop look for what a Dialect has to send.
func (s *Session) look() {
	s.mu.Lock()
	s.unlock()
}

// checkPeer asks the application whether the peer is welcome.
func (s *Session) checkPeer() {
	defer close(s.checked)
	s.mu.Lock()
	for !s.e.peerKnown && !s.e.over {
		ready := s.e.ready.wait()
		s.mu.Unlock()
		<-ready // fires at the end of the session too
		s.mu.Lock()
		s.e.ready.leave(ready)
	}
	over, metadata := s.e.over, s.e.peer.metadata
	s.mu.Unlock()
	if over {
		return
	}
	err := s.cfg.check(append([]byte(nil), metadata...))
	s.mu.Lock()
	defer s.unlock()
	if err == nil {
		s.e.admit()
		return
	}
	refusal := &omni.StreamError{Code: omni.CodeRefused, Reason: omni.AsStreamError(err).Reason, Cause: err}
	if refusal.Reason == "" {
		refusal.Reason = "this peer is not welcome"
	}
	s.e.fail(refusal)
}

// await waits, with mu held, until the signal fires or ctx ends.
func (s *Session) await(ctx context.Context, sig *signal) error {
	fired := sig.wait()
	s.unlock()
	var err error
	select {
	case <-fired:
	case <-ctx.Done():
		err = causeOf(ctx)
	}
	s.mu.Lock()
	sig.leave(fired)
	return err
}

// awaitReady waits, with mu held, for the peer's HELLO and its check.
func (s *Session) awaitReady(ctx context.Context) error {
	for !s.e.admitted && !s.e.over {
		if err := s.await(ctx, &s.e.ready); err != nil {
			return err
		}
	}
	if s.e.over && !s.e.admitted {
		return s.e.overErr()
	}
	return nil
}

// overErr is what calls return on a session that is over.
func (e *engine) overErr() error {
	if e.err == nil || e.err == ErrClosed {
		return ErrClosed
	}
	return e.lostError()
}

// Peer returns the metadata of the peer's HELLO, once CheckPeer has let it
// in. If ctx ends first it returns the cause.
func (s *Session) Peer(ctx context.Context) ([]byte, error) {
	checkContext(ctx, "Peer")
	s.mu.Lock()
	defer s.unlock()
	if err := s.awaitReady(ctx); err != nil {
		return nil, err
	}
	return append([]byte(nil), s.e.peer.metadata...), nil
}

// MaxItem returns the longest item that the peer accepts, in bytes. It waits
// for the peer's HELLO; if ctx ends first it returns the cause.
func (s *Session) MaxItem(ctx context.Context) (int, error) {
	checkContext(ctx, "MaxItem")
	s.mu.Lock()
	defer s.unlock()
	if err := s.awaitReady(ctx); err != nil {
		return 0, err
	}
	return int(s.e.peer.maxItem), nil
}

// Done is closed when the session is over and its goroutines have returned.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err is nil until Done and after a clean shutdown, else why the session
// ended: ErrClosed if this side ended it, by Close or by a Shutdown that cut
// what still lived.
func (s *Session) Err() error {
	if !s.isDone() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.e.err
}

func (s *Session) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Close ends the session at once: streams that live are lost. It tells the
// peer, waits up to a second for it to close the connection, and returns when
// the session's goroutines have. Shutdown is the way that loses nothing.
func (s *Session) Close() error {
	s.end(&omni.StreamError{Code: omni.CodeCanceled, Reason: "the session was closed"})
	return nil
}

// end is Close; farewell is what the peer is told.
func (s *Session) end(farewell *omni.StreamError) {
	s.mu.Lock()
	if !s.e.over {
		s.e.farewell = farewell
		if farewell.Code == omni.CodeShuttingDown {
			s.e.lateness = lateDrain
		}
		s.e.finish(ErrClosed)
	}
	s.unlock()
	<-s.done
}

// Shutdown ends the session gracefully: neither side opens new streams, those
// that live go on until both sides have finished them, then both say goodbye.
// Streams of the peer that Accept has not handed out are refused, which is
// safe for it to retry. It returns nil if nothing was lost. If ctx ends first
// it closes the session and returns a *CutError that names what it cut, or
// nil if no stream lived any more.
func (s *Session) Shutdown(ctx context.Context) error {
	checkContext(ctx, "Shutdown")
	s.mu.Lock()
	s.e.drain("")
	s.unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
	}
	if s.isDone() {
		return s.Err()
	}
	cut := s.living()
	s.end(&omni.StreamError{Code: omni.CodeShuttingDown, Reason: "the session did not drain in time"})
	if len(cut) == 0 {
		if err := s.Err(); err != ErrClosed {
			return err // it ended by itself
		}
		return nil
	}
	return &CutError{Cut: cut, Cause: causeOf(ctx)}
}

// living lists the streams that live.
func (s *Session) living() []CutStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	var cut []CutStream
	for id := range s.e.own {
		cut = append(cut, CutStream{Opened: true, Number: id})
	}
	for id, in := range s.e.theirs {
		cut = append(cut, CutStream{Number: id, Metadata: in.metadata})
	}
	return cut
}

func checkContext(ctx context.Context, call string) {
	if ctx == nil {
		panic("mux: " + call + " with a nil context")
	}
}
