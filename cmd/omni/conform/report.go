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
	Why     string   `json:"why,omitempty"` // it failed or was skipped
	Seconds float64  `json:"seconds"`
	Trace   []string `json:"trace,omitempty"` // the frames of a case that failed; > was sent to the echo, ! is the fault
}

// newResult judges a case that is over.
func newResult(c Case, o *outcome, took time.Duration) *Result {
	r := &Result{Case: c, Outcome: Passed, Seconds: took.Seconds()}
	switch {
	case o.fault != nil:
		r.Outcome, r.Why, r.Trace = Failed, o.fault.Error(), o.lines
		if o.dropped > 0 {
			r.Trace = append(r.Trace, fmt.Sprintf("   %d lines in the middle were left out", o.dropped))
		}
	case o.skipped != "":
		r.Outcome, r.Why = Skipped, o.skipped
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
	Results []Result  `json:"-"` // in the order of the cases
}

// report sums up.
func (r *runner) report(began time.Time) *Report {
	sum := &Report{Role: "client", Began: began, Seconds: time.Since(began).Seconds()}
	if r.at.listener != nil {
		sum.Role, sum.Target = "server", r.at.listener.URL()
	} else {
		sum.Target = r.at.url.Redacted()
	}
	for _, result := range r.results {
		if result == nil {
			continue // ctx ended before
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
