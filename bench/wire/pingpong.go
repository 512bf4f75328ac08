package wire

import (
	"io"
	"slices"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
)

// pingPong sends a message of n bytes there and back, b.N times.
func pingPong(n int) work {
	return func(b *testing.B, s session) error {
		out, in, err := s.stream()
		if err != nil {
			return err
		}
		// The first time is part of opening: answers need a half of their own.
		if err := in.send(make([]byte, n)); err != nil {
			return err
		}
		if _, err := out.recv(); err != nil {
			return err
		}
		item := make([]byte, n)
		return s.together(
			func() error {
				err := rounds(b, func(i int) error { return ask(out, item, i) })
				if err != nil {
					return err
				}
				return out.closeSend()
			},
			func() error {
				return each(in, in.send)
			},
		)
	}
}

// ask sends item as the i-th and awaits it.
func ask(c conn, item []byte, i int) error {
	item[0], item[1] = byte(i), byte(i>>8)
	if err := c.send(item); err != nil {
		return err
	}
	got, err := c.recv()
	if err != nil {
		return err
	}
	if len(got) != len(item) || got[0] != item[0] || got[1] != item[1] {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// rounds times each of b.N calls of f and reports the median and the 99th
// percentile. One look at the clock each, 50 ns, is part of it.
func rounds(b *testing.B, f func(i int) error) error {
	took := make([]time.Duration, b.N)
	b.ResetTimer()
	last := time.Now()
	for i := range took {
		if err := f(i); err != nil {
			return err
		}
		now := time.Now()
		took[i], last = now.Sub(last), now
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
	return nil
}

// rawPingPong is the same on the bare connection.
func rawPingPong(l link, n int) harness.Case {
	return harness.Case{
		Name: "raw TCP", Kind: harness.Limit,
		Bench: func(b *testing.B) {
			out, in := l.conns(b)
			done := make(chan error, 1)
			go func() {
				_, err := io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{in}, make([]byte, n))
				done <- err
			}()
			item := make([]byte, n)
			err := rounds(b, func(int) error {
				if _, err := out.Write(item); err != nil {
					return err
				}
				_, err := io.ReadFull(out, item)
				return err
			})
			out.Close()
			if eerr := <-done; err == nil {
				err = eerr
			}
			in.Close()
			if err != nil {
				b.Fatal(err)
			}
		},
	}
}

func pingPongs() []harness.Workload {
	const n = 64
	w := harness.Workload{
		Group: "mux", Name: "TCP, ping-pong, " + size(n), Unit: "round trips",
		About: "One op is a message there and back on one stream, one at a time: ours is a call, and its answer. What was measured elsewhere are medians, and the time of an op here is a mean.",
		Goals: []harness.Goal{
			{Against: harness.BestPeer, Metric: "p50-ns", Reach: 1, Note: "ahead of every peer"},
			{Against: "raw TCP", Metric: "p50-ns", Reach: 1 / 1.5, Stretch: 1 / 1.3, Note: "at most 1.5 times, 1.3 times"},
		},
	}
	for _, p := range []peer{ours, oursReused, yamuxPeer(false), libp2pPeer(false), smuxPeer(false), grpcPeer(false), http2Peer(false), quicPeer(false)} {
		w.Cases = append(w.Cases, p.does(overTCP, settings{duplex: true}, pingPong(n)))
	}
	w.Cases = published(append(w.Cases, rawPingPong(overTCP, n)), map[string]float64{
		// Medians, of which the means here are a little above.
		"raw TCP": 12_200, "gRPC": 18_700, "libp2p yamux, per message": 19_500, "yamux, per message": 33_100,
	})
	quick(&w, "raw TCP", "gRPC", "libp2p yamux, per message", "yamux, per message", "smux, per message")
	return []harness.Workload{w}
}
