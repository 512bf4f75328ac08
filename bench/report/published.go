package report

import (
	"fmt"
	"slices"
	"strings"

	"omnistreams.dev/bench/harness"
)

// enough is the share of its published speed, times the machine's, that a peer
// must reach for its settings to count as right.
const enough = 0.8

// Published returns how fast the others run here beside what was measured
// elsewhere. The machine may be faster or slower as a whole, so each stands
// beside the median of all, too.
func Published(results []harness.Result) string {
	type line struct {
		cells []string
		share float64
	}
	var lines []line
	var shares []float64
	for i := range results {
		r := &results[i]
		for j := range r.Cases {
			c := &r.Cases[j]
			share, ok := c.OfPublished()
			if !ok {
				continue
			}
			shares = append(shares, share)
			ns, _ := c.Median("")
			lines = append(lines, line{[]string{r.Group + ": " + r.Name, c.Name, figure(c.Published), figure(ns)}, share})
		}
	}
	if len(lines) == 0 {
		return ""
	}
	slices.Sort(shares)
	middle := shares[len(shares)/2]
	t := &table{head: []string{"-work", "-who", "ns/op elsewhere", "here", "share of that speed", "beside the median", "-"}}
	low := 0
	for _, l := range lines {
		note := ""
		if l.share/middle < enough {
			low++
			note = "below 0.8"
		}
		t.add(append(l.cells, figure(l.share), figure(l.share/middle), note)...)
	}
	var b strings.Builder
	b.WriteString("## Are the others set up right?\n\n")
	fmt.Fprintf(&b, "%d cases have a figure that was given as the aim of this project, from two cores of another shared server. This\n", len(lines))
	fmt.Fprintf(&b, "machine runs them at %s of that speed (the median). Whose share is below 0.8 of that may be set up badly: %d, marked.\n", figure(middle), low)
	b.WriteString("Some must be: the work of the parallel maps takes the same time on every machine, ns/op of the ping-pong here is a mean and\n" +
		"there a median, and what moves much memory does not scale with the processor.\n\n")
	b.WriteString(t.String())
	return b.String()
}
