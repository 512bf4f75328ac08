package mux

import (
	"context"
	"time"

	"omnistreams.dev/omni"
)

// Open opens a one-way stream to the peer. It waits for the peer's HELLO and
// for one of the streams that the peer lets live at a time, not for the peer
// to accept it. If ctx ends first it returns the cause, and nothing was sent;
// once it has returned, ctx has no part in the stream. metadata, at most
// 16 KiB, is the application's word on what the stream is.
//
// Write on the stream copies the item before it returns.
func (s *Session) Open(ctx context.Context, metadata []byte) (*omni.Consumer[[]byte], error) {
	checkContext(ctx, "Open")
	s.mu.Lock()
	defer s.unlock()
	if err := s.awaitSlot(ctx, metadata, false); err != nil {
		return nil, err
	}
	o := s.e.open(kindOneWay, nil, metadata)
	return omni.NewConsumer(&writeEnd{s, o}), nil
}

// Duplex is one side of a call: Out is written, In is read. The caller's Out
// is the question and its In the answer; the two end independently.
type Duplex[W, R any] struct {
	Out *omni.Consumer[W]
	In  *omni.Producer[R]

	metadata func(context.Context) ([]byte, error)
}

// Metadata returns the answer's metadata. It waits until the answer was
// opened, or returns why there will be none. If ctx ends first it returns the
// cause.
func (d *Duplex[W, R]) Metadata(ctx context.Context) ([]byte, error) {
	checkContext(ctx, "Metadata")
	return d.metadata(ctx)
}

// Call opens a stream that wants an answer. It waits like Open, and for the
// answer's share of the session's budget, not for the answer itself. If ctx
// ends first it returns the cause, and nothing was sent.
//
// If the peer does not answer, In ends with its reason.
func (s *Session) Call(ctx context.Context, metadata []byte) (*Duplex[[]byte, []byte], error) {
	checkContext(ctx, "Call")
	s.mu.Lock()
	defer s.unlock()
	if err := s.awaitSlot(ctx, metadata, true); err != nil {
		return nil, err
	}
	c := s.e.openCall(metadata)
	return &Duplex[[]byte, []byte]{
		Out:      omni.NewConsumer(&writeEnd{s, c.out}),
		In:       omni.NewProducer(&readEnd{s, c.in}),
		metadata: func(ctx context.Context) ([]byte, error) { return s.answerMetadata(ctx, c) },
	}, nil
}

// answerMetadata waits for the answer of c to be opened.
func (s *Session) answerMetadata(ctx context.Context, c *call) ([]byte, error) {
	s.mu.Lock()
	defer s.unlock()
	for {
		switch {
		case c.answered:
			return append([]byte(nil), c.in.metadata...), nil
		case c.in.finished:
			return nil, c.in.err
		case c.in.peerLast == wordFail:
			return nil, c.in.lastErr
		}
		if err := s.await(ctx, &c.in.changed); err != nil {
			return nil, err
		}
	}
}

// awaitSlot waits, with mu held, until a stream can be opened, and takes its
// slot and, for a call, its answer's share of the budget.
func (s *Session) awaitSlot(ctx context.Context, metadata []byte, call bool) error {
	if len(metadata) > maxMetadata {
		return &TooLargeError{Size: len(metadata), Limit: maxMetadata}
	}
	if ctx.Err() != nil {
		return causeOf(ctx)
	}
	if call && s.e.dialect != nil {
		return ErrNoCalls
	}
	var at *waiters
	defer func() { at.leave() }()
	for {
		if err := s.awaitReady(ctx); err != nil {
			return err
		}
		now := s.clockLocked()
		wait, err := s.e.takeSlot(call)
		if wait == nil {
			s.e.gotSlot(call, err, now)
			return err
		}
		next := &s.e.opening
		if wait == &s.e.budget.freed {
			next = &s.e.calling
		}
		if next != at {
			at.leave()
			next.enter(now)
			at = next
		}
		if err := s.await(ctx, wait); err != nil {
			return err
		}
	}
}

// takeSlot takes what a new stream needs: a slot and, for a call, its
// answer's share of the budget. If that is not there it returns the signal to
// wait for; if it will never be, an error.
func (e *engine) takeSlot(call bool) (wait *signal, err error) {
	if e.numbersLeft() == 0 {
		e.exhaust()
		return nil, ErrExhausted
	}
	if err := e.openError(); err != nil {
		return nil, err
	}
	if call && e.shutdown.peerEnd {
		return nil, &omni.StreamError{Code: omni.CodeShuttingDown, Reason: "the peer answers no more calls", Remote: true}
	}
	if uint64(e.ownSlots) >= uint64(e.peer.streams) {
		return &e.slotFree, nil
	}
	if call && !e.budget.takeAnswer() {
		return &e.budget.freed, nil
	}
	e.ownSlots++
	return nil, nil
}

// gotSlot notes that those who wait for the same wait for the next one now.
func (e *engine) gotSlot(call bool, err error, now time.Duration) {
	if err != nil {
		return
	}
	e.opening.since = now
	if call {
		e.calling.since = now
	}
}

// numbersLeft is how many streams this side can still open.
func (e *engine) numbersLeft() int64 {
	return int64(e.cfg.lastID) - int64(e.lastOwn) - int64(e.unnumbered)
}
