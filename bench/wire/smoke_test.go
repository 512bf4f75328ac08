package wire

import (
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
)

func TestMain(m *testing.M) {
	idleStreams, unreadPairs, unreadMessages = 50, 1, 100
	growth = []int{1, 150}
	flag.Parse()
	os.Exit(m.Run())
}

// TestOnce runs every case with one op, so with the checks that each has in
// it, and looks whether it leaves a goroutine behind.
func TestOnce(t *testing.T) {
	for _, w := range Workloads() {
		before := runtime.NumGoroutine()
		r := harness.RunOps(w, 1, 1, nil)
		for _, c := range r.Cases {
			if c.Failed != "" {
				t.Errorf("%s/%s: %s: %s", w.Group, w.Name, c.Name, c.Failed)
			}
		}
		back(t, w.Name, before)
	}
}

// TestSome runs the kinds of work that have several parties with more ops than
// there are of them.
func TestSome(t *testing.T) {
	for _, p := range everyone() {
		for name, w := range map[string]work{"streams": manyStreams(7, 2000), "opens": opens(5), "ping-pong": pingPong(64)} {
			before := runtime.NumGoroutine()
			c := p.does(overTCP, settings{streams: 7, duplex: name == "ping-pong"}, w)
			if strings.HasSuffix(p.name, "batched by hand") && name == "ping-pong" {
				continue // nobody would flush
			}
			r := harness.RunOps(harness.Workload{Cases: []harness.Case{c}}, 1, 2000, nil)
			if failed := r.Cases[0].Failed; failed != "" {
				t.Errorf("%s, %s: %s", p.name, name, failed)
			}
			back(t, p.name+", "+name, before)
		}
	}
}

// back waits until the goroutines are as many as before.
func back(t *testing.T, what string, before int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: %d goroutines, %d before", what, runtime.NumGoroutine(), before)
	pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
}
