package report

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"omnistreams.dev/bench/harness"
)

// Run is what a report says about how it came about.
type Run struct {
	Rounds    int
	Benchtime time.Duration
	Started   time.Time
	Took      time.Duration
	// Plot is the path of the plot from the report's folder, or empty.
	Plot string
}

// Write writes the whole report as Markdown.
func Write(w io.Writer, run Run, results []harness.Result) error {
	var b strings.Builder
	b.WriteString("# Results\n\n")
	b.WriteString("Written by the program in this folder (`make bench`); nothing in it is typed by hand.\n\n")
	b.WriteString(about(run))
	b.WriteString("\n" + Goals(results))
	if run.Plot != "" {
		fmt.Fprintf(&b, "\n## Items per second over TCP\n\n![Items per second against the size of an item](%s)\n", run.Plot)
	}
	b.WriteString("\n## Tables\n\n")
	b.WriteString("**ours** is this project, a peer is what one would use instead, a limit does less than what is compared. ")
	b.WriteString("What stands in parentheses is shown and not compared: it does something else.\n")
	for i := range results {
		b.WriteString("\n" + Workload(&results[i]))
	}
	if p := Published(results); p != "" {
		b.WriteString("\n" + p)
	}
	b.WriteString("\n## The others\n\n" + peers(results))
	_, err := io.WriteString(w, b.String())
	return err
}

// about returns the machine and the caveats.
func about(run Run) string {
	t := &table{head: []string{"-", "-"}}
	t.add("date", run.Started.UTC().Format("2006-01-02 15:04 MST"))
	t.add("processor", processor())
	t.add("cores", fmt.Sprintf("%d, GOMAXPROCS %d", runtime.NumCPU(), runtime.GOMAXPROCS(0)))
	t.add("system", kernel())
	t.add("Go", fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH))
	t.add("measured", fmt.Sprintf("%d rounds, %v per case and round, %v in all", run.Rounds, run.Benchtime, run.Took.Round(time.Second)))
	return t.String() + `
What to bear in mind:

- The machine is shared and noisy. A figure by itself may be off by a third tomorrow; the ratios hold better.
- Figures are medians over the rounds, in which all contenders of a workload take turns. A ratio is the median of the
  ratios within a round, so it need not be the quotient of two medians. The spread is the least and the greatest round.
- All connections are on loopback: no wire, no loss, no distance. Both ends share the cores, and the allocations are
  those of both ends.
- Bare channels, rings and batches by hand have no cancellation, no errors and no credit. Where a peer is a stream of
  bytes, a message is length-prefixed.
`
}
