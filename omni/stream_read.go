package omni

import (
	"context"
	"io"
	"sync/atomic"
)

// This is the reading half of a stream; stream.go has the whole picture.

// Prefetch tells All that the stream keeps its own window.
func (s *stream[T]) Prefetch() int { return int(min(s.prefetch, 1<<31-1)) }

// Request implements Source.
func (s *stream[T]) Request(n uint32) {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	s.requestLocked(uint64(n))
}

func (s *stream[T]) requestLocked(n uint64) {
	if s.rerr != nil || n == 0 {
		return
	}
	total := min(s.requested.Load()+n, maxTotal)
	s.requested.Store(total)
	for {
		select {
		case s.demand <- total:
			return
		default:
		}
		// An older total that nobody fetched yet is in the slot: merge.
		select {
		case <-s.demand:
		default:
		}
	}
}

// Took implements ChunkSource: it counts n items as taken and tops the window
// up. Doing so at half a window makes one credit message serve many items, and
// the writer has the other half while it travels.
func (s *stream[T]) Took(n int) {
	taken := s.taken.Add(uint64(n))
	if s.prefetch > 0 && s.requested.Load()-taken <= s.prefetch/2 {
		s.topUp()
	}
	if s.atEnd.Load() {
		s.finishTaken()
	}
}

func (s *stream[T]) topUp() {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if out := s.requested.Load() - s.taken.Load(); out <= s.prefetch/2 {
		s.requestLocked(s.prefetch - out)
	}
}

// Next implements Source.
func (s *stream[T]) Next(ctx context.Context, ask bool) (v T, err error) {
	if err := s.rgate.lock(ctx); err != nil {
		return v, err
	}
	if s.next == len(s.chunk) || s.stopped.Load() {
		used := s.chunk
		s.chunk, s.next = nil, 0
		if s.chunk, err = s.receive(ctx, ask, used); err != nil {
			s.rgate.unlock()
			return v, err
		}
	}
	// Fast path: the item is here.
	v, s.chunk[s.next] = s.chunk[s.next], v
	s.next++
	s.handed++
	if s.nexts++; s.nexts >= s.countAt {
		s.count()
	}
	if s.stopped.Load() {
		s.chunk, s.next = nil, 0 // Cancel leaves that to whoever is in here
	}
	s.rgate.unlock()
	return v, nil
}

// count counts what Next handed out as taken, and finds out after how many
// more items half of the window will be taken: until then the shared sum, a
// locked instruction, can be left alone.
func (s *stream[T]) count() {
	n := s.nexts
	s.nexts = 0
	s.Took(n)
	s.countAt = maxSpare
	if s.prefetch > 0 {
		taken := s.taken.Load() // before requested, which is never less
		out := s.requested.Load() - taken
		s.countAt = int(min(maxSpare, max(1, out-min(out, s.prefetch/2))))
	}
}

// NextChunk implements ChunkSource.
func (s *stream[T]) NextChunk(ctx context.Context, ask bool, used []T) (chunk []T, err error) {
	if err := s.rgate.lock(ctx); err != nil {
		return nil, err
	}
	if s.next < len(s.chunk) && !s.stopped.Load() {
		chunk, s.chunk, s.next = s.chunk[s.next:], nil, 0
	} else if s.chunk, s.next = nil, 0; ctx.Done() != nil {
		chunk, err = s.receive(ctx, ask, used)
	} else if err = s.prepare(ctx, ask, used); err == nil {
		// Fast path: a plain receive costs half a select, and here it costs
		// a call less on the way back.
		var ok bool
		chunk, ok = <-s.items
		chunk, err = s.received(chunk, ok)
	}
	s.handed += uint64(len(chunk))
	s.rgate.unlock()
	return chunk, err
}

// receive waits for the next chunk; it is called with the gate held, and gives
// the used one to the writer to fill again. If ctx ends first it returns the
// cause; an item that was written already comes first.
func (s *stream[T]) receive(ctx context.Context, ask bool, used []T) ([]T, error) {
	if err := s.prepare(ctx, ask, used); err != nil {
		return nil, err
	}
	select { // What is here goes before a ctx that has ended.
	case chunk, ok := <-s.items:
		return s.received(chunk, ok)
	default:
	}
	select { // A Cancel closes items.
	case chunk, ok := <-s.items:
		return s.received(chunk, ok)
	case <-ctx.Done():
		return nil, causeOf(ctx)
	}
}

