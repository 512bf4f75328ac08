// Command bench measures omnistreams beside what one would use instead, on the
// same work in the same run, prints a table per workload and writes RESULTS.md
// and a plot. `make bench` is all of it, `make bench-quick` two minutes.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
	"omnistreams.dev/bench/inprocess"
	"omnistreams.dev/bench/plot"
	"omnistreams.dev/bench/report"
	"omnistreams.dev/bench/wire"
)

// The time per case and round. Rounds count for more than their length: short
// ones take turns sooner.
const fullBenchtime, quickBenchtime = 300 * time.Millisecond, 60 * time.Millisecond

type settings struct {
	rounds    int
	benchtime time.Duration
	quick     bool
	run       *regexp.Regexp
	out, plot string
	list      bool
}

func main() {
	testing.Init() // for its flags: harness sets test.benchtime
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = measure(s, append(inprocess.Workloads(), wire.Workloads()...))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse returns the settings that the arguments ask for.
func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&s.rounds, "rounds", 5, "rounds that take turns; figures are their medians")
	f.DurationVar(&s.benchtime, "benchtime", 0, "time per case and round; 0 is 300ms, or 60ms with -quick")
	f.BoolVar(&s.quick, "quick", false, "the most telling workloads in about two minutes")
	run := f.String("run", "", "regular expression on group/workload/case; a workload's own name brings all its cases")
	f.StringVar(&s.out, "out", "", "the report; RESULTS.md for a full run of everything, else none")
	f.StringVar(&s.plot, "plot", "", "the plot; items-per-second.svg for a full run of everything, else none")
	f.BoolVar(&s.list, "list", false, "list the cases and measure nothing")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if s.rounds < 1 || f.NArg() > 0 {
		return s, errors.New("want at least one round and no arguments besides flags")
	}
	if s.run, err = regexp.Compile(*run); err != nil {
		return s, err
	}
	if s.quick {
		s.benchtime = cmp.Or(s.benchtime, quickBenchtime)
		return s, nil
	}
	s.benchtime = cmp.Or(s.benchtime, fullBenchtime)
	if *run == "" {
		// What a part measured must not replace the report of the whole.
		s.out, s.plot = cmp.Or(s.out, "RESULTS.md"), cmp.Or(s.plot, "items-per-second.svg")
	}
	return s, nil
}

func measure(s settings, all []harness.Workload) error {
	all = choose(all, s.quick, s.run)
	if s.list {
		list(os.Stdout, all)
		return nil
	}
	if len(all) == 0 {
		return errors.New("no case matches -run")
	}
	started := time.Now()
	var results []harness.Result
	for _, w := range all {
		r := harness.Run(w, s.rounds, s.benchtime, os.Stderr)
		fmt.Println(report.Workload(&r))
		results = append(results, r)
	}
	fmt.Println(report.Goals(results))
	fmt.Println(report.Published(results))
	run := report.Run{Rounds: s.rounds, Benchtime: s.benchtime, Started: started, Took: time.Since(started)}
	if s.plot != "" {
		if err := plot.ItemsPerSecond(s.plot, results); err != nil {
			return fmt.Errorf("plot: %w", err)
		}
		run.Plot = filepath.Base(s.plot)
	}
	if s.out != "" {
		if err := save(s.out, func(w io.Writer) error { return report.Write(w, run, results) }); err != nil {
			return err
		}
	}
	return failures(results)
}

// failures returns an error if a case has no result and should have one.
func failures(results []harness.Result) error {
	var errs []error
	for _, r := range results {
		for _, c := range r.Cases {
			if c.Failed != "" && c.Absent == "" {
				errs = append(errs, fmt.Errorf("%s/%s/%s: %s", r.Group, r.Name, c.Name, c.Failed))
			}
		}
	}
	return errors.Join(errs...)
}

// save writes a file through write.
func save(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
