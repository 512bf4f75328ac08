package report

import (
	"fmt"
	"slices"
	"strings"

	"omnistreams.dev/bench/harness"
)

// Workload returns the title and the table of one workload. Ours come first,
// then peers, then limits, each in the order of the workload.
func Workload(r *harness.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n", r.Group, r.Name)
	if r.About != "" {
		b.WriteString(r.About + "\n\n")
	}
	extras := extraUnits(r)
	limit, peer := r.Best(harness.Limit, ""), r.Best(harness.Peer, "")
	unit := r.Unit
	if unit == "" {
		unit = "items"
	}
	t := &table{head: []string{"-", "-who", "ns/op", unit + "/s"}}
	if r.Bytes > 0 {
		t.head = append(t.head, "MB/s")
	}
	t.head = append(t.head, "allocs/op", "B/op")
	t.head = append(t.head, extras...)
	t.head = append(t.head, "spread, ns/op")
	if limit != nil {
		t.head = append(t.head, "× limit")
	}
	if peer != nil {
		t.head = append(t.head, "× best peer")
	}
	for _, kind := range []harness.Kind{harness.Ours, harness.Peer, harness.Limit} {
		for i := range r.Cases {
			if c := &r.Cases[i]; c.Kind == kind {
				t.add(row(r, c, extras, limit, peer)...)
			}
		}
	}
	b.WriteString(t.String())
	if notes := below(limit, peer, r); notes != "" {
		b.WriteString("\n" + notes)
	}
	return b.String()
}

// row returns the cells of one case. The columns must be those of Workload.
func row(r *harness.Result, c *harness.CaseResult, extras []string, limit, peer *harness.CaseResult) []string {
	cells := []string{mark(c), c.Name}
	ns, ok := c.Median("")
	if !ok {
		// One long cell would widen the whole column: the reason is below.
		cells = append(cells, "failed")
		if c.Absent != "" {
			cells[2] = "not measured"
		}
		n := 4 + len(extras)
		for _, more := range []bool{r.Bytes > 0, limit != nil, peer != nil} {
			if more {
				n++
			}
		}
		return append(cells, slices.Repeat([]string{""}, n)...)
	}
	cells = append(cells, figure(ns), scaled(1e9/ns))
	if r.Bytes > 0 {
		cells = append(cells, figure(float64(r.Bytes)/ns*1e3))
	}
	for _, metric := range append([]string{"allocs/op", "B/op"}, extras...) {
		v, ok := c.Median(metric)
		if !ok {
			cells = append(cells, "")
			continue
		}
		cells = append(cells, figure(v))
	}
	lo, hi, _ := c.Spread("")
	cells = append(cells, figure(lo)+"–"+figure(hi))
	for _, other := range []*harness.CaseResult{limit, peer} {
		if other != nil {
			cells = append(cells, times(c.TimesAsFast(other, "")))
		}
	}
	return cells
}

// mark says which side a case is on. Those in parentheses are not compared.
func mark(c *harness.CaseResult) string {
	switch {
	case c.Kind == harness.Ours:
		return "**ours**"
	case c.Aside:
		return "(" + c.Kind.String() + ")"
	}
	return c.Kind.String()
}

// extraUnits returns what the cases report by themselves, in one order.
func extraUnits(r *harness.Result) []string {
	var units []string
	for _, c := range r.Cases {
		for _, s := range c.Samples {
			for u := range s.Extra {
				if !slices.Contains(units, u) {
					units = append(units, u)
				}
			}
		}
	}
	slices.Sort(units)
	return units
}

// below returns the lines under a table: what the ratios are to, and what
// failed.
func below(limit, peer *harness.CaseResult, r *harness.Result) string {
	var b strings.Builder
	if limit != nil || peer != nil {
		b.WriteString("How many times as fast as")
		if limit != nil {
			fmt.Fprintf(&b, " the limit (%s)", limit.Name)
		}
		if limit != nil && peer != nil {
			b.WriteString(" and")
		}
		if peer != nil {
			fmt.Fprintf(&b, " the best peer (%s)", peer.Name)
		}
		b.WriteString(": medians of the ratios within a round.\n")
	}
	for _, c := range r.Cases {
		switch {
		case c.Absent != "":
			fmt.Fprintf(&b, "- %s: not measured: %s", c.Name, c.Absent)
			if c.Published > 0 {
				fmt.Fprintf(&b, " (published: %s ns/op)", figure(c.Published))
			}
			b.WriteString("\n")
		case c.Failed != "":
			fmt.Fprintf(&b, "- %s: failed: %s\n", c.Name, c.Failed)
		}
	}
	return b.String()
}
