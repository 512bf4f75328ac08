package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
)

// lane is one direction of a Pair. Its channels are never closed: that its sender has ended is seen
// at the sender's done.
type lane struct {
	msgs chan []byte // copies, on their way
	free chan []byte // spent copies, on their way back
}

// A few messages let the two sides run beside each other. More would only hold more memory.
const pairDepth = 8

func newLane() lane {
	// The sender holds one copy and the receiver one, besides those on their way.
	return lane{msgs: make(chan []byte, pairDepth), free: make(chan []byte, pairDepth+2)}
}

type pairConn struct {
	lifecycle
	limit
	out, in lane
	over    chan struct{}   // closed when this end ends, before done
	peer    <-chan struct{} // the other end's done

	sending gate      // held while a message may still go out
	one     [1][]byte // Send's only piece
	lent    []byte    // handed out by the last Recv
	recvErr error     // why Recv hands out nothing any more; receiver only
}

// Pair returns the two ends of a transport inside the process, made of Go channels. A few messages
// fit between the ends; Send waits when they are full. It starts no goroutine and touches nothing
// outside of itself.
func Pair() (Conn, Conn) {
	there, back := newLane(), newLane()
	a := &pairConn{lifecycle: newLifecycle(), out: there, in: back, over: make(chan struct{}), sending: make(gate, 1)}
	b := &pairConn{lifecycle: newLifecycle(), out: back, in: there, over: make(chan struct{}), sending: make(gate, 1)}
	a.peer, b.peer = b.done, a.done
	return a, b
}

func (c *pairConn) Send(ctx context.Context, msg []byte) error {
	c.one[0] = msg
	err := c.SendBuffers(ctx, c.one[:])
	c.one[0] = nil
	return err
}

func (c *pairConn) SendBuffers(ctx context.Context, bufs [][]byte) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	n, err := total(bufs, math.MaxInt32)
	if err != nil {
		return err
	}
	select {
	case <-c.peer: // or the peer's end would race with room in the lane
		return fmt.Errorf("transport: send: %w", io.ErrClosedPipe)
	default:
	}
	err = c.deliver(ctx, c.joined(bufs, n))
	if err == errGaveUp {
		return c.breakOff(ctx)
	}
	return err
}

// errGaveUp says that ctx ended first.
var errGaveUp = errors.New("gave up")

func (c *pairConn) deliver(ctx context.Context, msg []byte) error {
	if err := c.pass(c.sending); err != nil {
		return err
	}
	defer func() { <-c.sending }()
	select {
	case c.out.msgs <- msg:
		return nil
	case <-c.peer:
		return c.outcome(fmt.Errorf("transport: send: %w", io.ErrClosedPipe))
	case <-c.over:
		return c.state()
	case <-ctx.Done():
		return errGaveUp
	}
}

// joined is the message that bufs make, n bytes, in memory that the peer has done with.
func (c *pairConn) joined(bufs [][]byte, n int) []byte {
	var msg []byte
	select {
	case msg = <-c.out.free:
	default:
	}
	if cap(msg) < n {
		msg = make([]byte, 0, n)
	}
	msg = msg[:0]
	for _, b := range bufs {
		msg = append(msg, b...)
	}
	return msg
}

func (c *pairConn) Recv(ctx context.Context) ([]byte, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	c.giveBack()
	for {
		msg, err := c.next(ctx)
		switch {
		case err != nil:
			if c.recvErr != nil && c.state() == nil {
				err = c.recvErr
			}
			return nil, err
		case c.recvErr != nil: // read and drop
		case int64(len(msg)) > c.bytes():
			c.recvErr = &TooLongError{Size: int64(len(msg)), Limit: c.bytes()}
			return nil, c.recvErr
		default:
			c.lent = msg
			return msg, nil
		}
	}
}

// next takes a message that is here before it looks at any end: what was sent before a Close
// arrives.
func (c *pairConn) next(ctx context.Context) ([]byte, error) {
	select {
	case msg := <-c.in.msgs:
		return msg, nil
	default:
	}
	select {
	case msg := <-c.in.msgs:
		return msg, nil
	case <-c.over:
		return nil, c.state()
	case <-ctx.Done():
		return nil, c.breakOff(ctx)
	case <-c.peer:
	}
	select {
	case msg := <-c.in.msgs:
		return msg, nil
	default:
		return nil, io.EOF
	}
}

// giveBack lets the peer use the memory of the last message again.
func (c *pairConn) giveBack() {
	if c.lent != nil && cap(c.lent) <= keepBuffer {
		select {
		case c.in.free <- c.lent:
		default:
		}
	}
	c.lent = nil
}

func (c *pairConn) breakOff(ctx context.Context) error {
	_ = c.breakWith(brokenBy(ctx), c.hangUp) // it cannot fail
	return c.state()
}

func (c *pairConn) Close() error { return c.close(c.hangUp) }

// hangUp lets a Send that runs come to its end. Only then the peer sees that no more will come, and
// what Send called sent is there before.
func (c *pairConn) hangUp() error {
	close(c.over)
	c.sending <- struct{}{}
	<-c.sending
	return nil
}
