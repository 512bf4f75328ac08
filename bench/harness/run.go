package harness

import (
	"flag"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Patience is how long one case may take in one round. It is far above what
// any needs: whoever takes longer hangs.
var Patience = time.Minute

// hung is the case that never came back. The testing package runs benchmarks
// one at a time under a lock which that one still holds, so nothing can be
// measured after it.
var hung string

// Run measures the cases of w in rounds that interleave them. benchtime is the
// time for one case in one round. log gets one line of progress per round; nil
// is none. Run sets a flag of the testing package, so testing.Init must have
// been called (go test does), and it is not safe for concurrent use.
func Run(w Workload, rounds int, benchtime time.Duration, log io.Writer) Result {
	return run(w, rounds, benchtime.String(), log)
}

// RunOps is Run with a number of ops per case and round instead of a time. Its
// figures mean little: it is for tests that every case works.
func RunOps(w Workload, rounds, ops int, log io.Writer) Result {
	return run(w, rounds, fmt.Sprintf("%dx", ops), log)
}

func run(w Workload, rounds int, benchtime string, log io.Writer) Result {
	if log == nil {
		log = io.Discard
	}
	if err := flag.Set("test.benchtime", benchtime); err != nil {
		panic("harness: call testing.Init before Run: " + err.Error())
	}
	res := Result{Workload: w, Cases: make([]CaseResult, len(w.Cases))}
	for i, c := range w.Cases {
		res.Cases[i] = CaseResult{Case: c, Failed: c.Absent}
	}
	for round := range rounds {
		start := time.Now()
		for i := range w.Cases {
			// The start rotates, so nobody always comes after the same one.
			c := &res.Cases[(i+round)%len(w.Cases)]
			if c.Failed == "" {
				c.once()
			}
		}
		fmt.Fprintf(log, "%s/%s: round %d of %d, %v\n", w.Group, w.Name, round+1, rounds, time.Since(start).Round(time.Millisecond))
	}
	return res
}

// once adds a sample of c, or the reason why there is none.
func (c *CaseResult) once() {
	if hung != "" {
		c.Failed = "not run, since " + hung + " hangs"
		return
	}
	runtime.GC()
	type outcome struct {
		r      testing.BenchmarkResult
		failed string
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.r = testing.Benchmark(func(b *testing.B) {
			defer func() { o.failed = reason(b, recover()) }()
			b.ReportAllocs()
			c.Case.Bench(b)
		})
		done <- o
	}()
	select {
	case o := <-done:
		if o.failed == "" && o.r.N == 0 {
			o.failed = "no reason given"
		}
		if o.failed != "" {
			c.Failed = o.failed
			return
		}
		c.Samples = append(c.Samples, sampleOf(o.r))
	case <-time.After(Patience):
		hung = c.Case.Name
		c.Failed = fmt.Sprintf("hangs: not done after %v", Patience)
	}
}

// reason returns why b failed, or "". A panic (p is not nil) fails b too.
func reason(b *testing.B, p any) string {
	if p != nil {
		// Not FailNow: the ramp-up goes on with one more call, which panics
		// again, and ends there.
		b.Fail()
		return fmt.Sprint("panic: ", p)
	}
	if b.Skipped() {
		return "skipped: " + words(b)
	}
	if !b.Failed() {
		return ""
	}
	return words(b)
}

// words returns what b.Fatal was given. testing.Benchmark throws it away, and
// there is no method to ask for it, so it is read by reflection, which the
// field's name may outlive: then the case is failed without its words.
func words(b *testing.B) string {
	f := reflect.ValueOf(b).Elem().FieldByName("output")
	if !f.IsValid() || f.Kind() != reflect.Slice || f.Type().Elem().Kind() != reflect.Uint8 {
		return "no reason given"
	}
	return strings.Join(strings.Fields(string(f.Bytes())), " ")
}

func sampleOf(r testing.BenchmarkResult) Sample {
	n := float64(r.N)
	return Sample{
		NsPerOp:     float64(r.T.Nanoseconds()) / n,
		AllocsPerOp: float64(r.MemAllocs) / n,
		BytesPerOp:  float64(r.MemBytes) / n,
		Extra:       r.Extra,
	}
}
