package omni

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxTotal is where credit saturates: the largest total that is exact in
// every language's numbers, 2^53 - 1, as on the wire.
const maxTotal = 1<<53 - 1

// A stream is the pair of Go channels between one writing and one reading
// end. Items go down in chunks, credit comes up as running totals:
//
//	Write -> pending --items--> chunk -> Next
//	Write <- granted <-demand-- requested <- Request
//
// The counts keep an order that never breaks:
//
//	requested >= granted >= written >= taken
//
// A chunk is filled while the reader is busy and handed over the moment it
// waits, so a fast pair pays for one channel operation per many items and an
// idle one has no delay. Each half has a mutex that guards memory and is
// never held while waiting, and a gate for whoever waits, one at a time: the
// reading half's gate also guards what was received.
type stream[T any] struct {
	items    chan []T    // one slot; closed by flushLocked behind the last chunk
	demand   chan uint64 // one slot, the newest total; nobody closes it
	prefetch uint64      // items kept requested in the reader's name

	// onDone is called with the cause when the writing end finishes; set
	// before the stream is shared, nil for nothing.
	onDone func(error)
	// held says that the writing end's Done waits for Consume's goroutine
	// to return, however the stream ended; set before it is shared.
	held bool

	wgate gate // held by the one that waits for demand
	wmu   sync.Mutex
	// Guarded by wmu:
	pending []T           // written and not handed over
	spare   []T           // an empty chunk for pending to go on with
	written uint64        // items, ever
	granted uint64        // largest total that was fetched from demand
	change  chan struct{} // closed by changedLocked; nil if nobody waits for that
	waiting bool          // the reader waits: hand over at once; cleared by the hand-over
	state   endState      // of the writing end
	werr    error         // set with canceled, and by finishWrite
	closed  bool          // items is closed
	wdone   chan struct{}
	wisDone bool // wdone is closed

	rgate gate // held by the one that reads or waits for items
	// Guarded by rgate:
	chunk   []T // chunk[next:] is here and not handed out
	next    int
	handed  uint64 // items that readers got, ever; the loops have not taken all
	nexts   int    // items that Next handed out and that are not in taken yet
	countAt int    // how many of those are worth counting

	taken     atomic.Uint64
	requested atomic.Uint64 // grows with rmu held
	atEnd     atomic.Bool   // a reader has come to the end of items
	rmu       sync.Mutex
	// Guarded by rmu:
	rerr    error // set when rdone is closed, io.EOF for a clean end
	rdone   chan struct{}
	stopped atomic.Bool // rdone is closed; for a look without the lock
}

type endState uint8

const (
	open     endState = iota
	ended             // End was called
	canceled          // by either side
)

// NewStream returns the two ends of a new stream. It starts no goroutine.
func NewStream[T any](opt *Options) (*Producer[T], *Consumer[T]) {
	s := newStream[T](opt)
	return &Producer[T]{src: s}, s.consumer()
}

func newStream[T any](opt *Options) *stream[T] {
	s := &stream[T]{
		items:    make(chan []T, 1),
		demand:   make(chan uint64, 1),
		prefetch: opt.prefetch(),
		wgate:    newGate(),
		rgate:    newGate(),
		wdone:    make(chan struct{}),
		rdone:    make(chan struct{}),
	}
	// The prefetch is a Request in the reader's name that has been fetched.
	s.granted = s.prefetch
	s.requested.Store(s.prefetch)
	return s
}

// streamWriter gives a stream the method set of a Sink: both ends have a
// Cancel, a Done and an Err of their own.
type streamWriter[T any] struct{ *stream[T] }

func (s *stream[T]) consumer() *Consumer[T] {
	return &Consumer[T]{sink: streamWriter[T]{s}, stream: s}
}

func (w streamWriter[T]) Cancel(err error)      { w.cancelWrite(err) }
func (w streamWriter[T]) Done() <-chan struct{} { return w.wdone }
func (w streamWriter[T]) Err() error {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	if !w.wisDone {
		return nil
	}
	return w.werr
}

// The writing half.

// Write implements Sink.
func (s *stream[T]) Write(ctx context.Context, v T) error {
	if ctx.Err() != nil {
		return causeOf(ctx)
	}
	s.wmu.Lock()
	if s.state == open && s.written < s.granted {
		// Fast path: there is credit, so the item is accepted.
		s.acceptLocked(v)
		s.wmu.Unlock()
		return nil
	}
	s.wmu.Unlock()
	return s.writeSlow(ctx, v)
}

func (s *stream[T]) acceptLocked(v T) {
	s.pending = append(s.pending, v)
	s.written++
	if s.waiting {
		s.flushLocked()
	}
}

// writeSlow is Write without credit. Writers queue at the gate: the first
// waits at the demand channel, and when it has what it came for it lets the
// next in. So new credit wakes one of them, be they a thousand.
func (s *stream[T]) writeSlow(ctx context.Context, v T) error {
	if !s.wgate.enter() {
		// Look again: whoever brings credit from now on finds us in the
		// queue, but what came since Write looked may have been fetched by
		// one who waits for more, and holds the gate.
		if ok, err := s.tryWrite(v); ok || err != nil {
			if s.wgate.withdraw() {
				s.leaveDemand()
			}
			return err
		}
		if err := s.wgate.wait(ctx); err != nil {
			return err
		}
	}
	defer s.leaveDemand()
	for {
		if ok, err := s.tryWrite(v); ok || err != nil {
			return err
		}
		if err := s.receiveDemand(ctx); err != nil {
			return err
		}
	}
}

