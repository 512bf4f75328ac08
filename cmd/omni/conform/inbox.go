package conform

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"omnistreams.dev/transport"
)

// mostWaiting bounds the bytes that wait in an inbox; no case grants as many.
const mostWaiting = 256 << 20

// inbox receives beside the case: a ctx that ends would break the transport,
// and the case must be able to see that nothing comes.
type inbox struct {
	more chan struct{} // has a token when there is something to see
	done chan struct{} // closed when receiving has ended

	mu     sync.Mutex
	queue  [][]byte
	size   int
	err    error
	resume chan struct{} // not nil while receiving is to wait
}

// newInbox starts a goroutine that receives until conn ends; wait for done.
func newInbox(conn transport.Conn) *inbox {
	in := &inbox{more: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(in.done)
		for in.receive(conn) {
		}
	}()
	return in
}

// receive takes one message and reports whether to go on.
func (in *inbox) receive(conn transport.Conn) bool {
	in.mu.Lock()
	resume := in.resume
	in.mu.Unlock()
	if resume != nil {
		<-resume // closed by the case, or when it is over
	}
	msg, err := conn.Recv(context.Background())
	in.mu.Lock()
	defer in.mu.Unlock()
	if err == nil && in.size+len(msg) > mostWaiting {
		err = errors.New("more has come than was ever granted")
	}
	if err != nil {
		in.err = err
	} else {
		in.queue = append(in.queue, slices.Clone(msg))
		in.size += len(msg)
	}
	select {
	case in.more <- struct{}{}:
	default:
	}
	return err == nil
}

// next is the next message, nil if none came before the deadline, or the error
// that the transport ended with.
func (in *inbox) next(ctx context.Context, deadline time.Time) ([]byte, error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		if msg, err := in.pop(); msg != nil || err != nil {
			return msg, err
		}
		select {
		case <-in.more:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pop takes what is there.
func (in *inbox) pop() ([]byte, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) == 0 {
		return nil, in.err
	}
	msg := in.queue[0]
	in.queue = in.queue[1:]
	in.size -= len(msg)
	return msg, nil
}

// pause stops receiving after at most one more message.
func (in *inbox) pause() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.resume == nil {
		in.resume = make(chan struct{})
	}
}

// goOn ends a pause, if there is one.
func (in *inbox) goOn() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.resume != nil {
		close(in.resume)
		in.resume = nil
	}
}
