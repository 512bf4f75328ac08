package wire

import (
	"testing"

	"omnistreams.dev/bench/harness"
)

// manyStreams sends b.N messages of n bytes over a number of streams, each with
// a writer and a reader.
func manyStreams(streams, n int) work {
	return func(b *testing.B, s session) error {
		outs, ins, err := s.streams(streams)
		if err != nil {
			return err
		}
		var fs []func() error
		for i := range streams {
			share := share(b.N, i, streams)
			item := make([]byte, n)
			fs = append(fs,
				func() error { return writeAll(outs[i], item, share) },
				func() error { return readAll(ins[i], n, share) })
		}
		b.ResetTimer()
		return s.together(fs...)
	}
}

// share is how many of n fall to the i-th of so many.
func share(n, i, of int) int {
	s := n / of
	if i < n%of {
		s++
	}
	return s
}

func hundredStreams() []harness.Workload {
	const streams = 100
	goals := map[int][]harness.Goal{1 << 10: likeGRPC(4, 5), 16 << 10: likeGRPC(1.4, 1.7)}
	ns := map[int]map[string]float64{
		1 << 10:  {"gRPC": perGB(1<<10, 0.340), "raw writes, 100 connections": perGB(1<<10, 1.340)},
		16 << 10: {"gRPC": perGB(16<<10, 1.450), "raw writes, 100 connections": perGB(16<<10, 3.340)},
	}
	var all []harness.Workload
	for _, n := range []int{1 << 10, 16 << 10} {
		w := harness.Workload{
			Group: "mux", Name: "TCP, 100 streams, " + size(n), Bytes: n,
			About: "One op is one message, over all streams, each of which has a writer and a reader of its own. " +
				"The limits are one writer on a bare connection, and a hundred connections with one each.",
		}
		for _, p := range append(everyone(), quicPeer(false), quicPeer(true)) {
			w.Cases = append(w.Cases, p.does(overTCP, settings{streams: streams}, manyStreams(streams, n)))
		}
		w.Cases = published(append(w.Cases, rawCopy(overTCP, n, 1, 0), rawCopy(overTCP, n, streams, 0)), ns[n])
		w.Goals = goals[n]
		if n == 1<<10 {
			quick(&w, "yamux, per message", "yamux, batched by hand", "libp2p yamux, per message", "gRPC", "gRPC, kept", "raw writes, 100 connections")
		}
		all = append(all, w)
	}
	return all
}
