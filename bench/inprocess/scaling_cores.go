package inprocess

import (
	"fmt"
	"runtime"
	"testing"

	"omnistreams.dev/bench/harness"
)

// coresScale shows what a second core is worth. Handing items from one core
// to another costs cache misses, so it may be worth less than nothing.
func coresScale() harness.Workload {
	w := harness.Workload{
		Group: growth, Name: "GOMAXPROCS 1 and 2",
		About: "Some of the work above, with one core and with two.",
	}
	add := func(kind harness.Kind, name string, f func(*testing.B)) {
		for _, procs := range []int{1, 2} {
			w.Cases = append(w.Cases, harness.Case{Name: fmt.Sprintf("%s, GOMAXPROCS=%d", name, procs), Kind: kind, Aside: kind == harness.Peer, Bench: onCores(procs, f)})
		}
	}
	threeStages := []stage{{apply: inc}, {keep: even}, {apply: inc}}
	add(harness.Ours, "int, 1 to 1", bench(oursAll[int]))
	add(harness.Ours, "map, filter, map", bench(oursChain(threeStages)))
	add(harness.Ours, "parallel map, in order", working(oursParallel(false)))
	add(harness.Ours, "latency", pingPong(answerNext))
	add(harness.Peer, "chan 256: int, 1 to 1", bench(chanOf[int](window)))
	add(harness.Peer, "chan 256: map, filter, map", bench(chanChain(threeStages)))
	add(harness.Peer, "two chan 0: latency", chanPingPong(0))
	return w
}

// onCores runs f with that GOMAXPROCS and puts it back.
func onCores(procs int, f func(*testing.B)) func(*testing.B) {
	return func(b *testing.B) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		b.ResetTimer()
		f(b)
		b.StopTimer()
	}
}
