package adapters

import (
	"context"
	"errors"
	"fmt"
	"io"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// Reader reads a stream of byte slices as one run of bytes. Where one item
// ends and the next begins is not kept, and an empty item is skipped: only the
// stream's end is io.EOF. It is for one goroutine at a time, save Close.
type Reader struct {
	ctx   context.Context // of the whole stream: an io.Reader's calls have none
	bytes cursor
	stop  func() bool // ends the watch on ctx
}

// NewReader returns a Reader of p, which belongs to it from now on. If ctx
// ends first, p is canceled with its cause, also while nobody reads. It starts
// no goroutine.
func NewReader(ctx context.Context, p *omni.Producer[[]byte]) *Reader {
	checkContext(ctx, "NewReader")
	if p == nil {
		panic("adapters: NewReader of a nil Producer")
	}
	r := &Reader{ctx: ctx, bytes: newCursor(p)}
	r.stop = context.AfterFunc(ctx, func() { p.Cancel(context.Cause(ctx)) })
	return r
}

// Read waits for an item and reads from it. An empty b reads nothing and
// returns 0, nil. After a clean end it returns io.EOF, after any other the
// stream's own error, in both cases when all bytes before were read. If ctx
// ends first it returns the cause.
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	return r.bytes.read(b), nil
}

// WriteTo writes everything to w until the stream ends, item by item and
// without a copy, and returns how many bytes w took. A clean end is a nil
// error. After an error of w the bytes that it did not take are still there
// to read. If ctx ends first it returns the cause; a Write of w that blocks is
// not interrupted.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	if w == nil {
		panic("adapters: WriteTo a nil Writer")
	}
	for {
		if err := r.fill(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		m, err := writeFull(w, r.bytes.rest)
		r.bytes.rest = r.bytes.rest[m:]
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
}

// Close cancels the stream, unless it has ended, drops what is not read, and
// waits for the goroutines upstream as leaving a loop over the stream does.
// Reads return the stream's error from then on. It may be called beside Read
// and more than once, and returns nil.
func (r *Reader) Close() error {
	r.stop()
	r.bytes.p.Cancel(nil)
	// It has ended, so this hands out no item: it waits for upstream.
	_, _ = r.bytes.p.Next(context.Background())
	return nil
}

// fill waits until there is a byte to read.
func (r *Reader) fill() error {
	if r.ctx.Err() != nil {
		r.bytes.p.Cancel(context.Cause(r.ctx))
	}
	err := r.bytes.fill(r.ctx)
	if err != nil {
		r.stop()
		r.bytes.p.Cancel(err) // does nothing unless it is ctx that has ended
	}
	return err
}

// cursor is a place in a stream of byte slices. It has one item at a time and
// copies out of it, so a session may use the memory again.
type cursor struct {
	p    *omni.Producer[[]byte]
	done <-chan struct{} // p's
	rest []byte          // of the item that is being read
}

func newCursor(p *omni.Producer[[]byte]) cursor {
	return cursor{p: mux.Reuse(p), done: p.Done()}
}

// fill waits until rest has a byte. If ctx ends first, nothing is lost.
func (c *cursor) fill(ctx context.Context) error {
	if len(c.rest) > 0 && isDone(c.done) {
		c.rest = nil // canceled: what is not read is dropped
	}
	for len(c.rest) == 0 {
		item, err := c.p.Next(ctx)
		if err != nil {
			return err
		}
		c.rest = item
	}
	return nil
}

// read moves bytes of rest to b.
func (c *cursor) read(b []byte) int {
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	if len(c.rest) == 0 {
		c.rest = nil // or it keeps the item alive
	}
	return n
}

// errCount says that a reader or writer of the caller's breaks its contract.
var errCount = errors.New("adapters: impossible count of bytes")

// writeFull writes b to w and makes an error of a short count.
func writeFull(w io.Writer, b []byte) (int, error) {
	n, err := w.Write(b)
	switch {
	case n < 0 || n > len(b):
		return 0, fmt.Errorf("%w: wrote %d of %d", errCount, n, len(b))
	case err != nil:
		// Wrapped, for an io.EOF must not look like a clean end.
		return n, fmt.Errorf("adapters: write: %w", err)
	case n < len(b):
		return n, io.ErrShortWrite
	}
	return n, nil
}

func checkContext(ctx context.Context, call string) {
	if ctx == nil {
		panic("adapters: " + call + " with a nil context")
	}
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
