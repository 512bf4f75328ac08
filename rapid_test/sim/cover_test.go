package sim

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// A path is something rare that a long run must have met.
type path int

const (
	wasCut path = iota
	cutInMessage
	cutBetween
	stalled
	stallSurvived
	blackholed
	shortWrite
	slowClose
	flippedItem
	flippedFrame
	flipNoticed
	closeCrossedEnd
	failCrossedClose
	requestCrossedEnd
	answerAfterLeaving
	leftBeforeAnswer
	refusedByPeer
	refusedAtShutdown
	openAtShutdown
	slotWaitAtShutdown
	slotWaitGivenUp
	slotWaitLost
	writeCanceled
	writeLost
	writeGivenUp
	writeTooLong
	nextGivenUp
	nextLost
	itemsAfterLoss
	budgetOut
	windowGrew
	helloLate
	keepaliveDeath
	writeTimeout
	shutdownAlive
	shutdownCut
	shutdownBoth
	answeredInDrain
	closedAlive
	peerRefused
	loopLeft
	loopTimedOut
	writerBroke
	pipeWhole
	pipeUpstream
	pipeDownstream
	pipeLost
	receipt
	cleanRun
	paths
)

var pathNames = [paths]string{
	wasCut:             "the connection was cut",
	cutInMessage:       "cut inside a message",
	cutBetween:         "cut between two messages, no goodbye",
	stalled:            "a direction stalled",
	stallSurvived:      "a short stall, and nothing was lost",
	blackholed:         "a direction became a blackhole",
	shortWrite:         "a short write without an error",
	slowClose:          "the connection's Close took long",
	flippedItem:        "a bit flipped inside an item only",
	flippedFrame:       "a bit flipped elsewhere",
	flipNoticed:        "such a flip was noticed as a broken rule",
	closeCrossedEnd:    "CLOSE crossed END",
	failCrossedClose:   "FAIL crossed CLOSE",
	requestCrossedEnd:  "REQUEST crossed the last word",
	answerAfterLeaving: "an answer came to a caller who had left",
	leftBeforeAnswer:   "a call was given up before its answer",
	refusedByPeer:      "a stream was refused",
	refusedAtShutdown:  "a stream was refused by a shutdown",
	openAtShutdown:     "an open failed since the session drains",
	slotWaitAtShutdown: "one that waited for a slot then",
	slotWaitGivenUp:    "an open's ctx ended while it waited",
	slotWaitLost:       "the session was lost while an open waited",
	writeCanceled:      "a write waited for credit, the reader canceled",
	writeLost:          "a write waited for credit, the session was lost",
	writeGivenUp:       "a write waited for credit, its ctx ended",
	writeTooLong:       "a write was too long for the peer",
	nextGivenUp:        "a read waited, its ctx ended",
	nextLost:           "a read waited, the session was lost",
	itemsAfterLoss:     "items were read after the session was lost",
	budgetOut:          "a call waited since the budget was out",
	windowGrew:         "a window grew past 64 items",
	helloLate:          "no HELLO in time",
	keepaliveDeath:     "a session died of silence",
	writeTimeout:       "a session died since the peer did not read",
	shutdownAlive:      "shutdown with streams alive",
	shutdownCut:        "shutdown gave up and cut streams",
	shutdownBoth:       "both ends shut down",
	answeredInDrain:    "a call was answered during a shutdown",
	closedAlive:        "close with streams alive",
	peerRefused:        "a session was refused by CheckPeer",
	loopLeft:           "a loop was left in the middle",
	loopTimedOut:       "a loop's ctx ended",
	writerBroke:        "a reader got the writer's cause, after all items",
	pipeWhole:          "a pipe brought a stream to its end",
	pipeUpstream:       "a pipe broke upstream",
	pipeDownstream:     "a pipe broke downstream",
	pipeLost:           "a pipe lost a session",
	receipt:            "a writer got its receipt",
	cleanRun:           "a run without any loss",
}

// coverage counts the paths of many runs.
type coverage struct{ runs, times [paths]atomic.Int64 }

// add takes over what one run met.
func (c *coverage) add(hits *[paths]atomic.Int64) {
	for i := range hits {
		if n := hits[i].Load(); n > 0 {
			c.runs[i].Add(1)
			c.times[i].Add(n)
		}
	}
}

// table is what a person reads, and the paths that were not met.
func (c *coverage) table() (table string, missed []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%8s %8s  path\n", "runs", "times")
	for i, name := range pathNames {
		n := c.runs[i].Load()
		fmt.Fprintf(&b, "%8d %8d  %s\n", n, c.times[i].Load(), name)
		if n == 0 {
			missed = append(missed, name)
		}
	}
	return b.String(), missed
}
