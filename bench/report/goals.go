package report

import (
	"fmt"
	"strings"

	"omnistreams.dev/bench/harness"
)

// Goals returns the table of all goals of the results, and how many are met.
func Goals(results []harness.Result) string {
	t := &table{head: []string{"-work", "-ours", "-against", "measured", "reach", "stretch", "-met", "-note"}}
	var reached, stretched, all int
	for i := range results {
		r := &results[i]
		for _, v := range r.Verdicts() {
			all++
			met := "no"
			reach, stretch := v.Met()
			switch {
			case !v.Known:
				met = "not measured"
			case stretch:
				met = "stretch"
			case reach:
				met = "reach"
			}
			if reach {
				reached++
			}
			if stretch {
				stretched++
			}
			t.add(r.Group+": "+r.Name, v.Subject, against(v), measured(v), bound(v, v.Reach), bound(v, v.Stretch), met, v.Note)
		}
	}
	if all == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## Goals\n\n%d of %d goals are reached, %d of them to the stretch.\n", reached, all, stretched)
	b.WriteString("A ratio is how many times as fast ours is; with a ≤ it is a figure that must not be exceeded. The goals were set before\n" +
		"anything was measured, against peers that send each message at once, as ours does. What batches by hand gives up\n" +
		"that a message leaves when it is written; it stands in the tables, and short messages are faster with it.\n\n" +
		"Over a connection \"omnistreams\" is with all defaults, each item the reader's to keep; \"reused\" with mux.Reuse.\n" +
		"\"gRPC, kept\" copies each message, as generated code does.\n\n")
	b.WriteString(t.String())
	return b.String()
}

func against(v harness.Verdict) string {
	s := v.Other
	if v.Against == harness.BestPeer && v.Other != harness.BestPeer {
		s = "best peer (" + v.Other + ")"
	}
	if v.Metric != "" {
		s = strings.TrimSpace(s + " " + v.Metric)
	}
	return s
}

func measured(v harness.Verdict) string {
	switch {
	case !v.Known:
		return ""
	case v.Against == "":
		return figure(v.Measured)
	}
	return times(v.Measured, true)
}

func bound(v harness.Verdict, limit float64) string {
	switch {
	case limit == 0:
		return ""
	case v.Against == "":
		return "≤ " + figure(limit)
	}
	return times(limit, true)
}
