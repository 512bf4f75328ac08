package mux

import (
	"context"
	"errors"
	"runtime"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// yieldAfter is how many bytes the read loop takes before it lets others run:
// whom it has woken would else wait until nothing more comes, which is when
// the window is used up and both sides stand still.
const yieldAfter = 64 << 10

// readLoop hands messages to the engine until the transport ends or the peer
// has said its last word. It never waits for a stream's reader: what may
// arrive has a place already.
func (s *Session) readLoop() {
	defer close(s.readDone)
	unseen := 0 // bytes received since the readers had a turn
	for {
		// No ctx that ends: half a message could not be taken back.
		msg, err := s.conn.Recv(context.Background())
		s.mu.Lock()
		if err != nil {
			ended := s.receiveErrLocked(err)
			s.unlock()
			if ended {
				return
			}
			continue
		}
		s.e.now = time.Since(s.began)
		s.e.arrived(msg)
		s.heardLocked()
		gone, mute := s.e.peerGone, s.e.farewell == nil
		s.unlock()
		if unseen += len(msg); unseen >= yieldAfter {
			unseen = 0
			runtime.Gosched()
		}
		if gone {
			if mute {
				s.closeConn() // the writer may be stuck and has nothing more to say
			}
			return
		}
	}
}

// receiveErrLocked takes an error of the transport, and reports whether that
// is the end of reading. A message that breaks the protocol's own limits is
// the peer's fault, and it is told.
func (s *Session) receiveErrLocked(err error) bool {
	var long *transport.TooLongError
	switch {
	case s.e.over:
	case errors.As(err, &long):
		s.e.fail(fault(9, omni.CodeTooLarge, "a message of %d bytes is over %d", long.Size, long.Limit))
		return false
	case errors.Is(err, transport.ErrEmpty):
		s.e.fail(fault(0, omni.CodeProtocol, "an empty message"))
		return false
	}
	s.lostLocked(err)
	return true
}

// lostLocked ends the session since the transport did.
func (s *Session) lostLocked(err error) {
	s.e.peerGone = true
	switch {
	case s.e.over:
		return
	case s.e.dialect != nil && hasLeft(err) && s.e.atRest():
		s.e.finish(nil) // between streams: this is how such a peer leaves
		return
	}
	s.e.finish(&omni.StreamError{Code: omni.CodeInternal, Reason: "the connection ended", Cause: notEOF(err)})
}

// writeLoop packs and sends until the session is over, then sees it out: it
// waits for the read loop, closes the connection and then Done.
func (s *Session) writeLoop() {
	var m message
	for s.nextMessage(&m) {
		if err := s.send(&m); err != nil {
			s.mu.Lock()
			s.lostLocked(notEOF(err))
			s.unlock()
			s.closeConn()
			break
		}
	}
	if s.e.dialect != nil {
		s.closeConn() // such a peer waits for no goodbye, and says none
	}
	<-s.readDone // lingering sees to it that this comes
	s.closeConn()
	s.mu.Lock()
	s.lingering.Stop()
	s.alive.timer.Stop()
	s.mu.Unlock()
	<-s.checked
	s.cfg.observer.ended(s)
	close(s.done)
}

// nextMessage waits until there is something to send, and reports false when
// there will be nothing any more.
func (s *Session) nextMessage(m *message) bool {
	for {
		s.mu.Lock()
		s.alive.sending = time.Time{}
		now := time.Now()
		s.e.now = now.Sub(s.began)
		s.alive.sentLocked(now, s.e.ping.given)
		s.e.pack(m)
		s.heardLocked() // a Dialect may have answered in the peer's name
		if m.size > 0 {
			s.alive.sending = now
			s.unlock() // packing the goodbye ends the session
			return true
		}
		over := s.e.over
		s.awake = over
		s.unlock()
		if over {
			return false
		}
		<-s.wake
	}
}

func (s *Session) send(m *message) error {
	ctx := context.Background()
	if s.e.dialect != nil {
		for _, msg := range m.msgs {
			if err := s.conn.Send(ctx, msg); err != nil {
				return err
			}
		}
		return nil
	}
	if len(m.parts) == 1 {
		return s.conn.Send(ctx, m.parts[0])
	}
	if v, ok := s.conn.(transport.BuffersSender); ok {
		return v.SendBuffers(ctx, m.parts)
	}
	whole := make([]byte, 0, m.size)
	for _, p := range m.parts {
		whole = append(whole, p...)
	}
	return s.conn.Send(ctx, whole)
}

// WebSocket's codes for how a connection was closed (RFC 6455, 7.4.1).
const (
	statusNormal        = 1000
	statusProtocolError = 1002
)

// closeConn closes the connection, once, and returns when it is closed.
func (s *Session) closeConn() {
	if s.shutting.Swap(true) {
		<-s.shut
		return
	}
	defer close(s.shut)
	s.mu.Lock()
	broken, reason := s.e.broken, ""
	if broken {
		reason = s.e.farewell.Reason
	}
	s.mu.Unlock()
	// An error of closing changes nothing: the session is over.
	c, ok := s.conn.(transport.StatusCloser)
	switch {
	case ok && broken:
		_ = c.CloseStatus(statusProtocolError, reason)
	case ok:
		_ = c.CloseStatus(statusNormal, "")
	default:
		_ = s.conn.Close()
	}
}
