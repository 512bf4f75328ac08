package jsgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"

	"omnistreams.dev/omni"
)

// ahead is how many chunks of a response may wait for the client.
const ahead = 4

// errNothing is the cause of a ctx that has ended: with it, Next only looks.
var errNothing = errors.New("jsgi: nothing is here")

var looking = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errNothing)
	return ctx
}()

// answer sends the response.
func (x *exchange) answer(res *Response) {
	length, err := checkResponse(res)
	if err != nil {
		if res.Body != nil {
			res.Body.Cancel(err)
		}
		x.fail(err)
		return
	}
	x.header = http.Header{"Content-Type": nil} // net/http would guess one
	for name, values := range res.Headers {
		x.header[http.CanonicalHeaderKey(name)] = values
	}
	if x.r.Method == http.MethodHead || !hasBody(res.Status) {
		if res.Body != nil {
			res.Body.Cancel(ErrAnswered)
		}
		x.begin(res.Status)
		return
	}
	p := FromStream(x.ctx, res.Body)
	if err := x.send(res, p, length); err != nil {
		p.Cancel(err)
		x.fail(err)
	}
}

// begin sends the header, once.
func (x *exchange) begin(status int) {
	if x.begun {
		return
	}
	x.begun = true
	maps.Copy(x.w.Header(), x.header)
	if x.r.ProtoMajor == 1 {
		x.input.settle()
	}
	if x.r.ProtoMajor == 1 && !x.input.read.Load() {
		// Where the next request would begin is not known for sure, should
		// the rest of the body not be read.
		x.w.Header().Set("Connection", "close")
	}
	x.w.WriteHeader(status)
}

// send moves the body to the client. A chunk that makes the response complete,
// by its content-length, waits until it is known that none comes after it: a
// client that has the whole could not be told any more.
func (x *exchange) send(res *Response, p *omni.Producer[[]byte], length int64) error {
	p.Request(ahead)
	var last []byte // complete, and waits for the end
	left := length
	for {
		b, err := x.next(res, p)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		p.Request(1)
		if len(b) == 0 {
			continue
		}
		if length >= 0 {
			if left -= int64(len(b)); left < 0 {
				return fmt.Errorf("jsgi: the body is longer than its content-length of %d", length)
			}
			if left == 0 {
				last = b
				continue
			}
		}
		if err := x.write(res, b); err != nil {
			return err
		}
	}
	if left > 0 {
		return fmt.Errorf("jsgi: the body has %d bytes less than its content-length of %d", left, length)
	}
	if last != nil {
		return x.write(res, last)
	}
	x.begin(res.Status)
	return nil
}

func (x *exchange) write(res *Response, b []byte) error {
	x.begin(res.Status)
	x.dirty = true
	if _, err := x.w.Write(b); err != nil {
		return writeError(err)
	}
	return nil
}

// writeError is what a response breaks off with when a write has failed with err:
// that the client has gone, unless it was the server that has given up.
func writeError(err error) error {
	if cutByServer(err) {
		return fmt.Errorf("jsgi: the response was cut: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrClientGone, err)
}

// cutByServer reports whether err comes of a time limit of the server's own.
func cutByServer(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, http.ErrHandlerTimeout)
}

// next returns the next chunk. Before it waits for one that is not on its way,
// it sends what there is, the header at least.
func (x *exchange) next(res *Response, p *omni.Producer[[]byte]) ([]byte, error) {
	b, err := p.Next(looking)
	if err != errNothing {
		return b, err
	}
	if asking := x.input.unasked(); asking != nil {
		if b, err = p.Next(asking); err != errNothing {
			return b, err
		}
	}
	if !res.Body.coming() && (x.dirty || !x.begun) {
		x.begin(res.Status)
		x.dirty = false
		if err := x.out.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, writeError(err)
		}
	}
	if b, err = p.Next(x.client); !errors.Is(err, ErrClientGone) || x.ctx.Err() != nil {
		return b, err
	}
	// An HTTP/1 client that has only shut down its sending side looks the same,
	// so what is on its way is sent; the writes tell.
	ctx, cancel := context.WithTimeoutCause(x.ctx, grace, ErrClientGone)
	defer cancel()
	return p.Next(ctx)
}
