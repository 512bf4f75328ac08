package mux

import (
	"context"
	"fmt"
	"time"
)

// StallError is returned by Watch for a stream that is stuck.
type StallError struct {
	Stream StreamState   // which one, and whom it waits for
	Limit  time.Duration // how long it was given
}

// Error is one line for people.
func (e *StallError) Error() string {
	return fmt.Sprintf("mux: stalled for %v: %v", e.Limit, e.Stream)
}

// Watch waits until something of the session is stuck for as long as limit (see
// StreamState.Stuck), and returns a *StallError that names what is stuck
// longest; what to do about it is the caller's decision. It returns at once as
// long as that is so: whoever calls it in a loop waits in between, and finds
// what else is stuck in Snapshot. Streams that are idle, since nobody writes,
// are not stuck. When the session is over it returns Err or, if that is nil,
// ErrClosed. If ctx ends first it returns the cause. It panics if limit is not
// above zero.
func (s *Session) Watch(ctx context.Context, limit time.Duration) error {
	checkContext(ctx, "Watch")
	if limit <= 0 {
		panic("mux: Watch with a limit that is not above zero")
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.done:
			if err := s.Err(); err != nil {
				return err
			}
			return ErrClosed
		case <-ctx.Done():
			return causeOf(ctx)
		}
		// What is to be stuck for that long when the timer fires next is
		// stuck now, or was not when it fired last.
		next := limit
		if all := s.Snapshot().Streams; len(all) > 0 && all[0].Stuck {
			if next = limit - all[0].Since; next <= 0 {
				return &StallError{Stream: all[0], Limit: limit}
			}
		}
		timer.Reset(next)
	}
}
