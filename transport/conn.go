package transport

import (
	"context"
	"errors"
	"fmt"
)

// Conn carries whole messages, reliably and in order, between two parties.
//
// One goroutine at a time may call Send and one Recv; the two may run beside each other. Close may
// be called at any time, by anyone.
//
// A ctx that ends in the middle of Send or Recv breaks the Conn for good: half a message cannot be
// taken back, and what was half read cannot be read again. The call closes the Conn and returns an
// error that is [ErrBroken] and the ctx's cause, and so does every later call. If ctx has ended
// before the call, the call returns the ctx's cause and the Conn is unharmed. A ctx that cannot end,
// such as [context.Background], costs nothing.
type Conn interface {
	// Send sends msg as one message. It keeps nothing of msg and does not change it. A nil error
	// means that the transport has taken the message, not that the peer has received it.
	//
	// An empty message is [ErrEmpty] and one that the transport cannot express a *[TooLongError];
	// neither harms the Conn. After any other error Send does not work any more, while Recv still
	// hands out what the peer had sent.
	//
	// If ctx ends first, the Conn is broken (see above).
	Send(ctx context.Context, msg []byte) error

	// Recv returns the next message, one byte long at least. The slice belongs to the caller until
	// the next call of Recv, which uses the memory again; Close leaves it alone.
	//
	// io.EOF says that the peer closed in order, between two messages; io.ErrUnexpectedEOF that the
	// stream was cut inside one. A message beyond the read limit is a *[TooLongError] and an empty
	// one [ErrEmpty]; either ends the receiving half only, so that the peer can still be told by
	// Send. A later Recv then hands out nothing, but reads and drops what comes until the peer ends
	// or the Conn is closed, and returns the same error again.
	//
	// If ctx ends first, the Conn is broken (see above).
	Recv(ctx context.Context) ([]byte, error)

	// Close ends the Conn in order as far as that is possible within a second. It unblocks Send and
	// Recv, which return [ErrClosed], here and from then on. The peer may still receive what was
	// sent before. A second Close waits for the first and returns nil.
	Close() error
}

// BuffersSender is a Conn that sends a message from several pieces without joining them first.
type BuffersSender interface {
	// SendBuffers is Send of the concatenation of bufs. It keeps nothing of bufs and changes neither
	// bufs nor the bytes. If ctx ends first, the Conn is broken, as with Send.
	SendBuffers(ctx context.Context, bufs [][]byte) error
}

// Limiter is a Conn whose longest message can be set.
type Limiter interface {
	// SetReadLimit sets the length in bytes of the longest message that Recv accepts; before the
	// first call it is [DefaultReadLimit]. It holds from the next call of Recv on and may be called
	// at any time. It panics if n is below 1.
	SetReadLimit(n int)
}

// StatusCloser is a Conn that can say why it closes.
type StatusCloser interface {
	// CloseStatus is Close with a WebSocket status code and a reason, cut at 123 bytes: 1000 for a
	// goodbye, which Close says too, 1002 for a protocol error, or another that RFC 6455 lets an
	// endpoint send. Only the first call of either counts, and
	// transports without status codes have no such method.
	CloseStatus(code int, reason string) error
}

// DefaultReadLimit is the length in bytes of the longest message that a Conn accepts until its
// SetReadLimit is called. A peer costs that much memory at most, and only as the bytes arrive.
const DefaultReadLimit = 1 << 20

// The memory of a message longer than this is not kept for the next one: a single huge message
// would hold its size for as long as the Conn lives.
const keepBuffer = 512 << 10

// What callers branch on. The Conns wrap them, so compare with errors.Is.
var (
	// ErrClosed is returned by the calls on a Conn or Listener after its Close.
	ErrClosed = errors.New("transport: closed")

	// ErrBroken is returned by the call in the middle of which its ctx ended, and by the calls after it.
	ErrBroken = errors.New("transport: broken, a ctx ended inside a call")

	// ErrEmpty is returned for a message of no bytes: every message has at least one.
	ErrEmpty = errors.New("transport: empty message")
)

// CloseError is returned by Recv when the peer closed a WebSocket with another
// status than 1000, for which it returns io.EOF.
type CloseError struct {
	Status int    // 1005 if the peer gave none
	Reason string // the peer's words
}

// Error has both.
func (e *CloseError) Error() string {
	return fmt.Sprintf("transport: the peer closed with status %d, reason %.123q", e.Status, e.Reason)
}

// TooLongError says that a message is longer than it may be.
type TooLongError struct {
	Size  int64 // bytes of the message; if they are not known in advance, those that had come
	Limit int64 // bytes that it might have had
}

// Error names both sizes.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("transport: message of %d bytes or more, the limit is %d", e.Size, e.Limit)
}

// total adds up bufs and says whether they make a message.
func total(bufs [][]byte, limit int64) (int, error) {
	n := int64(0)
	for _, b := range bufs {
		n += int64(len(b))
	}
	if n == 0 {
		return 0, ErrEmpty
	}
	if n > limit {
		return 0, &TooLongError{Size: n, Limit: limit}
	}
	return int(n), nil
}
