package mux

import (
	"context"
	"io"
	"sync/atomic"

	"omnistreams.dev/omni"
)

// writeEnd is an outgoing stream as an omni.Sink.
type writeEnd struct {
	s *Session
	o *outgoing
}

// Write implements omni.Sink. The item is copied before it returns.
func (w *writeEnd) Write(ctx context.Context, item []byte) error {
	if ctx.Err() != nil {
		return causeOf(ctx)
	}
	s := w.s
	s.mu.Lock()
	if len(item) > smallItem {
		return w.writeLarge(ctx, item)
	}
	// Fast path: a small item goes behind others in one segment.
	err := w.awaitRoom(ctx, len(item))
	if err == nil {
		w.o.write(item)
	}
	s.unlock()
	return err
}

// writeLarge is Write for an item that gets a segment of its own. It is
// called with mu held, which it gives up, and copies without it.
func (w *writeEnd) writeLarge(ctx context.Context, item []byte) error {
	s := w.s
	if _, err := w.o.writeState(len(item)); err != nil {
		s.mu.Unlock()
		return err // before memory is taken for it
	}
	seg := s.e.bufs.get(headerSize + len(item))
	s.mu.Unlock()
	seg = append(seg[:headerSize], item...)
	s.mu.Lock()
	err := w.awaitRoom(ctx, len(item))
	if err == nil {
		w.o.adopt(seg)
	} else {
		s.e.bufs.put(seg)
	}
	s.unlock()
	return err
}

// writeFrame is Write for an item that was encoded behind room for a header.
// It reports whether the engine keeps frame.
func (w *writeEnd) writeFrame(ctx context.Context, frame []byte) (kept bool, err error) {
	if ctx.Err() != nil {
		return false, causeOf(ctx)
	}
	w.s.mu.Lock()
	defer w.s.unlock()
	item := frame[headerSize:]
	if err := w.awaitRoom(ctx, len(item)); err != nil {
		return false, err
	}
	if len(item) <= smallItem {
		w.o.write(item)
		return false, nil
	}
	w.o.adopt(frame)
	return true, nil
}

// awaitRoom waits, with mu held, until an item of n bytes can be accepted.
func (w *writeEnd) awaitRoom(ctx context.Context, n int) error {
	// Fast path: it need not wait.
	ok, err := w.o.writeState(n)
	if ok || err != nil {
		return err
	}
	w.o.waiting.enter(w.s.clockLocked())
	defer w.o.waiting.leave()
	for {
		if err := w.s.await(ctx, &w.o.changed); err != nil {
			return err
		}
		if ok, err := w.o.writeState(n); ok || err != nil {
			return err
		}
	}
}

// Credit implements omni.Sink.
func (w *writeEnd) Credit(ctx context.Context, after uint64) (asked, written uint64, err error) {
	w.s.mu.Lock()
	defer w.s.unlock()
	for {
		if _, err := w.o.writeState(0); err != nil {
			return w.o.grantItems, w.o.sentItems, err
		}
		if w.o.grantItems > after {
			return w.o.grantItems, w.o.sentItems, nil
		}
		if err := w.s.await(ctx, &w.o.changed); err != nil {
			return w.o.grantItems, w.o.sentItems, err
		}
	}
}

// End implements omni.Sink.
func (w *writeEnd) End() error {
	w.s.mu.Lock()
	defer w.s.unlock()
	w.s.clockLocked()
	return w.o.end()
}

// Cancel implements omni.Sink.
func (w *writeEnd) Cancel(err error) {
	if err == nil {
		err = omni.ErrCanceled
	}
	w.s.mu.Lock()
	defer w.s.unlock()
	w.s.clockLocked()
	w.o.cancel(err)
}

// Done implements omni.Sink.
func (w *writeEnd) Done() <-chan struct{} {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.o.done.done()
}

// Err implements omni.Sink.
func (w *writeEnd) Err() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.o.err
}

// readEnd is an incoming stream as an omni.Source.
type readEnd struct {
	s  *Session
	in *incoming
}

// Prefetch tells omni's All that the session keeps a window.
func (r *readEnd) Prefetch() int { return int(r.s.cfg.prefetch) }

// Request implements omni.Source.
func (r *readEnd) Request(n uint32) {
	r.s.mu.Lock()
	defer r.s.unlock()
	r.in.request(uint64(n))
}

// Next implements omni.Source. The item is the reader's to keep.
func (r *readEnd) Next(ctx context.Context, ask bool) ([]byte, error) {
	r.s.mu.Lock()
	for {
		r.s.clockLocked()
		item, ok, err := r.in.take()
		if ok || err != nil {
			r.s.unlock()
			return item, err
		}
		if err := r.awaitItem(ctx, ask); err != nil {
			r.s.unlock()
			return nil, err
		}
	}
}

// NextChunk implements omni.ChunkSource.
func (r *readEnd) NextChunk(ctx context.Context, ask bool, used [][]byte) ([][]byte, error) {
	r.s.mu.Lock()
	for {
		chunk, err := r.in.takeChunk(used)
		if chunk != nil || err != nil {
			r.s.unlock()
			return chunk, err
		}
		if err := r.awaitItem(ctx, ask); err != nil {
			r.s.unlock()
			return nil, err
		}
	}
}

// awaitItem waits, with mu held, for an item or the end. With ask it requests
// one if nothing is outstanding.
func (r *readEnd) awaitItem(ctx context.Context, ask bool) error {
	if ask && r.in.outstanding() == 0 && ctx.Err() == nil {
		r.in.request(1)
	}
	return r.s.await(ctx, &r.in.changed)
}

// Took implements omni.ChunkSource.
func (r *readEnd) Took(n int) {
	r.s.mu.Lock()
	r.s.clockLocked()
	r.in.tookOf(n)
	r.s.unlock()
}

// Stopped implements omni.ChunkSource.
func (r *readEnd) Stopped() *atomic.Bool { return &r.in.stopped }

// Cancel implements omni.Source.
func (r *readEnd) Cancel(err error) {
	if err == nil {
		err = omni.ErrCanceled
	}
	r.s.mu.Lock()
	defer r.s.unlock()
	r.s.clockLocked()
	r.in.cancel(err)
}

// Done implements omni.Source.
func (r *readEnd) Done() <-chan struct{} {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.in.done.done()
}

// Err implements omni.Source.
func (r *readEnd) Err() error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.in.err == io.EOF {
		return nil
	}
	return r.in.err
}
