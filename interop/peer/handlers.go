package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// about is the metadata of a stream, all names together.
type about struct {
	Name string `json:"name"`
	pattern
	ID     string `json:"id,omitempty"`     // under which last tells of the stream
	Stop   uint64 `json:"stop,omitempty"`   // sink: stand still after so many items
	Cancel uint64 `json:"cancel,omitempty"` // sink: cancel after so many items
	Fail   uint64 `json:"fail,omitempty"`   // source: break off after so many items
	Code   uint32 `json:"code,omitempty"`   // with which
	Reason string `json:"reason,omitempty"`
	Wait   bool   `json:"wait,omitempty"` // last: wait until the stream is over
}

func (a about) metadata() []byte {
	data, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return data
}

// record is what a session knows of one of its streams.
type record struct {
	mu    sync.Mutex
	tally tally
	going chan struct{} // closed by go
	over  chan struct{} // closed when the stream is over
}

// moved sets how far the stream is.
func (r *record) moved(c *counter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Items, r.tally.Bytes = c.count, c.bytes
}

// ended sets how far it came, and what broke it off if that is not nil.
func (r *record) ended(c *counter, err error) tally {
	t := c.tally()
	if err != nil {
		e := omni.AsStreamError(err)
		t.Code, t.Reason = uint32(e.Code), e.Reason
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally = t
	return t
}

func (r *record) get() tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tally
}

// handlers serve one session. The two sides of a session have the same.
type handlers struct {
	session *mux.Session
	router  mux.Router
	flaw    string // what to do wrong, for tests of the matrix

	mu      sync.Mutex
	records map[string]*record
}

func newHandlers(s *mux.Session, flaw string) *handlers {
	h := &handlers{session: s, flaw: flaw, records: make(map[string]*record)}
	h.router.Handle("echo", h.echo)
	for name, f := range map[string]func(context.Context, *mux.Incoming, about) error{
		"sink": h.sink, "source": h.source, "go": h.letGo, "last": h.last, "back": h.back, "leave": h.leave,
	} {
		h.router.Handle(name, func(ctx context.Context, in *mux.Incoming) error {
			var a about
			if err := json.Unmarshal(in.Metadata(), &a); err != nil {
				return err
			}
			return f(ctx, in, a)
		})
	}
	if flaw == "serves-all" {
		h.router.Handle("nobody", answerNothing)
	}
	return h
}

// record returns the record of a stream, which may not have begun.
func (h *handlers) record(id string) *record {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.records[id]
	if r == nil {
		r = &record{going: make(chan struct{}), over: make(chan struct{})}
		if id != "" {
			h.records[id] = r
		}
	}
	return r
}

// echo answers with what it is sent.
func (h *handlers) echo(ctx context.Context, in *mux.Incoming) error {
	out, err := in.Reply(ctx, in.Metadata())
	if err != nil {
		return err
	}
	return in.Producer().Pipe(ctx, out)
}

// sink reads all, checks it, and answers with a tally.
func (h *handlers) sink(ctx context.Context, in *mux.Incoming, a about) error {
	r := h.record(a.ID)
	defer close(r.over)
	var out *omni.Consumer[[]byte] // of a one-way stream nil
	if in.IsCall() {
		var err error
		if out, err = in.Reply(ctx, nil); err != nil {
			return err
		}
	}
	c := a.counter()
	cause := h.drain(ctx, in.Producer(), out, r, c, a)
	t := r.ended(c, cause)
	if out == nil || cause != nil && c.count != a.Cancel {
		return cause
	}
	if h.flaw == "other-digest" {
		t.SHA256 = hex.EncodeToString(make([]byte, sha256.Size))
	}
	return end(ctx, out, t)
}

// drain reads for sink, and returns what ended the stream if that was not its
// clean end.
func (h *handlers) drain(ctx context.Context, p *omni.Producer[[]byte], out *omni.Consumer[[]byte], r *record, c *counter, a about) error {
	for {
		item, err := p.Next(ctx)
		if err == io.EOF {
			return c.complete()
		}
		if err != nil {
			return err
		}
		if err := c.take(item); err != nil {
			p.Cancel(err)
			return err
		}
		r.moved(c)
		switch c.count {
		case a.Stop:
			if err := h.standStill(ctx, out, r); err != nil {
				return err
			}
		case a.Cancel:
			err := &omni.StreamError{Code: omni.Code(a.Code), Reason: a.Reason}
			if h.flaw == "other-reason" {
				err.Reason += "!"
			}
			p.Cancel(err)
			return err
		}
	}
}

