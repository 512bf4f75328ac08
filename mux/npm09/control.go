package npm09

import (
	"context"
	"fmt"

	"omnistreams.dev/mux"
)

// maxWaiting is how many control messages of this side may wait to be sent.
const maxWaiting = 1024

// WriteControl queues a control message, which it copies. It goes before the
// items that wait, and needs no credit: at most 1,024 may wait to be sent, one
// more is an error. A Node peer that has not set onControlMessage dies of it.
// If ctx has ended it returns the cause.
func (s *Session) WriteControl(ctx context.Context, msg []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if isDone(s.Done()) {
		return sessionError(s.Session)
	}
	d := s.dialect
	d.mu.Lock()
	if len(d.out) >= maxWaiting {
		d.mu.Unlock()
		return fmt.Errorf("npm09: %d control messages wait to be sent", maxWaiting)
	}
	d.out = append(d.out, append([]byte{npmControl}, msg...))
	d.mu.Unlock()
	d.wake()
	return nil
}

// ReadControl returns the next control message of the peer, which is the
// caller's. If ctx ends first it returns the cause, and nothing is lost. When
// the session is over, those that have come are returned first.
func (s *Session) ReadControl(ctx context.Context) ([]byte, error) {
	d := s.dialect
	for {
		if msg, ok := d.nextControl(); ok {
			return msg, nil
		}
		select {
		case <-d.arrived:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-s.Done():
			if msg, ok := d.nextControl(); ok {
				return msg, nil
			}
			return nil, sessionError(s.Session)
		}
	}
}

// nextControl takes one, and leaves word for the next reader if there are more.
func (d *dialect) nextControl() (msg []byte, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.in) == 0 {
		return nil, false
	}
	msg = d.in[0]
	d.in = d.in[1:]
	if len(d.in) > 0 {
		d.tell()
	}
	return msg, true
}

func (d *dialect) tell() {
	select {
	case d.arrived <- struct{}{}:
	default:
	}
}

// giveControl takes a control message of the peer.
func (d *dialect) giveControl(msg []byte) error {
	if d.keep <= 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.in) >= d.keep {
		return fmt.Errorf("npm09: more than %d control messages wait to be read", d.keep)
	}
	d.in = append(d.in, append([]byte{}, msg...))
	d.tell()
	return nil
}

// Pending implements mux.Dialect.
func (d *dialect) Pending() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.out) > 0 || len(d.due) > 0
}

func (d *dialect) takeControl(msgs [][]byte) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	msgs = append(msgs, d.out...)
	d.out = nil
	return msgs
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// sessionError is why nothing more is sent or comes.
func sessionError(s *mux.Session) error {
	if err := s.Err(); err != nil {
		return err
	}
	return mux.ErrClosed
}
