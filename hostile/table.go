package main

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// cell is what the table says of one run: outcome, goroutines, memory.
func (r *run) cell() string {
	if r.crash != "" {
		return "**process dies**: " + short(r.crash)
	}
	p := r.report
	left := thousands(p.Left) + " left"
	if p.Limit {
		left = "not awaited"
	}
	return fmt.Sprintf("%s · +%s, %s · %s", r.outcome(), thousands(p.Peak), left, size(p.Memory))
}

func (r *run) outcome() string {
	p := r.report
	var says []string
	switch {
	case p.Limit:
		return "**memory beyond 1 GiB**, stopped" + prefixed("; ", r.note)
	case r.sessions > 0:
		says = append(says, fmt.Sprintf("process lives, %d of %d sessions end", p.Ended, p.Sessions))
		if r.attack.incomplete && p.CleanEnds > 0 {
			says = append(says, fmt.Sprintf("**%d of %d streams end as if complete**", p.CleanEnds, p.CleanEnds+p.BrokenEnds))
		}
	case r.main == nil:
		says = append(says, fmt.Sprintf("%d of %d sessions end", p.Ended, p.Sessions)+reasons(p))
	case p.Ended > 0:
		says = append(says, "session ends"+reasons(p))
	default:
		says = append(says, r.progress())
	}
	if canary := share(p.Canary, r.canaryDue); canary < 0.9 {
		says = append(says, fmt.Sprintf("**canary %.2f**", canary))
	}
	if r.note != "" {
		says = append(says, r.note)
	}
	return strings.Join(says, "; ")
}

// progress says how much of the honest stream beside the attack has come.
func (r *run) progress() string {
	s := share(r.report.Honest, r.honestDue)
	switch {
	case s < 0.1:
		return fmt.Sprintf("**session stalls, beside it %.2f**", s)
	case s < 0.9:
		return fmt.Sprintf("**lives, beside it %.2f**", s)
	}
	return fmt.Sprintf("lives, beside it %.2f", s)
}

func share(bytes int64, items int) float64 {
	return min(float64(bytes)/itemSize/float64(max(items, 1)), 1)
}

// reasons is what most of the victim's sessions ended with.
func reasons(p report) string {
	all := slices.SortedFunc(maps.Keys(p.Reasons), func(a, b string) int {
		return cmp.Or(p.Reasons[b]-p.Reasons[a], strings.Compare(a, b))
	})
	switch {
	case len(all) == 0 || p.Ended == 0:
		return ""
	case len(all) == 1:
		return ": " + short(all[0])
	}
	return fmt.Sprintf(": %s, and %d other reasons", short(all[0]), len(all)-1)
}

// short is the beginning of an error, fit for a table.
func short(s string) string {
	s = strings.NewReplacer("|", "/", "\n", " ").Replace(s)
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return s
}

func prefixed(p, s string) string {
	if s == "" {
		return ""
	}
	return p + s
}

func size(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// thousands writes n with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// legend says how to read a cell and how it was measured.
func legend(s settings) string {
	return fmt.Sprintf(`A cell: what became of the victim · its goroutines while the attack lasted, at most beyond those before, and how many
were left %s after the attacker had gone, if not sooner · its memory at most beyond that before (heap objects,
garbage that is not yet collected among them, and goroutines' stacks; sampled each millisecond). The application's
own goroutines count: one for each session, one for each stream it has accepted, with 4 KiB to read into.

"beside it" is the part of the items of an honest stream on the attacked session that arrived, of those that were due
(%d in %s, %d bytes each). They wait behind the attack's frames on the same connection, and attacker and victim share the
cores: a part between 0.10 and 0.90 says that the victim takes such frames more slowly than they are sent; below 0.10 it
is said to stall. An honest session beside it in the same process, the canary, is named where less than 0.90 of its items
arrived. Bold is what an application would not want. Each cell is one run.
A note on the attack, if there is one, comes last: how much the attacker could send in that time.

¹ No meaning here: version 1 of smux has no credit for streams. In its ping flood the pings are NOPs, which it does
not answer; breaking a stream off is the same frame as its end.
`, patience, honestItems, s.duration, itemSize)
}

// document is the report as Markdown.
func document(s settings, vs []victim, as []attack, runs map[string]*run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Hostile peers\n\n%s, %s/%s, %d cores, %s. Written by `make hostile`.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().UTC().Format("2006-01-02"))
	for _, v := range vs {
		fmt.Fprintf(&b, "- **%s**: %s%s. Defaults: %s.\n", v.name, v.module, version(v.module), v.defaults)
	}
	b.WriteString("\n| attack |")
	for _, v := range vs {
		fmt.Fprintf(&b, " %s |", v.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(vs)) + "\n")
	for _, a := range as {
		fmt.Fprintf(&b, "| %s |", a.name)
		for _, v := range vs {
			cell := "" // left out
			if r := runs[v.name+"/"+a.name]; r != nil {
				cell = r.cell()
			} else if !a.fits(v) {
				cell = "–¹"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n" + legend(s) + "\nThe attacks:\n\n")
	for _, a := range as {
		fmt.Fprintf(&b, "- **%s**: %s.\n", a.name, a.what)
	}
	return b.String()
}

// version is the module's that was built in.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, d := range info.Deps {
			if d.Path == module && d.Version != "" && d.Path != "omnistreams.dev" {
				return " " + d.Version
			}
		}
	}
	return ", as it lies here"
}
