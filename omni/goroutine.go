package omni

import "context"

// errExited is the cause if a func leaves its goroutine by runtime.Goexit.
var errExited error = &StreamError{Code: CodeInternal, Reason: "the goroutine exited"}

// Produce starts a goroutine that runs f, and returns the stream that f
// writes to. When f returns nil the stream ends, with an error it is canceled
// with that (io.EOF is no clean end: the reader gets io.ErrUnexpectedEOF). The
// window is the default one; for another use NewStream and go.
//
// The ctx that f gets ends with its cause when ctx does or when the reader
// canceled, and also when the reader took the end. If ctx ends before f
// returns, the reader gets what was written and then the cause. Leaving the
// reader's loop waits for f to return, so an f that ignores its ctx makes it
// wait. A panic in f is not recovered.
func Produce[T any](ctx context.Context, f func(context.Context, *Consumer[T]) error) *Producer[T] {
	checkContext(ctx, "Produce")
	if f == nil {
		panic("omni: Produce with a nil func")
	}
	return produce(ctx, nil, nil, f)
}

// produce is Produce with a window and the join of the streams that f reads.
func produce[T any](ctx context.Context, opt *Options, up func(context.Context), f func(context.Context, *Consumer[T]) error) *Producer[T] {
	s := newStream[T](opt)
	c := s.consumer()
	inner, release := context.WithCancelCause(ctx)
	s.onDone = release
	stop := context.AfterFunc(ctx, func() { c.Cancel(causeOf(ctx)) })
	joined := make(chan struct{})
	go func() {
		err := errExited
		defer close(joined)
		defer func() {
			stop()
			if err != nil {
				c.Cancel(err)
			}
			release(nil)
		}()
		err = f(inner, c)
		if err == nil && ctx.Err() != nil {
			err = causeOf(ctx) // f may have stopped for that
		}
		if err == nil {
			err = c.End()
		}
	}()
	return &Producer[T]{src: s, join: joinAll(joined, up)}
}

// joinAll waits for one goroutine and for what it read from.
func joinAll(joined <-chan struct{}, up func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-joined:
		case <-ctx.Done():
			return
		}
		if up != nil {
			up(ctx)
		}
	}
}

// Consume starts a goroutine that runs f, and returns the stream that f reads
// from, with the default window. When f returns, the stream is over: with an
// error it is canceled with that, with nil before the end was read it is
// canceled with ErrCanceled. However the stream ended, Done of the returned
// Consumer closes when f has returned, so a writer that waits for it knows
// that its items were dealt with. Err is then nil if f read the end and
// returned nil (or the io.EOF that it read), else what broke the stream off
// first: a Cancel of either side, ctx, or f's error.
//
// If ctx ends first, the stream is canceled with its cause, and so ends the
// ctx that f gets. A panic in f is not recovered.
func Consume[T any](ctx context.Context, f func(context.Context, *Producer[T]) error) *Consumer[T] {
	checkContext(ctx, "Consume")
	if f == nil {
		panic("omni: Consume with a nil func")
	}
	s := newStream[T](nil)
	s.held = true
	p := &Producer[T]{src: s}
	stop := context.AfterFunc(ctx, func() { p.Cancel(causeOf(ctx)) })
	go func() {
		err := errExited
		defer func() {
			stop()
			p.Cancel(err)
			s.finishWrite(cleanIsNil(err))
		}()
		err = f(ctx, p)
	}()
	return s.consumer()
}
