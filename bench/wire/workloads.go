package wire

import "omnistreams.dev/bench/harness"

// Workloads returns what this package measures.
func Workloads() []harness.Workload {
	var all []harness.Workload
	for _, some := range [][]harness.Workload{
		tcpOneStream(), hundredStreams(), pingPongs(), openings(), idles(), unreads(),
		otherLinks(), webSockets(), scales(),
	} {
		all = append(all, some...)
	}
	return all
}
