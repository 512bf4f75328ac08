package broken

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/cmd/omni/conform"
	"omnistreams.dev/transport"
)

// flawed serves an echo with the flaw of this name, "" for none.
func flawed(t *testing.T, name string) *url.URL {
	t.Helper()
	if name == "" {
		return echo(t, "tcp://127.0.0.1:0", nil)
	}
	flaws := Flaws()
	i := slices.IndexFunc(flaws, func(f Flaw) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("there is no flaw %q", name)
	}
	return echo(t, "tcp://127.0.0.1:0", &flaws[i])
}

// run runs a few cases.
func run(t *testing.T, opt conform.Options, cases string) (*conform.Report, map[string]conform.Result) {
	t.Helper()
	opt.Run = regexp.MustCompile("^(" + cases + ") ")
	report, err := conform.Run(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]conform.Result{}
	for _, r := range report.Results {
		results[r.ID] = r
	}
	return report, results
}

func TestACaseThatHoldsAndEndsBadlySaysSo(t *testing.T) {
	t.Parallel()
	report, results := run(t, conform.Options{Connect: flawed(t, "END on 0 is not said"), Timeout: time.Second}, `R11\.1|R11\.3|R12\.1`)
	for _, id := range []string{"R11.1", "R11.3"} {
		if r := results[id]; r.Outcome != conform.Failed || !r.Held || !strings.HasPrefix(r.Why, "the case itself held; at its end: rule 12: the echo says goodbye too early") {
			t.Errorf("%v, held: %t", r, r.Held)
		}
	}
	if r := results["R12.1"]; r.Outcome != conform.Failed || r.Held || strings.Contains(r.Why, "held") {
		t.Errorf("%v, held: %t: the end is what this case is about", r, r.Held)
	}
	if report.Held != 2 || !strings.Contains(report.Hint(), "2 of the failed cases held") {
		t.Errorf("%d held, %q", report.Held, report.Hint())
	}
}

func TestTheLastWordThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	lazy := Flaw{set: func(t *tamper) {
		t.out = func(f frame) []frame {
			if f.typ == closing && f.stream != 0 || f.typ == fail && f.stream == 0 {
				return nil
			}
			return []frame{f}
		}
	}}
	_, results := run(t, conform.Options{Connect: echo(t, "tcp://127.0.0.1:0", &lazy), Timeout: time.Second}, `R6\.5`)
	if r := results["R6.5"]; !strings.Contains(r.Why, "the case itself held; at its end: want CLOSE 1; ") {
		t.Errorf("%v", r)
	}
}

func TestMarksInTheFrames(t *testing.T) {
	t.Parallel()
	at := flawed(t, "")
	marks := func(lines []string) (n int) {
		for _, line := range lines {
			if strings.HasPrefix(line, ">! ") {
				n++
			}
		}
		return n
	}
	_, results := run(t, conform.Options{Connect: at, Timeout: patience, Trace: true}, `R3\.5|L7\.1|R10\.1|R8\.6`)
	for id, want := range map[string]int{"R3.5": 0, "L7.1": 0, "R10.1": 0, "R8.6": 1} {
		r := results[id]
		if got := marks(r.Trace); r.Outcome != conform.Passed || len(r.Trace) < 4 || got != want {
			t.Errorf("%v: %d frames are marked as wrong, not %d\n%s", r, got, want, strings.Join(r.Trace, "\n"))
		}
	}
	_, results = run(t, conform.Options{Connect: at, Timeout: patience}, `R3\.5`)
	if r := results["R3.5"]; r.Trace != nil {
		t.Errorf("%v: it has passed, and nobody asked for its frames", r)
	}
}

// listener accepts connections and gives them to serve, one after the other.
func listener(t *testing.T, serve func(n int, conn transport.Conn, l *transport.Listener)) *url.URL {
	t.Helper()
	l, err := transport.Listen(t.Context(), "tcp://127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for n := 1; ; n++ {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			serve(n, conn, l)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	u, err := url.Parse(l.URL())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTheSuiteStopsWhenNobodyIsThere(t *testing.T) {
	t.Parallel()
	silent := listener(t, func(_ int, conn transport.Conn, _ *transport.Listener) {
		t.Cleanup(func() { _ = conn.Close() })
	})
	gone := listener(t, func(n int, conn transport.Conn, l *transport.Listener) {
		_ = conn.Close()
		if n == 20 {
			_ = l.Close()
		}
	})
	for name, at := range map[string]*url.URL{"connections without HELLO": silent, "no connections any more": gone} {
		var told int
		report, err := conform.Run(t.Context(), conform.Options{Connect: at, Timeout: 50 * time.Millisecond, Progress: func(conform.Result) { told++ }})
		if err == nil || !strings.HasPrefix(err.Error(), "in 10 cases in a row there was no connection") {
			t.Fatalf("%s: %v", name, err)
		}
		if report.Stopped != err.Error() || report.Passed != 0 || report.Failed < 10 || report.Failed > 100 {
			t.Errorf("%s: %v, stopped: %q", name, report, report.Stopped)
		}
		if told != len(report.Results) || report.Failed != told {
			t.Errorf("%s: %d results were told of, %d are in the report: %v", name, told, len(report.Results), report)
		}
	}
}
