package mux

import (
	"context"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// keepalive notices a peer that is silent, late or does not read. It is one
// timer and no goroutine: the timer is set for the first moment at which
// something would be late if nothing happened until then, and looks again.
type keepalive struct {
	timer   *time.Timer
	inside  transport.ProgressReporter // of the transport; nil if it is none
	started time.Time
	heard   time.Time // something came that proves the peer alive
	pinged  time.Time // when our PING for the silence was wanted or, if out, has gone out; zero for none
	number  uint64    // its number
	out     bool      // it has gone out
	sending time.Time // the transport has had a message since; zero for none
}

func (s *Session) startKeepalive() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.alive
	k.inside, _ = s.conn.(transport.ProgressReporter)
	k.started, k.heard = now, now
	k.timer = time.AfterFunc(s.cfg.firstLook(), s.tick)
}

// firstLook is when something may be late for the first time. No two looks are
// further apart than any limit is long, so that what began behind the one is
// not late before the next.
func (c *config) firstLook() time.Duration {
	return min(helloTimeout, c.keepAlive, c.message, c.write)
}

// heardLocked is called when a message has come. What proves nothing, a PONG
// that nobody asked for, does not break the silence.
func (s *Session) heardLocked() {
	if s.e.lively {
		s.e.lively = false
		s.heardAtLocked(time.Now())
	}
}

func (s *Session) heardAtLocked(at time.Time) {
	s.alive.heard = at
	s.alive.pinged = time.Time{} // the timer stays: no look is further off than the next PING
}

// tick looks whether something is late and sets the timer for the next look.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.unlock()
	if s.e.over {
		return
	}
	now := time.Now()
	s.e.now = now.Sub(s.began)
	next, late := s.lateLocked(now)
	if late != nil {
		s.e.fail(late)
		return
	}
	s.alive.timer.Reset(min(next, s.cfg.firstLook()))
}

// lateLocked returns what is late, or else how long nothing will be.
func (s *Session) lateLocked(now time.Time) (next time.Duration, late *omni.StreamError) {
	k, cfg := &s.alive, s.cfg
	if left := helloTimeout - now.Sub(k.started); !s.e.peerKnown {
		if left <= 0 {
			return 0, s.e.late(lateHello, 1, "HELLO did not come within %v", helloTimeout)
		}
		return left, nil
	}
	next = cfg.keepAlive
	moved := k.sending
	if k.inside != nil {
		in, out := k.inside.Progress()
		if !in.Began.IsZero() {
			left := cfg.message - now.Sub(in.Began)
			if left <= 0 {
				return 0, s.e.late(lateMessage, 0, "a message that began %v ago is not complete", now.Sub(in.Began))
			}
			next = min(next, left)
		}
		if in.Moved.After(k.heard) {
			s.heardAtLocked(in.Moved)
		}
		if out.Moved.After(moved) {
			moved = out.Moved
		}
	}
	if !k.sending.IsZero() {
		left := cfg.write - now.Sub(moved)
		if left <= 0 {
			return 0, s.e.late(lateWrite, 11, "the peer did not read for %v", now.Sub(moved))
		}
		next = min(next, left)
	}
	left, late := s.silenceLocked(now, moved)
	return min(next, left), late
}

// sentLocked is called when the transport has taken all messages that were
// packed. Only now have the PINGs in them gone out, the newest with that number:
// the peer looks at no part of a message. Later ones, which the application may
// send, do not give the peer more time.
func (k *keepalive) sentLocked(now time.Time, given uint64) {
	if !k.pinged.IsZero() && !k.out && given >= k.number {
		k.pinged, k.out = now, true
	}
}

// silenceLocked is lateLocked for a peer of which nothing is heard. A PING
// in or behind a long message has not gone out: that is not the peer's fault
// as long as the message moves, which it did last at moved.
func (s *Session) silenceLocked(now, moved time.Time) (next time.Duration, late *omni.StreamError) {
	k, cfg := &s.alive, s.cfg
	silence := now.Sub(k.heard)
	if k.pinged.IsZero() && silence >= cfg.keepAlive {
		k.pinged, k.number, k.out = now, s.e.ping.next(), false
	}
	pinged := k.pinged
	if !k.out && moved.After(pinged) {
		pinged = moved
	}
	if k.pinged.IsZero() {
		return cfg.keepAlive - silence, nil
	}
	left := cfg.timeout - now.Sub(pinged)
	if left <= 0 {
		return 0, s.e.late(latePong, 11, "the peer was silent for %v", silence)
	}
	return left, nil
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
