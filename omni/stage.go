package omni

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// A stage is a Source that pulls from other sources on its reader's
// goroutine: the primitive under Map, Filter, FlatMap, Take, Batch and Concat.
// It has no goroutine and no demand of its own: a chunk that it took is still
// its upstream's window. So demand stays exact, and credit, ctx, errors and
// panics behave alike in all of them:
//
//   - one reader at a time is inside, behind the gate
//   - an error, a panic in a func and the end of the stage's ctx cancel
//     upstream, and are what the reader gets
//   - the upstream's end is the stage's end
//
// Stages over stages share one gate: whoever is inside the last is inside all.
type stage[U any] struct {
	ctx     context.Context // the stage's own, not that of a call
	sameCtx bool            // the stage that reads from this one looks at ctx
	gate    *gate

	// pull returns the next item; it is called with the gate held. With ask
	// it may request upstream what it needs. If the stage is over it calls
	// end and returns its error.
	pull func(ctx context.Context, ask bool) (U, error)
	// request passes demand for n of the stage's items upstream.
	request func(n uint32)
	// cancel cancels all upstreams.
	cancel func(error)
	// drop lets go of items taken ahead; with the gate held. It may be nil.
	drop func()

	kept int // window that upstream keeps requested, in its items

	mu   sync.Mutex
	stop func() bool // ends the watch on ctx; set by start
	err  error       // set when done is closed, io.EOF for a clean end
	done chan struct{}

	stopped atomic.Bool // done is closed; for a look without the lock
}

// newStage returns a stage without its funcs.
func newStage[U any](ctx context.Context) *stage[U] {
	g := newGate()
	return &stage[U]{ctx: ctx, gate: &g, done: make(chan struct{})}
}

// start watches ctx and returns the stage's reading end; join waits for the
// goroutines upstream.
func (s *stage[U]) start(join func(context.Context)) *Producer[U] {
	s.mu.Lock() // If ctx has ended, the func runs already.
	s.stop = context.AfterFunc(s.ctx, func() { s.Cancel(causeOf(s.ctx)) })
	s.mu.Unlock()
	return &Producer[U]{src: s, join: join}
}

// over returns a stage that reads from p alone, asking it for as many items
// as it is asked for, and where it reads them. The caller sets pull.
func over[T, U any](ctx context.Context, p *Producer[T], name string, isNil bool) (*stage[U], *upstream[T]) {
	checkContext(ctx, name)
	if p == nil {
		panic("omni: " + name + " of a nil Producer")
	}
	if isNil {
		panic("omni: " + name + " with a nil func")
	}
	s := &stage[U]{ctx: ctx, done: make(chan struct{})}
	s.request, s.cancel, s.kept = p.src.Request, p.src.Cancel, prefetchOf(p.src)
	up := &upstream[T]{src: p.src, end: s.end}
	if st, ok := p.src.(*stage[T]); ok {
		up.stage, s.gate = st, st.gate
		st.sameCtx = st.ctx.Done() == ctx.Done()
	} else {
		g := newGate()
		up.intake, s.gate = newIntake(p.src), &g
	}
	s.drop, up.gate = up.drop, s.gate
	return s, up
}

// upstream is what a stage reads from: another stage, with whose gate it is
// held, or an intake.
type upstream[T any] struct {
	src    Source[T]
	gate   *gate             // of the stage that reads
	stage  *stage[T]         // src, if it is one
	intake intake[T]         // if not
	end    func(error) error // of the stage that reads
}

// next returns the next item, as Source's Next does.
func (up *upstream[T]) next(ctx context.Context, ask bool) (T, error) {
	if up.stage != nil {
		return up.stage.next(ctx, ask)
	}
	return up.intake.take(ctx, ask, up.gate.loops)
}

// drop lets go of items that were taken from the stream ahead; with the gate
// held.
func (up *upstream[T]) drop() {
	if up.stage != nil {
		up.stage.dropHeld()
	} else {
		up.intake.drop()
	}
}

// take is next for most stages: an error that ends the stream ends the stage
// that reads it; an error of the call alone does not.
func (up *upstream[T]) take(ctx context.Context, ask bool) (v T, err error) {
	if st := up.stage; st != nil && st.sameCtx && !st.stopped.Load() {
		// Fast path: as st.next, a call less deep.
		if v, err = st.pull(ctx, ask); err == nil && !st.stopped.Load() {
			return v, nil
		}
		v, err = st.after(v, err)
	} else {
		v, err = up.next(ctx, ask)
	}
	if err != nil && isDone(up.src.Done()) {
		return v, up.end(endOf(up.src, err))
	}
	return v, err
}

// endOf is how src, which is done, has ended. A call on it may have ended for
// a reason of its own just before.
func endOf[T any](src Source[T], callErr error) error {
	if err := src.Err(); err != nil {
		return err
	}
	return callErr
}

