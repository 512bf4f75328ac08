package inprocess

import "omnistreams.dev/bench/harness"

// ints is the plainest work: one writer, one reader, one int at a time.
func ints() harness.Workload {
	one := func(v int) int { return v }
	return harness.Workload{
		Group: "In process", Name: "int, 1 to 1", Quick: true,
		About: "One goroutine writes ints, another reads them; up to 256 are on their way. Ours has exact order, credit and a ctx that can be canceled; bare channels have none of it.",
		Cases: []harness.Case{
			{Name: "Write and All", Kind: harness.Ours, Bench: bench(oursAll[int])},
			{Name: "Write and Next", Kind: harness.Ours, Bench: bench(oursNext[int])},
			{Name: "chan 0", Kind: harness.Peer, Source: sourceChan, Bench: bench(chanOf[int](0))},
			{Name: "chan 1", Kind: harness.Peer, Source: sourceChan, Bench: bench(chanOf[int](1))},
			{Name: "chan 16", Kind: harness.Peer, Source: sourceChan, Bench: bench(chanOf[int](16))},
			{Name: "chan 64", Kind: harness.Peer, Source: sourceChan, Bench: bench(chanOf[int](64))},
			{Name: "chan 256", Kind: harness.Peer, Source: sourceChan, Published: 83, Bench: bench(chanOf[int](256))},
			{Name: "chan 1024", Kind: harness.Peer, Source: sourceChan, Bench: bench(chanOf[int](1024))},
			{Name: "chan 256, select with a ctx", Kind: harness.Peer, Source: sourceChan, Bench: bench(chanSelect[int](256))},
			{Name: "mutex ring", Kind: harness.Peer, Published: 60, Bench: bench(mutexRing[int])},
			{Name: "io.Pipe", Kind: harness.Peer, Source: sourcePipe, Bench: bench(ioPipe)},
			{Name: "io.Pipe and bufio", Kind: harness.Peer, Source: sourcePipe, Bench: bench(ioPipeBuffered)},
			{Name: "iter.Pull", Kind: harness.Peer, Source: sourceIter, Bench: bench(seqPull[int])},
			{Name: "ro, SubscribeOn", Kind: harness.Peer, Source: sourceRo, Module: moduleRo, Bench: bench(roSubscribeOn[int])},
			{Name: "ro, no goroutine", Kind: harness.Peer, Source: sourceRo, Module: moduleRo, Aside: true, Published: 30, Bench: bench(roPush[int])},
			{Name: "conc stream", Kind: harness.Peer, Source: sourceConc, Module: moduleConc, Bench: bench(concStream(1, one))},
			{Name: "rill", Kind: harness.Peer, Source: sourceRill, Module: moduleRill, Published: 391, Bench: bench(rillForEach[int])},
			{Name: "batches of 64 by hand", Kind: harness.Limit, Published: 16, Bench: bench(byHand[int])},
			{Name: "iter.Seq, no goroutine", Kind: harness.Limit, Source: sourceIter, Aside: true, Bench: bench(seqPush[int])},
		},
		Goals: []harness.Goal{
			{Against: "chan 256", Reach: 2, Stretch: 3},
			{Metric: "allocs/op", Reach: 0.01, Note: "no allocation per item"},
		},
	}
}
