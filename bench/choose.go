package main

import (
	"fmt"
	"io"
	"regexp"

	"omnistreams.dev/bench/harness"
)

// choose returns the workloads that are to run, with the cases that are. The
// expression is matched against group/workload/case. The cases that a goal of
// a chosen case compares with are not added: without them it is not measured.
func choose(all []harness.Workload, quick bool, run *regexp.Regexp) []harness.Workload {
	var chosen []harness.Workload
	for _, w := range all {
		if quick && !w.Quick {
			continue
		}
		var cases []harness.Case
		for _, c := range w.Cases {
			if (!quick || !c.FullOnly) && run.MatchString(w.Group+"/"+w.Name+"/"+c.Name) {
				cases = append(cases, c)
			}
		}
		if len(cases) > 0 {
			w.Cases = cases
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// list prints what would run.
func list(w io.Writer, all []harness.Workload) {
	cases := 0
	for _, work := range all {
		for _, c := range work.Cases {
			fmt.Fprintf(w, "%s/%s/%s (%v)\n", work.Group, work.Name, c.Name, c.Kind)
			cases++
		}
	}
	fmt.Fprintf(w, "%d workloads, %d cases\n", len(all), cases)
}
