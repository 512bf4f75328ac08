package inprocess

import "omnistreams.dev/bench/harness"

// stage is one step of a chain: a map, or a filter. The funcs have the shape
// that ours take, an error included, for everyone who can.
type stage struct {
	apply func(int) (int, error)
	keep  func(int) (bool, error)
}

func inc(v int) (int, error)   { return v + 1, nil }
func even(v int) (bool, error) { return v >= 0, nil } // keeps all, so that they can be counted

func maps(n int) []stage {
	var s []stage
	for range n {
		s = append(s, stage{apply: inc})
	}
	return s
}

func mapFilterMap() harness.Workload {
	w := chain("map, filter, map", []stage{{apply: inc}, {keep: even}, {apply: inc}}, [5]float64{284, 34, 12, 341, 1671})
	w.Quick = true
	return w
}

func fiveMaps() harness.Workload {
	return chain("5 maps", maps(5), [5]float64{425, 37, 21, 634, 2253})
}

// chain is a workload of stages; published are the figures of channels, of
// batches by hand, of the fused loop, of ro and of rill.
func chain(name string, s []stage, published [5]float64) harness.Workload {
	return harness.Workload{
		Group: "In process", Name: name,
		About: "A writer, the stages and a reader. Each func is func(int) (int, error), or (bool, error), and is called through a variable.",
		Cases: []harness.Case{
			{Name: "stages", Kind: harness.Ours, Bench: bench(oursChain(s))},
			{Name: "goroutine per stage, chan 256", Kind: harness.Peer, Source: sourceChan, Published: published[0], Bench: bench(chanChain(s))},
			{Name: "goroutine per stage, batches of 64 by hand", Kind: harness.Peer, Published: published[1], Bench: bench(batchChain(s))},
			{Name: "ro, SubscribeOn", Kind: harness.Peer, Source: sourceRo, Module: moduleRo, Published: published[3], Bench: bench(roChain(s, true))},
			{Name: "ro, no goroutine", Kind: harness.Peer, Source: sourceRo, Module: moduleRo, Aside: true, Bench: bench(roChain(s, false))},
			{Name: "rill", Kind: harness.Peer, Source: sourceRill, Module: moduleRill, Published: published[4], Bench: bench(rillChain(s))},
			{Name: "fused: batches of 64, then one loop", Kind: harness.Limit, Bench: bench(fusedBatches(s))},
			{Name: "fused: one loop, no goroutine", Kind: harness.Limit, Aside: true, Published: published[2], Bench: bench(fusedLoop(s))},
		},
		Goals: []harness.Goal{
			{Against: "goroutine per stage, chan 256", Reach: 3, Stretch: 6},
			{Metric: "allocs/op", Reach: 0.01, Note: "no allocation per item"},
		},
	}
}