// standStill says so, and waits for go.
func (h *handlers) standStill(ctx context.Context, out *omni.Consumer[[]byte], r *record) error {
	if err := out.Write(ctx, []byte("still")); err != nil || h.flaw == "reads-on" {
		return err
	}
	return wait(ctx, r.going)
}

// source answers with the items of a pattern.
func (h *handlers) source(ctx context.Context, in *mux.Incoming, a about) error {
	r := h.record(a.ID)
	defer close(r.over)
	c := a.counter()
	err := h.pour(ctx, in, r, c, a)
	r.ended(c, err)
	return err
}

// pour writes for source. It returns when the reader is through, and what
// ended the stream if that was not its clean end.
func (h *handlers) pour(ctx context.Context, in *mux.Incoming, r *record, c *counter, a about) error {
	if err := asked(ctx, in); err != nil {
		return err
	}
	out, err := in.Reply(ctx, nil)
	if err != nil {
		return err
	}
	for item, more := c.want.next(); more; item, more = c.want.next() {
		if h.flaw == "other-bytes" && c.count == 3 {
			item = []byte("?")
		}
		if err := out.Write(ctx, item); err != nil {
			return err
		}
		c.add(item)
		r.moved(c)
		if c.count != a.Fail {
			continue
		}
		if h.flaw == "ends-well" {
			break
		}
		err := &omni.StreamError{Code: omni.Code(a.Code), Reason: a.Reason}
		out.Cancel(err)
		return err
	}
	if err := out.End(); err != nil {
		return err
	}
	if err := wait(ctx, out.Done()); err != nil {
		return err
	}
	return out.Err()
}

// letGo lets a sink that stands still read on.
func (h *handlers) letGo(ctx context.Context, in *mux.Incoming, a about) error {
	if err := asked(ctx, in); err != nil {
		return err
	}
	close(h.record(a.ID).going)
	return answerNothing(ctx, in)
}

// last tells of another stream of the session.
func (h *handlers) last(ctx context.Context, in *mux.Incoming, a about) error {
	if err := asked(ctx, in); err != nil {
		return err
	}
	r := h.record(a.ID)
	if a.Wait {
		if err := wait(ctx, r.over); err != nil {
			return err
		}
	}
	out, err := in.Reply(ctx, nil)
	if err != nil {
		return err
	}
	return end(ctx, out, r.get())
}

// back sends a stream to the other side and has one sent from there, and
// answers when both were in order.
func (h *handlers) back(ctx context.Context, in *mux.Incoming, a about) error {
	if err := asked(ctx, in); err != nil {
		return err
	}
	if err := up(ctx, h.session, a.pattern); err != nil {
		return wrong("up: %v", err)
	}
	if err := down(ctx, h.session, a.pattern); err != nil {
		return wrong("down: %v", err)
	}
	return answerNothing(ctx, in)
}

// leave shuts the session down.
func (h *handlers) leave(ctx context.Context, in *mux.Incoming, _ about) error {
	if err := asked(ctx, in); err != nil {
		return err
	}
	if err := answerNothing(ctx, in); err != nil {
		return err
	}
	go func() { _ = h.session.Shutdown(ctx) }() // the session's end tells
	return nil
}

// answerNothing answers without items.
func answerNothing(ctx context.Context, in *mux.Incoming) error {
	out, err := in.Reply(ctx, nil)
	if err != nil {
		return err
	}
	return out.End()
}

// asked reads the end of a question without items.
func asked(ctx context.Context, in *mux.Incoming) error {
	_, err := in.Producer().Next(ctx)
	switch err {
	case io.EOF:
		return nil
	case nil:
		return wrong("the question should be empty")
	}
	return err
}

// end writes a tally as the last item.
func end(ctx context.Context, out *omni.Consumer[[]byte], t tally) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := out.Write(ctx, data); err != nil {
		return err
	}
	return out.End()
}

// wait waits for done to be closed.
func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wrong is what a stream ends with that is not as it should be.
func wrong(format string, args ...any) error {
	return &omni.StreamError{Code: 256, Reason: fmt.Sprintf(format, args...)}
}

// flaws are what a server can do wrong; each fails a scenario, so that a test
// sees that they can.
var flaws = []string{"other-bytes", "other-digest", "other-reason", "ends-well", "reads-on", "serves-all"}
