package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// The exit codes, which scripts rely on. The help of every command lists them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitSkipped     = 3
	exitInterrupted = 130
)

// exitCodes is the part of the help that says what they mean.
const exitCodes = `Exit codes:
  0    all is well
  1    something failed: a file, the connection, the other side, a case of conform
  2    the command was called wrongly; nothing was done
  3    send, recv: all that was sent arrived, but something was skipped or refused
  130  interrupted by SIGINT or SIGTERM before it was done`

// usageError says that the command was called wrongly.
type usageError struct{ err error }

// Error is what was wrong.
func (e usageError) Error() string { return e.err.Error() }

// Unwrap returns the same as an error.
func (e usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errSkipped ends a transfer that is whole but for what had to be skipped.
var errSkipped = errors.New("something was skipped")

// errInterrupted is the cause of the context that a signal ends.
var errInterrupted = errors.New("interrupted")

// exitCode is the number that a command which returned err exits with.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, errSkipped):
		return exitSkipped
	}
	return exitFailure
}

// oneLine is the text of err as one line that cannot move a terminal's
// cursor: some of it may come from a stranger.
func oneLine(err error) string { return printable(err.Error()) }

// printable replaces what is not plain text on one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0, r == 0x2028, r == 0x2029:
			return '?'
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return '?' // would change the order in which the line is shown
		}
		return r
	}, s)
}

// signalContext returns a context that the first SIGINT or SIGTERM ends, with
// errInterrupted as its cause. A second signal ends the process as if nothing
// had caught it. It starts a goroutine; stop ends it.
func signalContext() (ctx context.Context, stop func()) {
	// A peer behind stdout that goes away is an error like any other, not
	// the end of the process: temporary files must be removed.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-signals:
			signal.Stop(signals)
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-gone
	}
}
