package mux

import (
	"context"
	"time"

	"omnistreams.dev/omni"
)

// helloTimeout is how long the peer's HELLO may take.
const helloTimeout = 10 * time.Second

// keepalive notices a peer that is silent, late or does not read. It is one
// timer and no goroutine.
type keepalive struct {
	timer   *time.Timer
	started time.Time
	heard   time.Time // something came that proves the peer alive
	pinged  time.Time // our PING for the silence since then; zero for none
	sending time.Time // the transport has had a message since; zero for none
}

func (s *Session) startKeepalive() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive.started, s.alive.heard = now, now
	s.alive.timer = time.AfterFunc(min(helloTimeout, s.cfg.keepAlive), s.tick)
}

// heardLocked is called when a message has come. What proves nothing, a PONG
// that nobody asked for, does not break the silence.
func (s *Session) heardLocked() {
	if s.e.lively {
		s.e.lively = false
		s.alive.heard = time.Now()
		if !s.alive.pinged.IsZero() {
			s.alive.pinged = time.Time{}
			s.alive.timer.Reset(s.cfg.keepAlive) // it is set for the PONG
		}
	}
}

// tick looks whether something is late and sets the timer for the next look.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.unlock()
	if s.e.over {
		return
	}
	now, k := time.Now(), &s.alive
	if !s.e.peerKnown {
		if late := now.Sub(k.started); late < helloTimeout {
			k.timer.Reset(min(helloTimeout-late, s.cfg.keepAlive))
			return
		}
		s.e.fail(fault(1, omni.CodeTimeout, "HELLO did not come within %v", helloTimeout))
		return
	}
	var next time.Duration
	silence := now.Sub(k.heard)
	switch {
	case !k.sending.IsZero() && now.Sub(k.sending) >= s.cfg.keepAlive+s.cfg.timeout:
		s.e.fail(fault(11, omni.CodeTimeout, "the peer did not read for %v", now.Sub(k.sending)))
		return
	case !k.pinged.IsZero():
		waited := now.Sub(k.pinged)
		if waited >= s.cfg.timeout {
			s.e.fail(fault(11, omni.CodeTimeout, "the peer was silent for %v", silence))
			return
		}
		next = s.cfg.timeout - waited
	case silence >= s.cfg.keepAlive:
		k.pinged = now
		s.e.ping.next()
		next = s.cfg.timeout
	default:
		next = s.cfg.keepAlive - silence
	}
	k.timer.Reset(next)
}

// Ping sends a PING and returns how long its PONG took. If ctx ends first it
// returns the cause.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	checkContext(ctx, "Ping")
	s.mu.Lock()
	defer s.unlock()
	if ctx.Err() != nil {
		return 0, causeOf(ctx)
	}
	if err := s.awaitReady(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	n := s.e.ping.next()
	for s.e.ping.ponged < n {
		if s.e.over {
			return 0, s.e.overErr()
		}
		if err := s.await(ctx, &s.e.ping.answered); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}
