package npm09

import (
	"context"
	"fmt"

	"omnistreams.dev/mux"
)

// What a control message counts in bytes besides its length, and how many bytes
// of them wait to be sent before WriteControl does.
const (
	controlCharge = 64
	maxWaiting    = 256 << 10
)

// WriteControl sends a control message, which it copies, before the items that
// wait. It needs no credit, but waits while 256 KiB of others have not been
// sent. A Node peer that has not set onControlMessage dies of it. If ctx ends
// first it returns the cause, and nothing was sent.
func (s *Session) WriteControl(ctx context.Context, msg []byte) error {
	d := s.dialect
	for {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isDone(s.Done()):
			return sessionError(s.Session)
		case d.queueControl(msg):
			d.wake()
			return nil
		}
		select {
		case <-d.sent:
		case <-ctx.Done():
		case <-s.Done():
		}
	}
}

// queueControl reports whether there was room for it.
func (d *dialect) queueControl(msg []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.outBytes > 0 && d.outBytes+len(msg)+controlCharge > maxWaiting {
		return false
	}
	d.outBytes += len(msg) + controlCharge
	d.out = append(d.out, append([]byte{npmControl}, msg...))
	if d.outBytes < maxWaiting {
		tell(d.sent) // for another writer
	}
	return true
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
	d.in[0] = nil
	d.in = d.in[1:]
	d.inBytes -= len(msg) + controlCharge
	if len(d.in) > 0 {
		tell(d.arrived)
	}
	return msg, true
}

// tell wakes one who waits, or the next who will.
func tell(slot chan<- struct{}) {
	select {
	case slot <- struct{}{}:
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
	if d.inBytes += len(msg) + controlCharge; d.inBytes > d.keep {
		return fmt.Errorf("npm09: control messages of more than %d bytes wait to be read", d.keep)
	}
	d.in = append(d.in, append([]byte{}, msg...))
	tell(d.arrived)
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
	if len(d.out) == 0 {
		return msgs
	}
	msgs = append(msgs, d.out...)
	d.out, d.outBytes = nil, 0
	tell(d.sent)
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
