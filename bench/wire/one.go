package wire

import (
	"testing"

	"omnistreams.dev/bench/harness"
)

// everyone is who takes part in a workload over a byte stream.
func everyone() []peer {
	return []peer{
		ours, oursReused,
		yamuxPeer(false), yamuxPeer(true),
		libp2pPeer(false), libp2pPeer(true),
		smuxPeer(false), smuxPeer(true),
		grpcPeer(false), grpcPeer(true),
		http2Peer(false), http2Peer(true),
	}
}

// oneStream sends b.N messages of n bytes from a goroutine to another.
func oneStream(n int) work {
	return func(b *testing.B, s session) error {
		out, in, err := s.stream()
		if err != nil {
			return err
		}
		item := make([]byte, n)
		b.ResetTimer()
		return s.together(
			func() error { return writeAll(out, item, b.N) },
			func() error { return readAll(in, n, b.N) },
		)
	}
}

const aboutOne = "One op is one message; one goroutine writes, one reads and checks number and length of each. " +
	"Byte streams carry a message behind 4 bytes of length, in a write of its own or batched by hand (bufio, 60 KiB). "

func tcpOneStream() []harness.Workload {
	ns := map[int]map[string]float64{
		16:       {"gRPC": 1365, "yamux, per message": 8353, "raw frames, batched by hand": 47},
		64:       {"gRPC": 1820, "yamux, per message": 8370, "raw frames, batched by hand": 65},
		256:      {"gRPC": 1943, "yamux, per message": 9364, "raw frames, batched by hand": 131},
		1 << 10:  {"gRPC": 2664, "raw frames, batched by hand": 419},
		4 << 10:  {"gRPC": 4928},
		16 << 10: {"raw writes": perGB(16<<10, 2.2), "gRPC": perGB(16<<10, 1.5), "libp2p yamux, per message": perGB(16<<10, 1.2)},
		64 << 10: {"raw writes": perGB(64<<10, 2.7), "gRPC": perGB(64<<10, 1.8), "libp2p yamux, per message": perGB(64<<10, 1.6)},
	}
	var all []harness.Workload
	for _, n := range []int{16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		peers := append(everyone(), quicPeer(false), quicPeer(true), rawFrames(false), rawFrames(true))
		w := one(overTCP, n, peers)
		w.About = aboutOne + "quic-go is over UDP and encrypts. Ours has all defaults."
		w.Cases = published(w.Cases, ns[n])
		w.Goals = oneGoals(n)
		if n == 64 || n == 16<<10 {
			quick(&w, "yamux, per message", "yamux, batched by hand", "libp2p yamux, per message", "gRPC", "gRPC, kept", "raw frames, batched by hand", "raw writes")
		}
		all = append(all, w)
	}
	return all
}

func one(l link, n int, peers []peer) harness.Workload {
	w := harness.Workload{Group: "mux", Name: l.name + ", one stream, " + size(n), About: aboutOne, Bytes: n}
	for _, p := range peers {
		w.Cases = append(w.Cases, p.does(l, settings{}, oneStream(n)))
	}
	w.Cases = append(w.Cases, rawCopy(l, n, 1, 0))
	if n > bufSize {
		w.Cases = append(w.Cases, rawCopy(l, n, 1, n/2)) // see bufSize
	}
	return w
}

// oneGoals are what is to be reached over TCP.
func oneGoals(n int) []harness.Goal {
	yamux := harness.Goal{Case: oursReused.name, Against: "yamux, per message", Note: bothReuse}
	switch n {
	case 16, 64:
		yamux.Reach = 40
		return append(likeGRPC(9, 13), yamux)
	case 256:
		yamux.Reach = 30
		return append(likeGRPC(7, 10), yamux)
	case 1 << 10:
		return likeGRPC(5, 6)
	case 4 << 10:
		return likeGRPC(3, 3.7)
	}
	stretch := 1.0
	if n == 16<<10 {
		stretch = 1.2
	}
	// io.Copy reads into one buffer, and so does the reader with reuse.
	goals := []harness.Goal{
		{Case: oursReused.name, Against: "raw writes", Reach: 0.95, Stretch: stretch, Note: bothReuse},
		{Case: ours.name, Against: "raw writes", Reach: 0.95, Stretch: stretch, Note: "ours gives each item memory of its own"},
	}
	if n > bufSize {
		goals = append(goals, harness.Goal{Case: oursReused.name, Against: "raw writes, cut to 32 KiB", Reach: 0.95, Stretch: stretch,
			Note: "ours cuts them too: one write of 64 KiB is slow on loopback"})
	}
	return goals
}

const bothReuse = "both read into memory that is used again"

// likeGRPC compares like with like: items that are valid until the next, and
// items that are the reader's to keep.
func likeGRPC(reach, stretch float64) []harness.Goal {
	return []harness.Goal{
		{Case: oursReused.name, Against: grpcPeer(false).name, Reach: reach, Stretch: stretch, Note: bothReuse},
		{Case: ours.name, Against: grpcPeer(true).name, Reach: reach, Stretch: stretch, Note: "both give each item memory of its own"},
	}
}

// otherLinks is the same over what else carries bytes.
func otherLinks() []harness.Workload {
	var all []harness.Workload
	for _, l := range []link{overPipe, overUnix} {
		for _, n := range []int{64, 16 << 10} {
			all = append(all, one(l, n, append(everyone(), rawFrames(false), rawFrames(true))))
		}
	}
	return all
}

// perGB is the ns that n bytes take at so many GB/s.
func perGB(n int, gbps float64) float64 { return float64(n) / gbps }
