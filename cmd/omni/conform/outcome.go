package conform

import (
	"fmt"
	"runtime"
	"slices"
)

// keptLines bounds the transcript of a case.
const keptLines = 120

// itsLog follows a transport that has ended without a word.
const itsLog = ": see what the echo itself has logged"

// outcome is what came of a case, of which there may be several connections.
type outcome struct {
	fault   error         // set before the goroutine ends
	skipped string        // why the case does not apply
	hoped   string        // what the case waits for, before what came instead
	waits   func() string // what it waits for, or did last
	held    bool          // all is well but for the end of the session
	heard   bool          // the echo has sent something
	absent  bool          // there is no connection, or no HELLO on it
	lines   []string      // of the transcript
	dropped int           // lines that were not kept
}

// note adds a line to the transcript.
func (o *outcome) note(format string, args ...any) {
	if len(o.lines) >= keptLines {
		o.lines = slices.Delete(o.lines, keptLines/2, keptLines/2+1) // the begin and the end tell most
		o.dropped++
	}
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
}

// fatal ends the case as failed.
func (o *outcome) fatal(err error) {
	if o.hoped != "" {
		err = fmt.Errorf("%s%w", o.hoped, err)
	}
	o.note("!  %v", err)
	o.fault = err
	runtime.Goexit()
}

// fail is fatal with the rule and a text.
func (o *outcome) fail(rule, format string, args ...any) { o.fatal(broke(rule, format, args...)) }

// skip ends the case as one that says nothing about this echo.
func (o *outcome) skip(format string, args ...any) {
	o.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
