package mux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing/synctest"

	"omnistreams.dev/omni"
)

type readResult struct {
	item []byte
	err  error
}

// read starts to take the next item.
func (h *handle) read(ctx context.Context) {
	if h.reading != nil {
		return
	}
	h.reading = make(chan readResult, 1)
	result := h.reading
	h.do(func() {
		item, err := h.in.Next(ctx)
		result <- readResult{item, err}
	})
}

// readOutcome is that of the pending read, which must have come.
func (r *runner) readOutcome(h *handle) readResult {
	h.read(r.ctx)
	synctest.Wait()
	select {
	case got := <-h.reading:
		h.reading = nil
		return got
	default:
		r.fatalf("the reader waits")
		panic("unreachable")
	}
}

// ended is how a writer, a call or a pending open came out.
func (r *runner) ended(h *handle) error {
	if h.out == nil {
		return h.err
	}
	select {
	case <-h.out.Done():
		return h.out.Err()
	default:
		r.fatalf("the writer is not finished")
		return nil
	}
}

func (r *runner) see(step *vstep) {
	h := r.on(step)
	switch step.See {
	case "item":
		if got := r.readOutcome(h); got.err != nil || !bytes.Equal(got.item, step.Item) {
			r.fatalf("read %.40q, %v, want %.40q", got.item, got.err, []byte(step.Item))
		}
	case "end":
		if got := r.readOutcome(h); got.err != io.EOF {
			r.fatalf("read %.40q, %v, want the end", got.item, got.err)
		}
	case "done":
		if err := r.ended(h); err != nil || h.out == nil {
			r.fatalf("the writer ended with %v", err)
		}
	case "error", "lost":
		var err error
		if h.in != nil {
			err = r.readOutcome(h).err
		} else {
			err = r.ended(h)
		}
		if step.See == "lost" {
			if !errors.Is(err, ErrSessionLost) {
				r.fatalf("got %v, want a lost stream", err)
			}
			return
		}
		var se *omni.StreamError
		if !errors.As(err, &se) || se.Code != step.Code || se.Reason != step.Reason || errors.Is(err, ErrSessionLost) {
			r.fatalf("got %v, want code %d %q", err, step.Code, step.Reason)
		}
	default:
		r.fatalf("unknown outcome %q", step.See)
	}
}
