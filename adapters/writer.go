package adapters

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"omnistreams.dev/omni"
)

// defaultItemSize is the longest item that bytes are cut into if nothing else
// is said, in bytes. It is an eighth of what a peer accepts by default, so
// that a window of credit holds several.
const defaultItemSize = 32 << 10

// WriterOptions are the settings of a Writer. A nil *WriterOptions means all
// defaults.
type WriterOptions struct {
	// ItemSize is the longest item that is written, in bytes. Zero means 32
	// KiB. On a stream of a mux session it must not be more than the peer
	// accepts (Session.MaxItem), or every longer item is refused with a
	// *mux.TooLargeError.
	ItemSize int
}

func (o *WriterOptions) itemSize() int {
	if o == nil {
		return itemSize(0)
	}
	return itemSize(o.ItemSize)
}

// itemSize is n, or the default for zero.
func itemSize(n int) int {
	switch {
	case n < 0:
		panic(fmt.Sprintf("adapters: item size of %d bytes", n))
	case n == 0:
		return defaultItemSize
	}
	return n
}

// Writer writes bytes to a stream of byte slices, cut into items of a limited
// size. Several goroutines may use it, but of two Writes that are longer than
// one item the items may come mixed.
type Writer struct {
	ctx  context.Context // of the whole stream: an io.Writer's calls have none
	c    *omni.Consumer[[]byte]
	size int
	stop func() bool // ends the watch on ctx
}

// NewWriter returns a Writer to c, which is its to end. If ctx ends first, c
// is canceled with its cause, also while nobody writes. It starts no goroutine.
func NewWriter(ctx context.Context, c *omni.Consumer[[]byte], opt *WriterOptions) *Writer {
	checkContext(ctx, "NewWriter")
	if c == nil {
		panic("adapters: NewWriter to a nil Consumer")
	}
	w := &Writer{ctx: ctx, c: c, size: opt.itemSize()}
	w.stop = context.AfterFunc(ctx, func() { c.Cancel(context.Cause(ctx)) })
	return w
}

// Write writes a copy of b as one or more items, waiting until the reader has
// asked for them. An empty b writes no item. On an error, n is how many bytes
// were accepted: those in whole items, the reader gets them. If ctx ends first
// it returns the cause.
func (w *Writer) Write(b []byte) (n int, err error) {
	n, err = writeItems(w.ctx, w.c, b, w.size, false)
	return n, w.checked(err)
}

// ReadFrom writes everything that r has, until io.EOF, and returns how many
// bytes the stream accepted. It does not end the stream. What one Read returns
// is one item, read before it is asked for: so r's end needs nobody to ask. An
// error of r comes after the bytes before it; if r returns nothing and no
// error a hundred times, that is io.ErrNoProgress. If ctx ends first it
// returns the cause; a Read of r that blocks is not interrupted.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	if r == nil {
		panic("adapters: ReadFrom a nil Reader")
	}
	n, err = readItems(w.ctx, w.c, r, w.size)
	return n, w.checked(err)
}

// Close ends the stream: the reader gets what was written, then io.EOF. It
// does not wait for that: Done of the Consumer tells. A second Close does
// nothing; on a stream that broke off it returns the cause.
func (w *Writer) Close() error {
	w.stop()
	return w.c.End()
}

// CloseWithError breaks the stream off: the reader gets what was written, then
// err. With nil or io.EOF it is Close, as with an io.PipeWriter. The first
// Close or CloseWithError wins; it returns nil.
func (w *Writer) CloseWithError(err error) error {
	if err == nil || err == io.EOF {
		return w.Close()
	}
	w.stop()
	w.c.Cancel(err)
	return nil
}

// checked cancels the stream if err is that ctx has ended.
func (w *Writer) checked(err error) error {
	if err != nil && w.ctx.Err() != nil {
		w.c.Cancel(context.Cause(w.ctx))
	}
	return err
}

// writeItems writes b in pieces of at most size bytes and returns how many
// bytes were accepted. Inside a process the reader gets the slice itself, and b
// goes back to its owner: so the pieces are copies, unless c makes them.
func writeItems(ctx context.Context, c *omni.Consumer[[]byte], b []byte, size int, copied bool) (n int, err error) {
	for n < len(b) {
		piece := b[n:min(len(b), n+size)]
		if !copied {
			piece = bytes.Clone(piece)
		}
		if err := c.Write(ctx, piece); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

// emptyReads is how often a reader may return nothing without an error.
const emptyReads = 100

// readItems writes what r returns, item by item.
func readItems(ctx context.Context, c *omni.Consumer[[]byte], r io.Reader, size int) (n int64, err error) {
	var buf []byte
	empty := 0
	for {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		if buf == nil {
			buf = make([]byte, size)
		}
		m, rerr := r.Read(buf)
		if m < 0 || m > len(buf) {
			return n, fmt.Errorf("%w: read %d into %d", errCount, m, len(buf))
		}
		if m > 0 {
			empty = 0
			item := buf[:m:m]
			if m <= size/2 {
				item = bytes.Clone(item) // or a few bytes hold a whole buffer
			} else {
				buf = nil // the reader's now
			}
			if err := c.Write(ctx, item); err != nil {
				return n, err
			}
			n += int64(m)
		}
		switch {
		case rerr == io.EOF:
			return n, nil
		case rerr != nil && ctx.Err() != nil:
			return n, context.Cause(ctx) // an interrupted Read is not the cause
		case rerr != nil:
			return n, fmt.Errorf("adapters: read: %w", rerr)
		case m == 0:
			if empty++; empty == emptyReads {
				return n, io.ErrNoProgress
			}
		}
	}
}
