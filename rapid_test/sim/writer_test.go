package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// open opens a one-way stream, or a call.
func (w *world) open(e *end, isCall bool, d time.Duration) {
	f := w.newFlow(e, 0)
	name := fmt.Sprintf("open flow %d at %v", f.key, e)
	if isCall {
		name = fmt.Sprintf("call by flow %d at %v", f.key, e)
		f.isCall, f.partner = true, w.newFlow(e.l.ends[1-e.side], 1)
		f.partner.partner = f
	}
	start := time.Now()
	w.do(d, 0, name, func(ctx context.Context) error {
		var out *omni.Consumer[[]byte]
		var duplex *mux.Duplex[[]byte, []byte]
		var err error
		e.opens.Add(1)
		if isCall {
			if duplex, err = e.s.Call(ctx, f.metadata()); err == nil {
				out = duplex.Out
			}
		} else {
			out, err = e.s.Open(ctx, f.metadata())
		}
		e.opens.Add(-1)
		if err != nil {
			w.openFailed(e, ctx, err, isCall, time.Since(start) > 0)
		}
		w.mu.Lock()
		if err != nil {
			f.void = true
			if isCall {
				f.partner.void = true
			}
			w.mu.Unlock()
			return err
		}
		f.out = out
		if isCall {
			f.partner.in, f.partner.named = duplex.In, duplex.Metadata
		}
		w.mu.Unlock()
		if isCall {
			w.windReader(f.partner)
		}
		w.windWriter(f)
		return nil
	})
}

func (e *end) String() string { return fmt.Sprintf("%d.%d", e.l.n, e.side) }

// openFailed checks why a stream could not be opened: the ctx, a shutdown and
// a lost session are good reasons, each where it happened.
func (w *world) openFailed(e *end, ctx context.Context, err error, isCall, waited bool) {
	st := e.s.Stats()
	busy := waited && st.StreamsOpened > 0
	o := &e.l.plan.Options[e.side]
	ahead := max(1, o.Prefetch)
	if o.Prefetch == 0 {
		ahead = 64
	}
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		if busy {
			w.hit(slotWaitGivenUp)
		}
		if busy && isCall && st.AnswersFree < int64(o.MaxItem+64*ahead) {
			w.hit(budgetOut)
		}
	case errors.Is(err, omni.ErrShuttingDown):
		w.hit(openAtShutdown)
		if busy {
			w.hit(slotWaitAtShutdown)
		}
		if !e.l.draining.Load() && !e.l.misled() {
			w.blame("%v: open failed without a shutdown: %v", e, err)
		}
	case isLost(err):
		if busy {
			w.hit(slotWaitLost)
		}
		w.lost(e, "open", err)
	case !e.l.misled():
		w.blame("%v: open failed: %v", e, err)
	}
}

// lost checks that a call may say that the session is over.
func (w *world) lost(e *end, what string, err error) {
	if !e.l.harmed.Load() && !e.l.draining.Load() && !e.l.misled() {
		w.blame("%v: %s says that the session is lost, without a fault: %v", e, what, err)
	}
}

// write writes n items, all within d. The flow is the call's until it returns.
func (w *world) write(f *flow, n int, d time.Duration) {
	w.do(d, 0, fmt.Sprintf("write %d of flow %d", n, f.key), func(ctx context.Context) error {
		err := w.writeItems(ctx, f, n)
		w.freeWriter(f)
		return err
	})
}

// writeItems notes an item before Write has it: its reader may be faster than
// the return of Write.
func (w *world) writeItems(ctx context.Context, f *flow, n int) error {
	for range n {
		w.mu.Lock()
		item := f.item(f.wrote)
		f.tried++
		w.mu.Unlock()
		start := time.Now()
		err := f.out.Write(ctx, item)
		w.mu.Lock()
		if err == nil {
			f.wrote++
		} else {
			f.tried-- // nothing was sent
		}
		w.mu.Unlock()
		if err != nil {
			w.writeFailed(ctx, f, err, time.Since(start) > 0)
			return err
		}
	}
	return nil
}

// writeFailed counts what a write waited for in vain. That the cause is the
// right one is judged in the end, by the stream's.
func (w *world) writeFailed(ctx context.Context, f *flow, err error, waited bool) {
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		if waited {
			w.hit(writeGivenUp)
		}
	case isLost(err):
		if waited {
			w.hit(writeLost)
		}
		if !f.harmed() {
			w.blame("flow %d: a write says that the session is lost, without a fault: %v", f.key, err)
		}
	case remote(err) != nil && waited:
		w.hit(writeCanceled)
	}
}

// freeWriter gives the flow back.
func (w *world) freeWriter(f *flow) {
	w.mu.Lock()
	f.writing = false
	w.mu.Unlock()
	w.windWriter(f)
}

// writeTooLong writes an item that the peer does not take.
func (w *world) writeTooLong(f *flow) {
	w.do(time.Second, 0, fmt.Sprintf("write too long on flow %d", f.key), func(ctx context.Context) error {
		defer w.freeWriter(f)
		limit, err := f.from.s.MaxItem(ctx)
		if err != nil {
			return err
		}
		var tooLarge *mux.TooLargeError
		err = f.out.Write(ctx, make([]byte, limit+1))
		switch {
		case err == nil:
			w.blame("flow %d: an item of %d bytes was accepted, over %d", f.key, limit+1, limit)
		case errors.As(err, &tooLarge):
			w.hit(writeTooLong)
		}
		return nil // nothing to tell
	})
}

// demand waits for credit, and finds some or ends.
func (w *world) demand(f *flow, d time.Duration) {
	w.do(d, 0, fmt.Sprintf("demand of flow %d", f.key), func(ctx context.Context) error {
		n, err := f.out.Demand(ctx)
		if err == nil && n == 0 {
			w.blame("flow %d: a demand of nothing", f.key)
		}
		return err
	})
}

// end completes the flow, also while a write waits.
func (w *world) end(f *flow) {
	w.note("end flow %d", f.key)
	w.mu.Lock()
	if f.broke == nil {
		f.ended = true
	}
	w.mu.Unlock()
	_ = f.out.End() // its error is the writer's end, which is judged last
}

// breakOff cancels by the writer.
func (w *world) breakOff(f *flow, code omni.Code) {
	w.note("cancel flow %d by its writer, %d", f.key, code)
	se := &omni.StreamError{Code: code, Reason: "writer"}
	w.mu.Lock()
	if !f.ended && f.broke == nil {
		f.broke = se
	}
	w.mu.Unlock()
	f.out.Cancel(se)
}

// reply opens the answer of a call that was accepted.
func (w *world) reply(f *flow, d time.Duration) {
	a := f.partner
	w.do(d, 0, fmt.Sprintf("reply to flow %d by %d", f.key, a.key), func(ctx context.Context) error {
		out, err := f.incoming.Reply(ctx, a.metadata())
		w.mu.Lock()
		switch {
		case err == nil:
			a.out, f.answered = out, true
		case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			w.held = append(w.held, f) // another time
		case !f.harmed() && !isLost(err):
			w.blameLocked("flow %d: no reply: %v", f.key, err)
		}
		w.mu.Unlock()
		if err != nil {
			return err
		}
		if f.from.l.draining.Load() {
			w.hit(answeredInDrain)
		}
		w.windWriter(a)
		return nil
	})
}