// next returns the next item; the gate is held.
func (s *stage[U]) next(ctx context.Context, ask bool) (v U, err error) {
	if !s.sameCtx && s.ctx.Err() != nil {
		s.Cancel(causeOf(s.ctx))
	}
	if s.stopped.Load() {
		return v, s.ending()
	}
	if v, err = s.pull(ctx, ask); err == nil && !s.stopped.Load() {
		return v, nil // Fast path.
	}
	return s.after(v, err)
}

// after is what next returns for what pull returned, if that was an error or
// the stage has ended.
func (s *stage[U]) after(v U, err error) (U, error) {
	if !s.stopped.Load() {
		return v, err
	}
	s.dropHeld()
	if err == nil {
		// Canceled meanwhile: nothing comes after the end.
		var zero U
		return zero, s.ending()
	}
	return v, err
}

func (s *stage[U]) dropHeld() {
	if s.drop != nil {
		s.drop()
	}
}

// Next implements Source.
func (s *stage[U]) Next(ctx context.Context, ask bool) (v U, err error) {
	if err := s.gate.lock(ctx); err != nil {
		return v, err
	}
	panicked := true
	defer func() {
		if panicked { // or left by runtime.Goexit
			s.Cancel(errPanicked)
		}
		s.gate.unlock()
	}()
	if s.sameCtx && s.ctx.Err() != nil {
		s.Cancel(causeOf(s.ctx))
	}
	// A call whose ctx has ended takes what is here and asks for nothing.
	v, err = s.next(ctx, ask && ctx.Err() == nil)
	panicked = false
	return v, err
}

// each is the loop behind All, as eachOfChunks is: Next without its defer at
// every item. The body runs outside of the gate.
func (s *stage[U]) each(ctx context.Context, yield func(U, error) bool) (over bool, err error) {
	inside := false
	defer func() {
		if inside { // a func panicked, or left by runtime.Goexit
			s.Cancel(errPanicked)
			s.gate.loops = false
			s.gate.unlock()
		}
	}()
	same := ctx.Done() == s.ctx.Done() // then next looks at it
	if !same && ctx.Done() != nil {
		// The end of either ctx cancels the stage, and that ends a wait:
		// cheaper than a select at each.
		defer context.AfterFunc(ctx, func() { s.Cancel(causeOf(ctx)) })()
	}
	w := newWindow[U](s)
	for {
		w.keep()
		if !same && ctx.Err() != nil {
			return false, causeOf(ctx)
		}
		if err := s.gate.lock(ctx); err != nil {
			return false, err
		}
		inside = true
		if s.sameCtx && s.ctx.Err() != nil {
			s.Cancel(causeOf(s.ctx))
		}
		s.gate.loops = true
		v, err := s.next(context.Background(), true)
		s.gate.loops = false
		inside = false
		s.gate.unlock()
		if err != nil {
			return isDone(s.done), err
		}
		w.taken++
		if !yield(v, nil) {
			return false, nil
		}
	}
}

// errPanicked is what upstream is canceled with when a stage's func panics.
// The panic itself goes on to the reader.
var errPanicked error = &StreamError{Code: CodeInternal, Reason: "a stage panicked"}

// end finishes the stage with err, cancels upstream, and returns how the
// stage ended: err, unless it was finished before.
func (s *stage[U]) end(err error) error {
	s.mu.Lock()
	if s.err != nil {
		err = s.err
		s.mu.Unlock()
		return err
	}
	s.err = err
	s.stopped.Store(true)
	close(s.done)
	stop := s.stop
	s.mu.Unlock()
	stop()
	s.cancel(cleanIsNil(err))
	if s.gate.tryLock() { // or whoever holds it sees that it is over
		s.dropHeld()
		s.gate.unlock()
	}
	return err
}

// interrupted says why a stage must not go on looking for an item: its own
// ctx or the stage has ended, or else only the call.
func (s *stage[U]) interrupted(call context.Context) error {
	switch {
	case s.ctx.Err() != nil:
		return s.end(causeOf(s.ctx))
	case s.stopped.Load():
		return s.ending()
	case call.Err() != nil:
		return causeOf(call)
	}
	return nil
}

// ending is how the stage ended, io.EOF for a clean end, nil if it did not.
func (s *stage[U]) ending() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// cleanIsNil turns how a reading end ended into what its Err returns.
func cleanIsNil(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// Request implements Source.
func (s *stage[U]) Request(n uint32) {
	if !s.stopped.Load() {
		s.request(n)
	}
}

// Cancel implements Source.
func (s *stage[U]) Cancel(err error) { s.end(cancelCause(err)) }

// Done implements Source.
func (s *stage[U]) Done() <-chan struct{} { return s.done }

// Err implements Source.
func (s *stage[U]) Err() error { return cleanIsNil(s.ending()) }

// Prefetch is the window that upstream keeps requested.
func (s *stage[U]) Prefetch() int { return s.kept }
