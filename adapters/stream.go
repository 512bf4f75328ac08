package adapters

import (
	"context"
	"io"
	"time"

	"omnistreams.dev/omni"
)

// FromReader returns the stream of r's bytes in items of at most size bytes,
// zero for 32 KiB: what one Read returns is one item. r's io.EOF ends the
// stream, any other error cancels it, after the bytes before it. If ctx ends
// first, the stream is canceled with its cause.
//
// It starts a goroutine, which ends with the stream and reads up to a default
// window of items ahead; r is read by nobody else meanwhile. If a Read of r blocks when the stream is canceled, it is
// interrupted if r has a SetReadDeadline method, as a net.Conn does (the
// deadline is cleared afterwards); else the goroutine stays until Read
// returns, and so does whoever leaves a loop over the stream. r is not closed.
func FromReader(ctx context.Context, r io.Reader, size int) *omni.Producer[[]byte] {
	checkContext(ctx, "FromReader")
	if r == nil {
		panic("adapters: FromReader of a nil Reader")
	}
	size = itemSize(size)
	return omni.Produce(ctx, func(ctx context.Context, c *omni.Consumer[[]byte]) error {
		defer interruptRead(ctx, r)()
		_, err := readItems(ctx, c, r, size)
		return err
	})
}

// ToWriter returns a stream whose items are written to w, one Write each;
// empty ones are skipped. An error of w, and io.ErrShortWrite if it takes less
// than an item without one, cancel the stream, so that its writer gets the
// cause. Done closes when w has taken everything, or after the last Write of a
// stream that broke off; Err says which. If ctx ends first, the stream is
// canceled with its cause.
//
// It starts a goroutine, which ends with the stream, and w is written to by
// nobody else meanwhile. If a Write to w blocks when the stream is canceled,
// it is interrupted if w has a SetWriteDeadline method, as a net.Conn does
// (the deadline is cleared afterwards); else the goroutine stays until Write
// returns, and Done waits for it, but writers of the stream learn the cause at
// once. w is not closed.
func ToWriter(ctx context.Context, w io.Writer) *omni.Consumer[[]byte] {
	checkContext(ctx, "ToWriter")
	if w == nil {
		panic("adapters: ToWriter of a nil Writer")
	}
	return consumeInto(ctx, w, func(b []byte) ([]byte, error) { return b, nil })
}

// consumeInto returns a stream whose items become bytes that are written to w.
func consumeInto[T any](ctx context.Context, w io.Writer, toBytes func(T) ([]byte, error)) *omni.Consumer[T] {
	return omni.Consume(ctx, func(ctx context.Context, p *omni.Producer[T]) error {
		defer interruptWrite(ctx, w)()
		for item, err := range p.All(ctx) {
			if err != nil {
				return err
			}
			b, err := toBytes(item)
			if err == nil && len(b) > 0 {
				_, err = writeFull(w, b)
			}
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx) // an interrupted Write is not the cause
			}
			if err != nil {
				p.Cancel(err) // before the loop is left, which says ErrCanceled
				return err
			}
		}
		return nil
	})
}

// interruptRead makes r's Read return soon after ctx has ended, if r can do
// that. The returned func ends the watch and leaves r without a deadline if
// one was set.
func interruptRead(ctx context.Context, r io.Reader) (leave func()) {
	d, ok := r.(interface{ SetReadDeadline(time.Time) error })
	if !ok {
		return func() {}
	}
	return interrupt(ctx, d.SetReadDeadline)
}

func interruptWrite(ctx context.Context, w io.Writer) (leave func()) {
	d, ok := w.(interface{ SetWriteDeadline(time.Time) error })
	if !ok {
		return func() {}
	}
	return interrupt(ctx, d.SetWriteDeadline)
}

func interrupt(ctx context.Context, setDeadline func(time.Time) error) (leave func()) {
	ran := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ran)
		_ = setDeadline(time.Unix(1, 0)) // one that cannot only makes us wait
	})
	return func() {
		if !stop() {
			<-ran
			_ = setDeadline(time.Time{}) // closed meanwhile, at worst
		}
	}
}
