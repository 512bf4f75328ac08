package conform

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

// The outcomes of a case.
const (
	Passed  = "passed"
	Failed  = "failed"
	Skipped = "skipped" // it says nothing about this echo
)

// Result is what came of a case.
type Result struct {
	Case
	Outcome string   `json:"outcome"`
	Why     string   `json:"why,omitempty"`  // it failed or was skipped
	Held    bool     `json:"held,omitempty"` // it failed only when the session was to end
	Seconds float64  `json:"seconds"`
	Trace   []string `json:"trace,omitempty"` // the frames: > to the echo, >! a wrong one, < from the echo, ! what failed
}

// newResult judges a case that is over.
func newResult(c Case, o *outcome, took time.Duration, trace bool) *Result {
	r := &Result{Case: c, Outcome: Passed, Seconds: took.Seconds()}
	switch {
	case o.fault != nil:
		r.Outcome, r.Why, r.Held = Failed, o.fault.Error(), o.held
	case o.skipped != "":
		r.Outcome, r.Why = Skipped, o.skipped
	}
	if trace || o.fault != nil {
		r.Trace = o.lines
		if o.dropped > 0 {
			r.Trace = append(r.Trace, fmt.Sprintf("   %d lines in the middle were left out", o.dropped))
		}
	}
	return r
}

// String is the line that is printed.
func (r Result) String() string {
	line := fmt.Sprintf("%-7s %-7s %s", r.Outcome, r.ID, r.Title)
	if r.Why != "" {
		line += ": " + r.Why
	}
	return line
}

// Report is what came of a suite.
type Report struct {
	Target  string    `json:"target"` // the URL
	Role    string    `json:"role"`   // of the suite: client or server
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Passed  int       `json:"passed"`
	Failed  int       `json:"failed"`
	Skipped int       `json:"skipped"`
	Held    int       `json:"held,omitempty"`    // of the failed: those that failed only at the session's end
	Stopped string    `json:"stopped,omitempty"` // why not all cases were run
	Results []Result  `json:"-"`                 // in the order of the cases
}

// report sums up. stopped is why not all cases were run, nil if they were.
func (r *runner) report(began time.Time, stopped error) *Report {
	sum := &Report{Role: "client", Began: began, Seconds: time.Since(began).Seconds()}
	if r.at.listener != nil {
		sum.Role, sum.Target = "server", r.at.listener.URL()
	} else {
		sum.Target = r.at.url.Redacted()
	}
	if stopped != nil {
		sum.Stopped = stopped.Error()
	}
	for _, result := range r.results {
		if result == nil {
			continue // ctx ended before
		}
		if result.Held {
			sum.Held++
		}
		sum.Results = append(sum.Results, *result)
		switch result.Outcome {
		case Passed:
			sum.Passed++
		case Failed:
			sum.Failed++
		default:
			sum.Skipped++
		}
	}
	return sum
}

// Hint is a line on what most of the failed cases have in common, "" if there
// is nothing to say.
func (r *Report) Hint() string {
	if r.Held < 2 {
		return ""
	}
	return fmt.Sprintf("%d of the failed cases held, and failed only when the session was to end: see R12.1 first", r.Held)
}

// String is the last line that is printed.
func (r *Report) String() string {
	line := fmt.Sprintf("%d passed, %d failed", r.Passed, r.Failed)
	if r.Skipped > 0 {
		line += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	return line
}

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Parse(page))

// HTML writes the report as one page that needs nothing else.
func (r *Report) HTML(w io.Writer) error { return pageTemplate.Execute(w, r) }
