package inprocess

import (
	"fmt"
	"testing"

	"omnistreams.dev/bench/harness"
)

// growth is the group of the workloads that show how a cost grows.
const growth = "Growth"

// stagesScale shows what a stage costs when there are many.
func stagesScale() harness.Workload {
	w := harness.Workload{
		Group: growth, Name: "1 to 64 stages",
		About: "An int through a chain of maps. ns/stage is the time of an item by the number of stages: it should fall, or stay.",
	}
	counts := []int{1, 4, 16, 64}
	for _, n := range counts {
		w.Cases = append(w.Cases, harness.Case{Name: fmt.Sprintf("stages: %d", n), Kind: harness.Ours, Bench: perStage(n, oursChain(maps(n)))})
	}
	for _, n := range counts {
		w.Cases = append(w.Cases, harness.Case{Name: fmt.Sprintf("goroutines and chan 256: %d", n), Kind: harness.Peer, Source: sourceChan, Aside: true, Bench: perStage(n, chanChain(maps(n)))})
	}
	return w
}

func perStage(n int, move mover) func(*testing.B) {
	return func(b *testing.B) {
		bench(move)(b)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/stage")
	}
}
