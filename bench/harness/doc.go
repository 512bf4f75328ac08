// Package harness measures contenders beside each other, so that what counts
// is a ratio of figures taken at nearly the same time.
//
// A machine that others share drifts by tens of percent within a minute. So
// the cases of a workload take turns, and a ratio is formed within a round:
//
//	round 1:  ours  chan  ring  batches      ratio 1 = chan / ours
//	round 2:  chan  ring  batches  ours      ratio 2
//	round 3:  ring  batches  ours  chan      ratio 3   -> the median of them
//
// The order rotates, since whoever comes after a case that heats the caches or
// fills the heap would always pay for it. Between two cases the garbage of the
// first is collected.
//
// A package of workloads exports
//
//	func Workloads() []harness.Workload
//
// with one line of Case per contender:
//
//	harness.Case{
//		Name: "chan 256", Kind: harness.Peer, Published: 83,
//		Source: "https://go.dev/src/runtime/chan.go",
//		Bench:  benchChan,
//	}
//
// A case that fails is part of the result, with its reason. It must not panic
// on a goroutine of its own: nobody could recover that, and the process ends.
package harness