// prepare is what comes before a wait for items. The gate is held.
func (s *stream[T]) prepare(ctx context.Context, ask bool, used []T) error {
	if s.stopped.Load() {
		return s.readErr()
	}
	if s.nexts > 0 {
		s.count()
	}
	// What another reader holds and has not counted as taken is not
	// outstanding: it will not come here.
	if ask && s.requested.Load() == s.handed && ctx.Err() == nil {
		s.Request(1)
	}
	s.handOver(used)
	return nil
}

// received is what comes after it.
func (s *stream[T]) received(chunk []T, ok bool) ([]T, error) {
	switch {
	case !ok:
		return nil, s.takeEnd()
	case s.stopped.Load():
		return nil, s.readErr()
	}
	return chunk, nil
}

// handOver says that the reader waits, takes what is pending, and gives the
// writer the reader's used chunk to fill again.
func (s *stream[T]) handOver(used []T) {
	s.wmu.Lock()
	s.waiting = true
	s.flushLocked()
	s.recycleLocked(used)
	s.wmu.Unlock()
}

// maxSpare bounds the chunk that a stream keeps to fill again, in items.
const maxSpare = 4096

func (s *stream[T]) recycleLocked(used []T) {
	if cap(used) == 0 || cap(used) > maxSpare {
		return
	}
	switch {
	case cap(s.pending) == 0:
		s.pending = used[:0]
	case cap(s.spare) < cap(used):
		s.spare = used[:0]
	}
}

// takeEnd is a reader's arrival at what the writer said last. The stream is
// over when other readers have taken what they hold, see Took.
func (s *stream[T]) takeEnd() error {
	s.atEnd.Store(true)
	s.finishTaken()
	if err := s.readErr(); err != nil {
		return err
	}
	return s.lastWord()
}

// lastWord is what comes after the items: io.EOF or the writer's cause.
func (s *stream[T]) lastWord() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.werr != nil {
		return s.werr
	}
	return io.EOF
}

// finishTaken finishes the reading end if all items were taken.
func (s *stream[T]) finishTaken() {
	s.wmu.Lock()
	written := s.written
	s.wmu.Unlock()
	if s.taken.Load() < written {
		return
	}
	err := s.lastWord()
	if s.finishRead(err) && err == io.EOF && !s.held {
		s.finishWrite(nil)
	}
}

// finishRead closes the reading end's Done. Only the first call counts, and
// it reports whether this was it.
func (s *stream[T]) finishRead(err error) bool {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.rerr != nil {
		return false
	}
	s.rerr = err
	s.stopped.Store(true)
	close(s.rdone)
	return true
}

// Cancel implements Source: the reader's Cancel.
func (s *stream[T]) Cancel(err error) {
	if s.stopped.Load() {
		return
	}
	err = cancelCause(err)
	if !s.finishRead(err) {
		return
	}
	if s.rgate.tryLock() { // or whoever holds it sees that it is over
		s.chunk, s.next = nil, 0
		s.rgate.unlock()
	}
	s.wmu.Lock()
	if s.state != canceled {
		s.state, s.werr = canceled, err
	}
	err = s.werr
	s.pending, s.spare = nil, nil
	s.flushLocked()
	select { // A chunk on its way is dropped too.
	case <-s.items:
	default:
	}
	s.pokeLocked()
	s.wmu.Unlock()
	if !s.held {
		s.finishWrite(err)
	}
}

// Done implements Source.
func (s *stream[T]) Done() <-chan struct{} { return s.rdone }

// Stopped implements ChunkSource.
func (s *stream[T]) Stopped() *atomic.Bool { return &s.stopped }

// Err implements Source.
func (s *stream[T]) Err() error { return cleanIsNil(s.readErr()) }

func (s *stream[T]) readErr() error {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	return s.rerr
}
