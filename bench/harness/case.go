package harness

import "testing"

// Kind says on which side of the comparison a case stands.
type Kind int

const (
	// Ours is this project.
	Ours Kind = iota
	// Peer is what one would use instead. "Best peer" is the best of these.
	Peer
	// Limit does less than what is compared (no boundaries, no credit, no
	// second goroutine): how far one could get at all.
	Limit
)

// String returns the word that the tables use.
func (k Kind) String() string {
	switch k {
	case Ours:
		return "ours"
	case Peer:
		return "peer"
	case Limit:
		return "limit"
	}
	return "?"
}

// Case is one contender in a workload.
type Case struct {
	// Name is unique within its workload.
	Name string
	Kind Kind
	// Source is the URL of the contender's source. Empty for ours and for
	// what is written out in this module.
	Source string
	// Module is the module that the contender comes from; the report takes
	// its version from the binary. Empty for the standard library.
	Module string
	// Published is what was measured elsewhere, in ns per op; zero if
	// nothing was. A peer that runs here at less than 0.8 of that speed is
	// set up badly, and the report says so.
	Published float64
	// Bench runs b.N ops, or loops with b.Loop. It reports allocations by
	// itself, without ReportAllocs. What it adds with b.ReportMetric gets a
	// column (and is lower-is-better in goals). It fails with b.Fatal.
	Bench func(b *testing.B)
	// FullOnly leaves the case out of a quick run.
	FullOnly bool
	// Aside shows the case but takes it neither for the best peer nor for
	// the limit, since it does something else (no second goroutine, say).
	Aside bool
	// Absent is why the contender cannot be measured here. Its published
	// figure stands in the table, and Bench is nil.
	Absent string
}

// BestPeer is what a Goal is against that does not name a case.
const BestPeer = "best peer"

// Goal is a ratio, or a figure, that one of our cases is to reach.
type Goal struct {
	// Case is the case that is to reach it; empty is the first of ours.
	Case string
	// Against is the name of the case that the ratio is to, BestPeer, or
	// empty for a figure that stands by itself (see Metric).
	Against string
	// Metric is the unit of b.ReportMetric that is compared, or "allocs/op",
	// or "B/op"; empty is the time of one op.
	Metric string
	// Reach and Stretch are how many times as fast as Against the case is
	// to be: theirs / ours. Without Against they are the most that Metric
	// may be. A zero Stretch is none.
	Reach, Stretch float64
	// Note is printed beside the goal.
	Note string
}

// Workload is one piece of work and all who do it.
type Workload struct {
	// Group and Name are the title, and what -run selects by.
	Group, Name string
	// About says what one op is, in a sentence or two.
	About string
	// Bytes is the payload of one op; with it the tables have MB/s.
	Bytes int
	// Unit is what one op is called in the plural; empty is "items".
	Unit  string
	Cases []Case
	Goals []Goal
	// Quick says that a quick run has this workload too.
	Quick bool
}
