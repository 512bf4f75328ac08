package jsgi

import (
	"bytes"
	"context"
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

// input reads a request's body into a stream, as that is ready for more, so
// that at most one chunk waits in it.
type input struct {
	s      *Stream[[]byte]
	read   atomic.Bool   // the body was read to its end
	joined chan struct{} // closed when the goroutine has returned

	// For a client that waits for "100 Continue", which it cannot get any
	// more once the response has begun: a ctx that ends, with errNothing, when
	// the first read is done. Nil for other clients.
	asking context.Context
	asked  context.CancelCauseFunc
}

// startInput starts the goroutine, if there is a body. It ends with the body,
// or with the exchange, whose finish joins it.
func startInput(x *exchange, s *Stream[[]byte]) *input {
	in := &input{s: s, joined: make(chan struct{})}
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
	buf := make([]byte, size)
	for {
		// Not a byte is read before somebody wants it: a client that expects
		// "100 Continue" gets it here.
		if in.s.Ready(x.ctx) != nil {
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
			in.s.CloseWithError(fmt.Errorf("jsgi: request body: %w", err))
			return
		}
	}
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
		_ = x.r.Body.Close() // not the server's own: all that can be done
		return
	}
	<-in.joined // the deadline stays: the server would wait for the rest as well
}
