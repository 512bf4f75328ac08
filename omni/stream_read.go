package omni

import (
	"context"
	"io"
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
	s.requested = min(s.requested+n, maxTotal)
	for {
		select {
		case s.demand <- s.requested:
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

// tookLocked counts n items as taken and tops the window up. Doing so at
// half a window makes one credit message serve many items, and the writer
// has the other half while it travels.
func (s *stream[T]) tookLocked(n, window uint64) {
	s.taken += n
	if out := s.requested - s.taken; window > 0 && out <= window/2 {
		s.requestLocked(window - out)
	}
}

// Next implements Source.
func (s *stream[T]) Next(ctx context.Context, ask bool) (v T, err error) {
	for {
		s.rmu.Lock()
		if s.next < len(s.chunk) {
			// Fast path: the item is here.
			v, s.chunk[s.next] = s.chunk[s.next], v
			s.next++
			s.tookLocked(1, s.prefetch)
			s.rmu.Unlock()
			return v, nil
		}
		s.rmu.Unlock()
		if err := s.fill(ctx, ask); err != nil {
			return v, err
		}
	}
}

// each calls yield with every item, whole chunks at a time: the loop behind
// All. It returns nil if yield said stop, else how the stream or ctx ended.
//
// Items count as taken when half a window of them was yielded, so the writer
// has credit again while the loop body is busy with the other half.
func (s *stream[T]) each(ctx context.Context, yield func(T, error) bool) error {
	window := s.prefetch
	if window == 0 {
		window = DefaultPrefetch
		s.Request(DefaultPrefetch)
	}
	most := int(max(1, min(window/2, maxSpare)))
	var chunk []T
	for {
		rest, err := s.takeChunk(ctx, chunk)
		if err != nil {
			return err
		}
		chunk = rest
		for len(rest) > 0 {
			run := rest[:min(len(rest), most)]
			rest = rest[len(run):]
			for _, v := range run {
				if s.stopped.Load() {
					return s.readErr()
				}
				if ctx.Err() != nil {
					return causeOf(ctx)
				}
				if !yield(v, nil) {
					return nil
				}
			}
			clear(run) // or the collector keeps what the items point to
			s.rmu.Lock()
			s.tookLocked(uint64(len(run)), window)
			s.rmu.Unlock()
		}
	}
}

// takeChunk takes everything that is here, waiting for one item at least,
// and gives the used chunk back to be filled again.
func (s *stream[T]) takeChunk(ctx context.Context, used []T) ([]T, error) {
	for {
		s.rmu.Lock()
		if s.next < len(s.chunk) {
			chunk := s.chunk[s.next:]
			s.chunk, s.next = nil, 0
			s.rmu.Unlock()
			return chunk, nil
		}
		if s.rerr == nil && cap(used) > cap(s.chunk) {
			s.chunk, s.next, used = used, len(used), nil
		}
		s.rmu.Unlock()
		if err := s.fill(ctx, true); err != nil {
			return nil, err
		}
	}
}

// fill waits until an item is here. If ctx ends first it returns the cause;
// an item that was written already comes first.
func (s *stream[T]) fill(ctx context.Context, ask bool) error {
	if err := s.rgate.lock(ctx); err != nil {
		return err
	}
	defer s.rgate.unlock()
	s.rmu.Lock()
	if s.rerr != nil || s.next < len(s.chunk) {
		err := s.rerr
		s.rmu.Unlock()
		return err
	}
	if ask && s.requested == s.taken && ctx.Err() == nil {
		s.requestLocked(1)
	}
	used := s.chunk
	s.chunk, s.next = nil, 0
	s.rmu.Unlock()

	s.handOver(used)
	select { // What is here goes before a ctx that has ended.
	case chunk, ok := <-s.items:
		return s.arrived(chunk, ok)
	default:
	}
	select {
	case chunk, ok := <-s.items:
		return s.arrived(chunk, ok)
	case <-s.rdone:
		return s.readErr()
	case <-ctx.Done():
		return causeOf(ctx)
	}
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

// arrived puts a received chunk where readers find it, or takes the end.
func (s *stream[T]) arrived(chunk []T, ok bool) error {
	if !ok {
		return s.takeEnd()
	}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.rerr == nil {
		s.chunk = chunk
	}
	return s.rerr
}

// takeEnd is the reader's arrival at what the writer said last.
func (s *stream[T]) takeEnd() error {
	s.wmu.Lock()
	err := s.werr
	s.wmu.Unlock()
	if err == nil {
		err = io.EOF
	}
	if s.finishRead(err) && err == io.EOF && !s.held {
		s.finishWrite(nil)
	}
	return s.readErr()
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
	s.chunk, s.next = nil, 0
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

// Err implements Source.
func (s *stream[T]) Err() error { return cleanIsNil(s.readErr()) }

func (s *stream[T]) readErr() error {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	return s.rerr
}