// tryWrite writes v if there is credit. It returns an error if nothing may be
// written any more.
func (s *stream[T]) tryWrite(v T) (ok bool, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.state == open && s.written < s.granted {
		s.acceptLocked(v)
		return true, nil
	}
	return false, s.stateErrLocked()
}

// receiveDemand waits for one change: more demand, or the end. The caller
// holds the gate.
func (s *stream[T]) receiveDemand(ctx context.Context) error {
	select {
	case total := <-s.demand:
		s.grant(total)
		return nil
	case <-ctx.Done():
		return causeOf(ctx)
	}
}

// Credit implements Sink.
func (s *stream[T]) Credit(ctx context.Context, after uint64) (asked, written uint64, err error) {
	// Look what came up the demand channel, but only if nobody else waits
	// for it: to take it from under one who is about to wait would be that
	// one's lost wake-up.
	if s.wgate.tryLock() {
		select {
		case total := <-s.demand:
			s.grant(total)
		default:
		}
		s.leaveDemand()
	}
	for {
		asked, written, err = s.totals()
		if err != nil || asked > after {
			return asked, written, err
		}
		if err := s.awaitDemand(ctx, after); err != nil {
			return 0, 0, err
		}
	}
}

// awaitDemand waits for one change: more demand, or the end. If another is at
// the demand channel it waits for a word of that one, and looks for itself
// after every change: one may be content with less than another, which nobody
// but itself knows.
func (s *stream[T]) awaitDemand(ctx context.Context, after uint64) error {
	if !s.wgate.tryLock() {
		change := s.nextChange(after)
		if change == nil {
			return nil
		}
		// Once more, or the one who was there may have left meanwhile.
		if !s.wgate.tryLock() {
			select {
			case <-change:
				return nil
			case <-ctx.Done():
				return causeOf(ctx)
			}
		}
	}
	defer s.leaveDemand()
	// The one who held the gate before may have got what we are after.
	if asked, _, err := s.totals(); err != nil || asked > after {
		return nil
	}
	return s.receiveDemand(ctx)
}

// nextChange returns a channel that closes when there is more demand or
// whoever is at the demand channel leaves it, nil if there is nothing to wait
// for. Whoever finds the gate taken after it asked cannot miss that.
func (s *stream[T]) nextChange(after uint64) <-chan struct{} {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.state != open || s.granted > after {
		return nil
	}
	if s.change == nil {
		s.change = make(chan struct{})
	}
	return s.change
}

// changedLocked tells those who wait for a change.
func (s *stream[T]) changedLocked() {
	if s.change != nil {
		close(s.change)
		s.change = nil
	}
}

// leaveDemand gives up the demand channel to the next.
func (s *stream[T]) leaveDemand() {
	s.wgate.unlock()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.changedLocked()
}

// grant notes a total that came up the demand channel.
func (s *stream[T]) grant(total uint64) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.granted = max(s.granted, total)
	s.changedLocked()
}

// totals returns what was asked for and written, or why nothing may be
// written any more.
func (s *stream[T]) totals() (asked, written uint64, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.granted, s.written, s.stateErrLocked()
}

// stateErrLocked says why nothing may be written any more, nil if it may.
func (s *stream[T]) stateErrLocked() error {
	switch s.state {
	case ended:
		return ErrEnded
	case canceled:
		return s.werr
	}
	return nil
}

// flushLocked hands the pending chunk over, if the slot is free, and closes
// items behind the last one. The writer calls it when the reader waits, the
// reader before it waits: so pending items never wait for a busy reader to
// notice, and no timer is needed.
func (s *stream[T]) flushLocked() {
	if len(s.pending) > 0 {
		select {
		case s.items <- s.pending:
			s.pending, s.spare = s.spare, nil
			s.waiting = false
		default:
			return
		}
	}
	if s.state != open && !s.closed {
		s.closed = true
		close(s.items)
	}
}

// End implements Sink.
func (s *stream[T]) End() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.state == canceled {
		return s.werr
	}
	if s.state == open {
		s.state = ended
		s.flushLocked()
		s.pokeLocked()
	}
	return nil
}

// pokeLocked wakes whoever waits for demand, so that it sees the new state.
// A total that is in the slot already does that as well.
func (s *stream[T]) pokeLocked() {
	select {
	case s.demand <- s.granted:
	default:
	}
}

// cancelWrite is the writer's Cancel: what was written still arrives.
func (s *stream[T]) cancelWrite(err error) {
	err = cancelCause(err)
	s.wmu.Lock()
	if s.state != open {
		s.wmu.Unlock()
		return
	}
	s.state, s.werr = canceled, err
	s.flushLocked()
	s.pokeLocked()
	s.wmu.Unlock()
	if !s.held {
		s.finishWrite(err)
	}
}

// finishWrite closes the writing end's Done; err is nil after a clean end,
// and an earlier cause stays. Only the first call counts.
func (s *stream[T]) finishWrite(err error) {
	s.wmu.Lock()
	if s.wisDone {
		s.wmu.Unlock()
		return
	}
	s.wisDone = true
	if err != nil && s.state != canceled {
		s.state, s.werr = canceled, err
	}
	close(s.wdone)
	s.wmu.Unlock()
	if s.onDone != nil {
		s.onDone(err)
	}
}
