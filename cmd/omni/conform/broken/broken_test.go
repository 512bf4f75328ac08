package broken

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/cmd/omni/conform"
	"omnistreams.dev/transport"
)

func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond) // the runtime takes a moment to count down
	}
	if n := runtime.NumGoroutine(); code == 0 && n > before {
		fmt.Fprintf(os.Stderr, "%d goroutines are left of the tests, there were %d before:\n", n, before)
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// echo serves at a URL that it returns; the test ends it and waits for it.
func echo(t *testing.T, at string, flaw *Flaw) *url.URL {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l, err := transport.Listen(ctx, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { // ends with the listener
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			serving.Go(func() { _ = Serve(ctx, conn, flaw) }) // how it ends is the suite's to judge
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		serving.Wait()
	})
	u, err := url.Parse(l.URL())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// patience is what a slow machine may need; nothing waits for it that comes.
const patience = 5 * time.Second

func TestAnEchoWithoutFlawPasses(t *testing.T) {
	t.Parallel()
	report, err := conform.Run(t.Context(), conform.Options{Connect: echo(t, "tcp://127.0.0.1:0", nil), Seed: 1, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Outcome == conform.Failed {
			t.Errorf("%v\n%s", r, strings.Join(r.Trace, "\n"))
		}
	}
	if report.Passed < 250 {
		t.Errorf("%v: most cases did not run", report)
	}
}

func TestEveryFlawIsFoundByTheCaseMeantForIt(t *testing.T) {
	flaws := Flaws()
	results := make([]*conform.Result, len(flaws))
	var running sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i, flaw := range flaws {
		at := echo(t, "tcp://127.0.0.1:0", &flaw)
		running.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			results[i] = find(t.Context(), at, flaw)
		})
	}
	running.Wait()
	for i, flaw := range flaws {
		t.Run(flaw.Name, func(t *testing.T) {
			r := results[i]
			if r == nil {
				t.Fatalf("there is not one case %s, or it did not run", flaw.Case)
			}
			if r.Outcome != conform.Failed || !strings.Contains(r.Why, flaw.Why) {
				t.Errorf("%v\nwant it failed, with %q\n%s", r, flaw.Why, strings.Join(r.Trace, "\n"))
			}
		})
	}
}

// find runs the case meant for a flaw, nil if there is not one.
func find(ctx context.Context, at *url.URL, flaw Flaw) *conform.Result {
	report, err := conform.Run(ctx, conform.Options{
		Connect: at,
		Run:     regexp.MustCompile("^" + regexp.QuoteMeta(flaw.Case) + " "),
		Timeout: time.Second, // all that these cases wait for is what never comes
	})
	if err != nil || len(report.Results) != 1 {
		return nil
	}
	return &report.Results[0]
}
