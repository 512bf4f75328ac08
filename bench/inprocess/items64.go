package inprocess

import "omnistreams.dev/bench/harness"

// item64 is as large as a cache line: copying it begins to count.
type item64 struct{ _ [8]uint64 }

func items64() harness.Workload {
	return harness.Workload{
		Group: "In process", Name: "64-byte struct, 1 to 1", Quick: true, Bytes: 64,
		About: "The same with structs of 64 bytes, handed over by value.",
		Cases: []harness.Case{
			{Name: "Write and All", Kind: harness.Ours, Bench: bench(oursAll[item64])},
			{Name: "Write and Next", Kind: harness.Ours, Bench: bench(oursNext[item64])},
			{Name: "chan 256", Kind: harness.Peer, Source: sourceChan, Published: 103, Bench: bench(chanOf[item64](256))},
			{Name: "chan 256, select with a ctx", Kind: harness.Peer, Source: sourceChan, Bench: bench(chanSelect[item64](256))},
			{Name: "mutex ring", Kind: harness.Peer, Bench: bench(mutexRing[item64])},
			{Name: "ro, no goroutine", Kind: harness.Peer, Source: sourceRo, Module: moduleRo, Aside: true, Bench: bench(roPush[item64])},
			{Name: "rill", Kind: harness.Peer, Source: sourceRill, Module: moduleRill, Bench: bench(rillForEach[item64])},
			{Name: "batches of 64 by hand", Kind: harness.Limit, Published: 33, Bench: bench(byHand[item64])},
		},
		Goals: []harness.Goal{
			{Against: "chan 256", Reach: 1.7, Stretch: 2.5},
			{Metric: "allocs/op", Reach: 0.01, Note: "no allocation per item"},
		},
	}
}
