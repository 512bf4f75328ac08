package main

import (
	"errors"
	"fmt"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// broken is what to tell about a session that ended with err, in one line.
// who is the other side. The session's own error comes first: that of a
// stream only repeats it.
func broken(s *mux.Session, err error, who string) error {
	if errors.Is(err, mux.ErrSessionLost) {
		<-s.Done() // it is ending, and knows then why
	}
	if cause := s.Err(); cause != nil {
		err = cause
	}
	var se *omni.StreamError
	for errors.As(err, &se) && se.Cause != nil && errors.As(se.Cause, new(*omni.StreamError)) {
		err = se.Cause // a lost stream has what the session was lost by inside
	}
	switch {
	case se == nil:
		return fmt.Errorf("the connection to the %s was lost: %w", who, err)
	case se.Code == omni.CodeRefused && se.Remote:
		return explained{err, fmt.Sprintf("refused by the %s: %s", who, reasonOf(se))}
	case se.Code == omni.CodeRefused:
		return explained{err, fmt.Sprintf("the %s was refused: %s", who, reasonOf(se))}
	case se.Code == omni.CodeShuttingDown:
		return explained{err, fmt.Sprintf("the %s is shutting down", who)}
	case se.Code == omni.CodeCanceled && se.Remote:
		return explained{err, fmt.Sprintf("the %s broke off: %s", who, reasonOf(se))}
	case se.Remote:
		return explained{err, fmt.Sprintf("the %s says: %s: %s", who, se.Code, reasonOf(se))}
	// What this side found wrong, in a program that is no omni for example.
	case se.Code == omni.CodeProtocol, se.Code == omni.CodeNoCredit, se.Code == omni.CodeTooLarge, se.Code == omni.CodeVersion:
		return explained{err, fmt.Sprintf("the %s does not keep to the protocol: %s", who, reasonOf(se))}
	// The transport knows more than "the connection ended".
	case se.Cause != nil:
		return explained{err, fmt.Sprintf("the connection to the %s was lost: %v", who, se.Cause)}
	}
	return explained{err, fmt.Sprintf("the connection to the %s was lost: %s", who, reasonOf(se))}
}

// explained is an error in other words.
type explained struct {
	error
	words string
}

// Error is the words.
func (e explained) Error() string { return e.words }

// Unwrap returns the error, for errors.Is and errors.As.
func (e explained) Unwrap() error { return e.error }
