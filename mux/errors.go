package mux

import (
	"context"
	"errors"
	"fmt"
	"io"

	"omnistreams.dev/omni"
)

// ErrClosed is the session's error after its own Close, and that of calls on
// a session that is over.
var ErrClosed = errors.New("mux: session closed")

// ErrSessionLost is in the error of every stream that lived when its session
// ended, together with why it did: a stream of a lost session never ends with
// io.EOF.
var ErrSessionLost = errors.New("mux: session lost")

// ErrExhausted is returned by Open, Call and Reply when a side has opened
// 2^32 - 1 streams. Streams that live go on; open more on a new session.
var ErrExhausted = errors.New("mux: stream numbers ran out")

// ErrAnswered is returned by Reply for a call that has its answer already.
var ErrAnswered = errors.New("mux: call is answered already")

// ErrNotCall is returned by Reply for a one-way stream.
var ErrNotCall = errors.New("mux: a one-way stream has no answer")

// TooLargeError is returned by Write for an item that is longer than the peer
// accepts, and by Open, Call and Reply for such metadata. Nothing was sent
// and the stream goes on. Sizes are in bytes.
type TooLargeError struct {
	Size, Limit int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("mux: %d bytes are too many: the other side takes %d", e.Size, e.Limit)
}

// CutError is returned by Shutdown if streams still lived when it gave up.
type CutError struct {
	Cut   []CutStream
	Cause error // why it did not wait on
}

// CutStream names one stream that Shutdown cut.
type CutStream struct {
	Opened   bool   // by this side; else by the peer
	Number   uint32 // in the space of the side that opened it
	Metadata []byte // what the peer opened it with; nil if Opened
}

func (e *CutError) Error() string {
	return fmt.Sprintf("mux: shutdown cut %d streams: %v", len(e.Cut), e.Cause)
}

// Unwrap makes it an omni.ErrTooLarge, which is what a peer is told if the
// error is used to cancel a stream.
func (e *TooLargeError) Unwrap() error { return omni.ErrTooLarge }

// Unwrap returns the cause.
func (e *CutError) Unwrap() error { return e.Cause }

// causeOf is why ctx ended. io.EOF among causes, as when a reader's error is
// passed on to cancel others, must not look like a clean end here.
func causeOf(ctx context.Context) error {
	return notEOF(context.Cause(ctx))
}

// notEOF is err, save that an io.EOF becomes what is no clean end.
func notEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lostCause makes a session's end be both ErrSessionLost and what caused it.
type lostCause struct{ err error }

func (l *lostCause) Error() string   { return l.err.Error() }
func (l *lostCause) Is(t error) bool { return t == ErrSessionLost }

// Unwrap hides a code that promises a stream's opener that nothing was looked
// at: of a stream that lived nobody knows that.
func (l *lostCause) Unwrap() error {
	if se, ok := l.err.(*omni.StreamError); ok && promisesRetry(se.Code) {
		return se.Cause
	}
	return l.err
}

func promisesRetry(code omni.Code) bool {
	return code == omni.CodeRefused || code == omni.CodeShuttingDown
}
