package inprocess

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
)

// TestMain fails if a contender leaves goroutines behind: they would slow down
// whoever is measured next.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	// Goroutines that have nothing left but to return need a moment.
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before && code == 0 {
		var stacks bytes.Buffer
		pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		fmt.Fprintf(os.Stderr, "%d goroutines left behind:\n%s", n-before, stacks.String())
		code = 1
	}
	os.Exit(code)
}

// Every case runs once with one op, and once with a number of ops that fills
// some batches and not the last.
func TestEveryCaseRuns(t *testing.T) {
	for _, w := range Workloads() {
		for _, ops := range []int{1, 3*batch + 7} {
			r := harness.RunOps(w, 1, ops, nil)
			for _, c := range r.Cases {
				if c.Failed != "" {
					t.Errorf("%s/%s/%s with %d ops: %s", w.Group, w.Name, c.Name, ops, c.Failed)
				}
			}
		}
	}
}

// Names are what goals refer to and what the report is read by.
func TestWorkloadsAreWellFormed(t *testing.T) {
	titles := map[string]bool{}
	for _, w := range Workloads() {
		title := w.Group + "/" + w.Name
		if titles[title] {
			t.Errorf("%s is there twice", title)
		}
		titles[title] = true
		names := []string{"", harness.BestPeer}
		for _, c := range w.Cases {
			if slices.Contains(names, c.Name) {
				t.Errorf("%s: case %q is there twice", title, c.Name)
			}
			names = append(names, c.Name)
		}
		for _, g := range w.Goals {
			if !slices.Contains(names, g.Case) || !slices.Contains(names, g.Against) {
				t.Errorf("%s: goal of %q against %q: no such case", title, g.Case, g.Against)
			}
		}
	}
}

// A contender that drops items must not look fast.
func TestMissingItemsFail(t *testing.T) {
	lossy := func(_ context.Context, n int) (int, error) { return n - 1, nil }
	w := harness.Workload{Cases: []harness.Case{{Name: "lossy", Bench: bench(lossy)}}}
	r := harness.RunOps(w, 1, 10, nil)
	if got := r.Cases[0].Failed; !strings.Contains(got, "items arrived") {
		t.Fatalf("failed: %q", got)
	}
}

// All chains compute the same: here they drop every other number.
func TestChainsAgree(t *testing.T) {
	stages := []stage{{apply: inc}, {keep: func(v int) (bool, error) { return v%2 == 0, nil }}, {apply: inc}}
	for name, move := range map[string]mover{
		"ours": oursChain(stages), "channels": chanChain(stages), "batches": batchChain(stages),
		"fused": fusedLoop(stages), "fused batches": fusedBatches(stages),
		"ro": roChain(stages, false), "ro apart": roChain(stages, true), "rill": rillChain(stages),
	} {
		if got, err := move(context.Background(), 1001); got != 500 || err != nil {
			t.Errorf("%s: %d items, %v", name, got, err)
		}
	}
}

func TestShares(t *testing.T) {
	for _, n := range []int{0, 1, 7, 100} {
		total := 0
		for _, s := range shares(n, 7) {
			total += s
		}
		if total != n {
			t.Errorf("%d items are split into %d", n, total)
		}
	}
}
