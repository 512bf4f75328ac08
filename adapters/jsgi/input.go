package jsgi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// grace is how long a read of the request's body may go on after the response
// was made, before it is interrupted. A client that is sending needs less, and
// then is in time to read the response before its connection is closed.
const grace = 50 * time.Millisecond

// linger is how long the server may then wait for what the client still sends,
// which it throws away. It would wait for ever.
const linger = 500 * time.Millisecond

// pieces is how often a body that fits a chunk is read before anybody listens, so
// that the next request finds its beginning, and a client that goes is noticed,
// although the application does not look at the body. Most come in one piece.
const pieces = 16

// input reads a request's body into a stream, as that is ready for more, so
// that at most one chunk waits in it.
type input struct {
	s      *Stream[[]byte]
	read   atomic.Bool   // the body was read to its end
	joined chan struct{} // closed when the goroutine has returned

	ahead   int           // reads that nobody needs to ask for
	settled chan struct{} // closed after these; not if the goroutine returns before

	// For a client that waits for "100 Continue", which it cannot get any
	// more once the response has begun: a ctx that ends, with errNothing, when
	// the first read is done. Nil for other clients.
	asking context.Context
	asked  context.CancelCauseFunc
}

// startInput starts the goroutine, if there is a body. It ends with the body,
// or with the exchange, whose finish joins it.
func startInput(x *exchange, s *Stream[[]byte]) *input {
	in := &input{s: s, joined: make(chan struct{}), settled: make(chan struct{})}
	if x.r.Body == nil || x.r.Body == http.NoBody {
		in.read.Store(true)
		s.Close()
		close(in.joined)
		return in
	}
	// Where it is not supported, HTTP/2 aside, reads fail once the
	// response has begun, and Input says so.
	_ = x.out.EnableFullDuplex()
	if x.r.Header.Get("Expect") != "" {
		in.asking, in.asked = context.WithCancelCause(x.ctx)
	} else if n := x.r.ContentLength; n > 0 && n <= int64(x.h.opt.ChunkSize) {
		in.ahead = pieces
	}
	go in.readLoop(x)
	return in
}

func (in *input) readLoop(x *exchange) {
	defer close(in.joined)
	if in.asked != nil {
		defer in.asked(errNothing)
	}
	size := x.h.opt.ChunkSize
	if n := x.r.ContentLength; n > 0 && n < int64(size) {
		size = int(n)
	}
	buf := make([]byte, size)
	for i := 0; ; i++ {
		if i == in.ahead {
			close(in.settled)
		}
		// Else not a byte is read before somebody wants it: a client that
		// expects "100 Continue" gets it here.
		if i >= in.ahead && in.s.Ready(x.ctx) != nil {
			return // it is over: canceled by the application or with x.ctx
		}
		n, err := x.r.Body.Read(buf)
		if err == io.EOF {
			in.read.Store(true)
		}
		if in.asked != nil {
			in.asked(errNothing)
		}
		if n > 0 {
			chunk := buf[:n]
			if n < size/4 {
				chunk = bytes.Clone(chunk) // not to keep much memory for little
			} else {
				buf = make([]byte, size)
			}
			if _, failed := in.s.Write(chunk); failed != nil {
				return
			}
		}
		switch err {
		case nil:
		case io.EOF:
			in.s.Close()
			return
		default:
			in.s.CloseWithError(x.readError(err))
			return
		}
	}
}

// settle waits until what is read ahead was read, if the client has sent it.
func (in *input) settle() {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-in.settled:
	case <-in.joined:
	case <-timer.C:
	}
}

// readError is what Input breaks off with when a read has failed with err: that
// the client has gone, unless it is there and has sent what is no body, or too
// much or too late for the server.
func (x *exchange) readError(err error) error {
	var tooLarge *http.MaxBytesError
	if cutByServer(err) || errors.As(err, &tooLarge) ||
		x.r.ProtoMajor == 1 && x.r.Context().Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("jsgi: request body: %w", err)
	}
	return fmt.Errorf("%w: request body: %w", ErrClientGone, err)
}

// unasked returns a ctx that ends when the client was told to send, if it
// waits for that and is about to be; else nil.
func (in *input) unasked() context.Context {
	if in.asking == nil || in.asking.Err() != nil || !in.s.idle() {
		return nil
	}
	return in.asking
}

// join waits for the goroutine, after x.ctx has ended. A read that blocks is
// interrupted, after which the connection cannot be used again: begin has said
// so to the client.
func (in *input) join(x *exchange) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-in.joined:
		if x.r.ProtoMajor == 1 && !in.read.Load() {
			_ = x.out.SetReadDeadline(time.Now().Add(linger)) // not the server's own, at worst
		}
		return
	case <-timer.C:
	}
	if x.out.SetReadDeadline(time.Unix(1, 0)) != nil {
		return // not the server's own, which interrupts the read when this has returned
	}
	<-in.joined // the deadline stays: the server would wait for the rest as well
}
