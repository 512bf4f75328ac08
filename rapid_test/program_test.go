package laws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"omnistreams.dev/omni"
)

// A program is what a number of streams do. It says nothing of time: the same
// program is to have the same outcome on every fabric.
type program struct {
	Prefetch   int // of every stream, in items; negative for none
	MaxItem    int // bytes; no item of the program is longer
	Window     int // bytes; 0 is the default
	MaxStreams int
	Tight      bool // the session's budget is just enough
	Streams    []stream
	Steps      []int  // actors, by number, in the order in which they take a step; then all go on
	Seed       uint64 // of the pauses that the transport makes
	Pauses     bool   // it makes them in virtual time too, not only by yielding
	Cut        int    // messages until the transport breaks; 0 is never
}

// A stream is one way, or a call if it has an answer.
type stream struct {
	From    int // the side that opens it, 0 or 1
	Ask     half
	Call    bool
	Reply   replyMode
	Answer  half // of a call that is answered
	Stalled bool // its reader waits until all streams that are not stalled are over
}

type replyMode int

const (
	replyFirst replyMode = iota // the answer is opened before the call is read
	replyLast                   // after the call was read to the end of its script
	replyNever                  // the call is refused
)

// A half is one direction: a writer with its script, a reader with its own.
type half struct {
	Writes []writeOp
	Last   writerEnd
	LastBy cause // if it is a cancel
	Reads  []readOp
	Leave  readerEnd
	Loop   int   // items that a loop takes before it is left
	By     cause // if the reader cancels
	Via    via
}

type writeOp struct {
	Kind writeKind
	Size int // of the item, in bytes
}

type writeKind int

const (
	writePlain     writeKind = iota
	writeImpatient           // with a ctx that may end first, until it is accepted
	writeExpired             // with a ctx that has ended: nothing may be sent
	writeDemand              // waits for demand, then writes
)

type writerEnd int

const (
	endClean  writerEnd = iota
	endCancel           // with LastBy
	endHold             // says nothing until the reader cancels
	endFlood            // writes until the reader cancels
)

type readOp struct {
	Kind readKind
	N    int // Request's argument
}

type readKind int

const (
	readRequest   readKind = iota
	readPlain              // one item
	readImpatient          // one item, with a ctx that may end first, until it is here
	readPoll               // one item, first with a ctx that has ended
)

type readerEnd int

const (
	leaveDrain  readerEnd = iota // Next until the end
	leaveLoop                    // All until the end
	leaveQuiet                   // requests exactly what is missing, and never asks for more
	leaveCancel                  // Cancel
	leaveBreak                   // All, left by break
	leaveCtx                     // All, with a ctx that ends inside
)

// via is what stands between the stream and its reader.
type via int

const (
	direct via = iota
	viaMap
	viaPipe
)

// cause is an error to cancel with, by number.
type cause int

var errPlain = errors.New("only for this process")

// Codes 5 and 8 are not among them: on the wire they promise that nothing was
// looked at, so after an item was taken they are not passed on.
var causes = []error{
	nil,
	&omni.StreamError{Code: 300, Reason: "enough"},
	fmt.Errorf("wrapped: %w", &omni.StreamError{Code: omni.CodeTooLarge, Reason: "zu groß, 太大"}),
	errPlain,
	context.Canceled,
	fmt.Errorf("late: %w", context.DeadlineExceeded),
	io.EOF,
	&omni.StreamError{Code: 1<<32 - 1},
}

func (c cause) err() error { return causes[c] }

// refusal is the reason of every refused call.
const refusal = "not today"

// items is how many items the writer writes, if it is not stopped.
func (h *half) items() int {
	n := 0
	for _, op := range h.Writes {
		if op.Kind != writeExpired {
			n++
		}
	}
	return n
}

// takes is how many items the reader takes before it drains or leaves.
func (h *half) takes() int {
	n := h.loops()
	for _, op := range h.Reads {
		if op.Kind != readRequest {
			n++
		}
	}
	return n
}

// loops is how many of these it takes in a loop.
func (h *half) loops() int {
	if h.Leave == leaveBreak || h.Leave == leaveCtx {
		return h.Loop
	}
	return 0
}

// drains says whether the reader reads to the end.
func (h *half) drains() bool { return h.Leave <= leaveQuiet }

// size is the length of the i-th item, also beyond the script.
func (h *half) size(i int) int {
	for _, op := range h.Writes {
		if op.Kind == writeExpired {
			continue
		}
		if i == 0 {
			return op.Size
		}
		i--
	}
	return i * 7 % 9
}

// payload is the i-th item of the half with that key. No two halves and no
// two places in one half have the same, if it is long enough.
func (h *half) payload(key, i int) []byte {
	b := make([]byte, h.size(i))
	for j := range b {
		b[j] = byte(key*53 + i>>(8*(j%2)) + 11*j)
	}
	return b
}

// halfKey names a half in metadata and records.
func halfKey(stream int, answer bool) int {
	if answer {
		return 2*stream + 1
	}
	return 2 * stream
}

func (p *program) half(key int) *half {
	s := &p.Streams[key/2]
	if key%2 == 1 {
		return &s.Answer
	}
	return &s.Ask
}

// writerSide is the side that writes the half.
func (p *program) writerSide(key int) int { return p.Streams[key/2].From ^ key%2 }

// GoString is how a failed trial shows the program.
func (p program) GoString() string {
	var b strings.Builder
	fmt.Fprintf(&b, "prefetch %d, max item %d, window %d, slots %d, tight %v, seed %#x, pauses %v, cut %d, steps %v",
		p.Prefetch, p.MaxItem, p.Window, p.MaxStreams, p.Tight, p.Seed, p.Pauses, p.Cut, p.Steps)
	for i, s := range p.Streams {
		fmt.Fprintf(&b, "\n  stream %d from side %d, stalled %v, half %d: %+v", i, s.From, s.Stalled, 2*i, s.Ask)
		if s.Call {
			fmt.Fprintf(&b, "\n    a call, reply %d, half %d: %+v", s.Reply, 2*i+1, s.Answer)
		}
	}
	return b.String()
}
