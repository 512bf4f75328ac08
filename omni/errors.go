package omni

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Code says why a stream stopped, in a number that means the same in every
// process and language. Codes from 256 on belong to the application; an
// unknown code is passed through unchanged.
type Code uint32

// The codes of the protocol (SPEC.md, rule 13).
const (
	CodeDone         Code = 0 // a clean end
	CodeCanceled     Code = 1 // one side lost interest
	CodeProtocol     Code = 2 // the peer broke a rule of the wire
	CodeNoCredit     Code = 3 // more was sent, or opened, than was granted
	CodeTooLarge     Code = 4 // an item, a message or a field is too long
	CodeRefused      Code = 5 // not accepted; nothing was looked at, so a retry is safe
	CodeInternal     Code = 6 // an error inside a process that it keeps to itself
	CodeTimeout      Code = 7 // something came too late
	CodeShuttingDown Code = 8 // refused since the session drains; a retry is safe
	CodeVersion      Code = 9 // no common protocol version
	CodeApplication  Code = 256
)

// One sentinel per code, for errors.Is.
var (
	ErrCanceled     error = &StreamError{Code: CodeCanceled}
	ErrProtocol     error = &StreamError{Code: CodeProtocol}
	ErrNoCredit     error = &StreamError{Code: CodeNoCredit}
	ErrTooLarge     error = &StreamError{Code: CodeTooLarge}
	ErrRefused      error = &StreamError{Code: CodeRefused}
	ErrInternal     error = &StreamError{Code: CodeInternal}
	ErrTimeout      error = &StreamError{Code: CodeTimeout}
	ErrShuttingDown error = &StreamError{Code: CodeShuttingDown}
	ErrVersion      error = &StreamError{Code: CodeVersion}
)

// ErrEnded is what a writer gets that writes after its End.
var ErrEnded = errors.New("omni: stream has ended")

// StreamError is how a stream broke off: a code, and words for people.
type StreamError struct {
	Code   Code
	Reason string // for people, may be empty; at most 1 KiB of it crosses a wire
	Remote bool   // it came from the peer
	Cause  error  // what led to it on this side, nil if nothing did; never sent
}

var codeNames = [...]string{
	"done", "canceled", "protocol error", "no credit", "too large", "refused",
	"internal error", "timed out", "shutting down", "version",
}

// String returns the code's name, or its number for one that has none.
func (c Code) String() string {
	if int64(c) < int64(len(codeNames)) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint32(c))
}

// Error names the code and quotes the reason: it may come from a stranger.
func (e *StreamError) Error() string {
	s := "omni: " + e.Code.String()
	if e.Remote {
		s += " (by the peer)"
	}
	if e.Reason != "" {
		s += fmt.Sprintf(": %q", e.Reason)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *StreamError) Unwrap() error { return e.Cause }

// Is reports whether target is the sentinel of e's code: a *StreamError with
// the same code and nothing else set.
func (e *StreamError) Is(target error) bool {
	t, ok := target.(*StreamError)
	return ok && t != nil && *t == StreamError{Code: e.Code}
}

// AsStreamError says what of err a peer is told. The first *StreamError in
// err's chain goes as it is; nil and context.Canceled are CodeCanceled,
// context.DeadlineExceeded is CodeTimeout, and any other error is CodeInternal
// with an empty reason: what an error says inside a process is not told to a
// peer unless somebody asks for it, by making a StreamError.
func AsStreamError(err error) *StreamError {
	var se *StreamError
	switch {
	case errors.As(err, &se) && se != nil:
		return se
	case err == nil, errors.Is(err, context.Canceled):
		return &StreamError{Code: CodeCanceled, Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &StreamError{Code: CodeTimeout, Cause: err}
	}
	return &StreamError{Code: CodeInternal, Cause: err}
}

// cancelCause is what a Cancel with err stands for. io.EOF becomes
// io.ErrUnexpectedEOF: a reader that got io.EOF would take what broke off for
// what is complete.
func cancelCause(err error) error {
	switch err {
	case nil:
		return ErrCanceled
	case io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// causeOf says why ctx ended, and never says io.EOF.
func causeOf(ctx context.Context) error {
	return cancelCause(context.Cause(ctx))
}
