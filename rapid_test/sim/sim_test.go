package sim

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stuckAfter is how much real time one seed may take, a thousand times what
// it needs. A bubble in which somebody waits for a mutex, or time stands still
// while timers fire, never ends and says nothing.
const stuckAfter = 30 * time.Second

// fullRun is how many seeds must meet every path of the table.
const fullRun = 1000

// TestSim runs SEEDS new seeds, or the one that SEED says.
func TestSim(t *testing.T) {
	if one := os.Getenv("SEED"); one != "" {
		runOne(t, one)
		return
	}
	seeds := number(t, "SEEDS", fullRun)
	base := number(t, "BASE", uint64(time.Now().Unix())*1_000_000)
	fmt.Printf("sim: %d seeds from %d on (BASE)\n", seeds, base)
	var cov coverage
	var next, failed atomic.Uint64
	began := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				for failed.Load() < 3 {
					n := next.Add(1) - 1
					if n >= seeds {
						return
					}
					if !runSeed(t, base+n, &cov, false) {
						failed.Add(1)
					}
				}
			})
		}
	})
	table, missed := cov.table()
	t.Logf("%d seeds in %v\n%s", seeds, time.Since(began).Round(time.Millisecond), table)
	if seeds >= fullRun && failed.Load() == 0 && len(missed) > 0 {
		t.Errorf("%d seeds from %d on never met: %q", seeds, base, missed)
	}
}

func number(t *testing.T, name string, usual uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is not a number: %q", name, text)
	}
	return n
}

// runOne runs one seed and shows all its steps.
func runOne(t *testing.T, text string) {
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SEED is not a number: %q", text)
	}
	runSeed(t, seed, &coverage{}, true)
}

// runSeed runs one seed in a bubble of its own, and reports whether it found
// no fault.
func runSeed(t *testing.T, seed uint64, cov *coverage, show bool) bool {
	p := drawPlan(seed)
	defer func() {
		if e := recover(); e != nil {
			// A bubble in which goroutines are left, or a BUG: the seed first.
			panic(fmt.Sprintf("sim: SEED=%d: %v", seed, e))
		}
	}()
	watchdog := time.AfterFunc(stuckAfter, func() {
		panic(fmt.Sprintf("sim: SEED=%d: stuck, its bubble is neither at rest nor over\n%v", seed, p))
	})
	defer watchdog.Stop()
	report := ""
	synctest.Test(t, func(t *testing.T) {
		w, cancel := newWorld(p)
		defer cancel(errOver)
		w.run()
		w.finish(cancel)
		cov.add(&w.hits)
		if show {
			t.Logf("%v\n%s", p, w.tail(len(w.log)))
		}
		if w.fault != "" {
			report = fmt.Sprintf("SEED=%d: %s\n%v\nthe last steps:\n%s", seed, w.fault, p, w.tail(40))
		}
	})
	// Outside of the bubble, which ends the worker with the first error.
	if report != "" {
		t.Error(report)
	}
	return report == ""
}
