package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// accept takes the next stream of the peer.
func (w *world) accept(e *end, d time.Duration) {
	w.do(d, 0, fmt.Sprintf("accept at %v", e), func(ctx context.Context) error {
		return w.acceptOne(ctx, e)
	})
}

func (w *world) acceptOne(ctx context.Context, e *end) error {
	in, err := e.s.Accept(ctx)
	switch {
	case err == nil:
		w.accepted(e, in)
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
	case isLost(err):
		w.lost(e, "accept", err)
	case errors.Is(err, omni.ErrShuttingDown):
		if !e.l.draining.Load() && !e.l.misled() {
			w.blame("%v: accept fails without a shutdown: %v", e, err)
		}
	default:
		w.blame("%v: accept fails: %v", e, err)
	}
	return err
}

// accepted decides what becomes of a stream: it is piped on or kept for a
// reader, and a call for a reply too.
func (w *world) accepted(e *end, in *mux.Incoming) {
	f := w.flowOf(in.Metadata())
	w.mu.Lock()
	if f == nil || f.in != nil || in.IsCall() != f.isCall {
		if !e.l.misled() {
			w.blameLocked("%v: a stream came that nobody opened: %x", e, in.Metadata())
		}
		w.mu.Unlock()
		in.Refuse("who are you?")
		return
	}
	if e.next != nil && !f.isCall && f.trait()%4 != 0 && len(f.links) < 4 {
		f.piped++
		f.links = append(f.links, e.next.l)
		w.mu.Unlock()
		w.pipe(f, e, in)
		return
	}
	f.in, f.incoming = in.Producer(), in
	if f.trait()%3 == 0 {
		mux.Reuse(f.in) // every reader here is done with an item at once
	}
	if f.isCall {
		w.held = append(w.held, f)
	}
	w.mu.Unlock()
	if w.ending.Load() {
		w.windHeld()
		w.windReader(f)
	}
}

// pipe moves a flow on to the next session.
func (w *world) pipe(f *flow, e *end, in *mux.Incoming) {
	w.do(forever, 0, fmt.Sprintf("pipe flow %d from %v to %v", f.key, e, e.next), func(ctx context.Context) error {
		soon, cancel := context.WithTimeout(ctx, 5*time.Second)
		out, err := e.next.s.Open(soon, f.metadata())
		cancel()
		if err != nil {
			w.mu.Lock()
			f.refused = true
			w.mu.Unlock()
			in.Refuse("no way on")
			return err
		}
		p := in.Producer()
		err = p.Pipe(ctx, out)
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case err == nil:
			w.hit(pipeWhole)
			if !f.anyMisled() && (!f.ended || f.broke != nil) {
				w.blameLocked("flow %d: a pipe came to the end of what was not ended", f.key)
			}
		case isLost(err):
			w.hit(pipeLost)
		case f.broke != nil:
			w.hit(pipeUpstream)
		case f.left != nil:
			w.hit(pipeDownstream)
		}
		return err
	})
}

// next reads up to n items, all there are if n is negative.
func (w *world) next(f *flow, n int, d time.Duration) {
	w.do(d, 0, fmt.Sprintf("read %d of flow %d", n, f.key), func(ctx context.Context) error {
		err := w.readItems(ctx, f, n)
		w.freeReader(f)
		return err
	})
}

func (w *world) readItems(ctx context.Context, f *flow, n int) error {
	for i := 0; i != n; i++ {
		start, late := time.Now(), f.lateForEOF()
		v, err := f.in.Next(ctx)
		if err == nil {
			f.took(v)
			continue
		}
		waited := time.Since(start) > 0
		err = f.finished(ctx, err)
		if late && err == io.EOF {
			w.blame("flow %d: a clean end, after its session was over", f.key)
		}
		if err == io.EOF && f.named != nil {
			if m, err := f.named(w.ctx); (err != nil || keyOf(m) != f.key) && !f.anyMisled() {
				w.blame("flow %d: an answer that has ended is named %x (%v)", f.key, m, err)
			}
		}
		w.mu.Lock()
		over := f.over != nil
		w.mu.Unlock()
		switch {
		case over:
			if waited && isLost(err) {
				w.hit(nextLost)
			}
			// And so it stays.
			if v, again := f.in.Next(w.ctx); again == nil {
				f.took(v)
			} else {
				_ = f.finished(w.ctx, again)
			}
		case waited && ctx.Err() != nil:
			w.hit(nextGivenUp)
		}
		return err
	}
	return nil
}

// freeReader gives the flow back.
func (w *world) freeReader(f *flow) {
	w.mu.Lock()
	f.reading = false
	w.mu.Unlock()
	w.windReader(f)
}

// loop ranges over the flow until it has n items, to the end if n is
// negative; its ctx cancels.
func (w *world) loop(f *flow, n int, d time.Duration) {
	w.do(d, 0, fmt.Sprintf("loop over %d of flow %d", n, f.key), func(ctx context.Context) error {
		defer w.freeReader(f)
		i := 0
		for v, err := range f.in.All(ctx) {
			if err != nil {
				if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
					w.hit(loopTimedOut)
					f.leave(omni.AsStreamError(err))
					f.reallyLeft()
					return err
				}
				return f.finished(ctx, err)
			}
			f.took(v)
			if i++; i == n {
				w.hit(loopLeft)
				f.leave(omni.AsStreamError(omni.ErrCanceled))
				break
			}
		}
		if i == n {
			f.reallyLeft()
			return nil
		}
		if err := f.in.Err(); err != nil {
			return nil // somebody else canceled: a loop then just ends
		}
		return f.finished(ctx, io.EOF)
	})
}

// lateForEOF says whether the reader's session is over and the reader has not
// had its end: then a clean one cannot come any more, since the writer will
// not learn of it.
func (f *flow) lateForEOF() bool {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	return f.over == nil && f.left == nil && isDone(f.readersSession().Done())
}

// cancel is the reader's.
func (w *world) cancel(f *flow, code omni.Code) {
	w.note("cancel flow %d by its reader, %d", f.key, code)
	se := &omni.StreamError{Code: code, Reason: "reader"}
	w.mu.Lock()
	if f.incoming == nil && !f.partner.answered {
		w.hit(leftBeforeAnswer)
	}
	w.mu.Unlock()
	f.leave(se)
	f.in.Cancel(se)
	f.reallyLeft()
	if v, err := f.in.Next(w.ctx); err == nil {
		w.blame("flow %d: item %x after its reader canceled", f.key, v)
	}
}

// reallyLeft takes the cancel back if the stream had its end by then. If
// another cancel was faster, as that of a loop whose ctx ended, it is what the
// writer learns.
func (f *flow) reallyLeft() {
	err := f.in.Err()
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	switch {
	case f.left == nil:
	case err == nil:
		f.left, f.over = nil, io.EOF
	case remote(err) != nil || isLost(err):
		f.left, f.over = nil, err
	default:
		f.left = omni.AsStreamError(err)
	}
}

// refuse says no to a stream.
func (w *world) refuse(f *flow) {
	w.note("refuse flow %d", f.key)
	w.mu.Lock()
	f.refused = true
	if f.partner != nil {
		f.partner.void = true
	}
	w.mu.Unlock()
	f.incoming.Refuse("not today")
	if f.isCall {
		return
	}
	// It does nothing if a reader had come to the end already.
	err := f.in.Err()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && isDone(f.in.Done()) {
		f.refused, f.over = false, io.EOF
	}
}
