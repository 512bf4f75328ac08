package laws

import (
	"bytes"
	"context"
	"errors"
	"time"

	"omnistreams.dev/omni"
)

// errImpatient is why a ctx ended that somebody lost patience with.
var errImpatient = errors.New("lost patience")

// ended is a ctx that has ended.
var ended = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errImpatient)
	return ctx
}()

// write plays the writer's script of a half.
func (x *runner) write(key int, a *actor, c *omni.Consumer[[]byte]) {
	w := &writing{x: x, key: key, half: x.p.half(key), rec: x.h.halves[key], c: c}
	for _, op := range w.half.Writes {
		a.step()
		if !w.op(op) {
			break
		}
	}
	a.step()
	w.last()
	select {
	case <-c.Done():
		w.rec.write, w.rec.written = endingOf(c.Err()), true
		w.insist()
	case <-x.ctx.Done():
		x.h.broke(0, "half %d: the writer's end is not done", key)
	}
}

// writing is a writer at work.
type writing struct {
	x    *runner
	key  int
	half *half
	rec  *record
	c    *omni.Consumer[[]byte]
	n    int   // items that were accepted
	told error // by a Write, why the stream is over
}

// op does one step of the script, and reports whether the script goes on.
func (w *writing) op(op writeOp) bool {
	switch op.Kind {
	case writeExpired:
		item := bytes.Repeat([]byte{0xEE}, max(1, op.Size))
		if err := w.c.Write(ended, item); err == nil {
			w.x.h.broke(1, "half %d: Write sent an item though its ctx had ended", w.key)
			return false
		}
		return true
	case writeDemand:
		n, err := w.c.Demand(w.x.ctx)
		if err != nil {
			return false
		}
		w.rec.do(func() {
			if most := w.rec.upper - w.n; n == 0 || int(n) > most {
				w.x.h.broke(1, "half %d: Demand says %d, %d may be asked for", w.key, n, most)
			}
		})
	case writeImpatient:
		for range 3 {
			ctx, cancel := context.WithTimeoutCause(w.x.ctx, time.Millisecond, errImpatient)
			err := w.item(ctx)
			cancel()
			if err != errImpatient {
				return err == nil
			}
		}
	}
	return w.item(w.x.ctx) == nil
}

// item writes the next item.
func (w *writing) item(ctx context.Context) error {
	w.rec.do(func() { w.rec.writing = true })
	err := w.c.Write(ctx, w.half.payload(w.key, w.n))
	w.rec.do(func() { w.rec.writing = false })
	if err == nil {
		w.n++
		if written, upper := w.rec.wrote(); written > upper {
			w.x.h.broke(1, "half %d: %d items were written and at most %d requested", w.key, written, upper)
		}
		return nil
	}
	if !errors.Is(err, errImpatient) {
		w.told = err
	}
	return err
}

// last says the writer's last word, or waits until the reader says its.
func (w *writing) last() {
	switch w.half.Last {
	case endFlood:
		for w.item(w.x.ctx) == nil {
		}
	case endHold:
		select {
		case <-w.c.Done():
		case <-w.x.ctx.Done():
		}
	default:
		w.rec.do(func() { w.rec.saidLast = true })
		if w.half.Last == endCancel {
			w.c.Cancel(w.half.LastBy.err())
		} else if err := w.c.End(); err != nil {
			w.told = err
		}
	}
}

// insist tries to change the end of a stream that is over.
func (w *writing) insist() {
	before := w.c.Err()
	if w.told != nil && w.told != before {
		w.x.h.broke(3, "half %d: Write said %v, and Err says %v", w.key, w.told, before)
	}
	w.c.Cancel(&omni.StreamError{Code: 999, Reason: "too late"})
	err := w.c.End()
	if after := w.c.Err(); after != before || err != before {
		w.x.h.broke(3, "half %d: the writer's end was %v, later Err %v and End %v", w.key, before, after, err)
	}
	want := before
	if want == nil {
		want = omni.ErrEnded
	}
	if err := w.c.Write(w.x.ctx, []byte("late")); err != want {
		w.x.h.broke(3, "half %d: Write after the end says %v, not %v", w.key, err, want)
	}
	if _, err := w.c.Demand(w.x.ctx); err != want {
		w.x.h.broke(3, "half %d: Demand after the end says %v, not %v", w.key, err, want)
	}
}
