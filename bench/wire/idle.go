package wire

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
)

// idleStreams is how many; fewer in the smoke test.
var idleStreams = 10_000

// idle reports what a stream costs that carries nothing, both ends together:
// bytes of heap and stacks, and goroutines. What a session costs by itself,
// and the slice they are held in, is not part of it.
func idle(lazy bool) func(b *testing.B, s session) error {
	return func(b *testing.B, s session) error {
		held := make([]conn, 0, 2*idleStreams)
		add := func() error {
			c, err := s.client.open()
			if err != nil {
				return err
			}
			if lazy { // nobody hears of it before something was written
				if _, err := c.(*byteConn).rw.Write([]byte{0}); err != nil {
					return err
				}
			}
			d, err := s.server.accept()
			if err != nil {
				return err
			}
			if lazy {
				if _, err := d.(*byteConn).rw.Read(make([]byte, 1)); err != nil {
					return err
				}
			}
			held = append(held, c, d)
			return nil
		}
		if err := add(); err != nil { // the session is up then
			return err
		}
		settle()
		bytes, goroutines := inUse()
		for i := range idleStreams {
			if err := add(); err != nil {
				return fmt.Errorf("stream %d: %w", i, err)
			}
		}
		bytesAfter, goroutinesAfter := inUse()
		b.ReportMetric(float64(int64(bytesAfter-bytes))/float64(idleStreams), "bytes/stream")
		b.ReportMetric(float64(goroutinesAfter-goroutines)/float64(idleStreams), "goroutines/stream")
		runtime.KeepAlive(held)
		return nil
	}
}

// settle waits until the goroutines of whoever was measured before are gone:
// some do not wait for theirs.
func settle() {
	for last := -1; last != runtime.NumGoroutine(); time.Sleep(20 * time.Millisecond) {
		last = runtime.NumGoroutine()
	}
}

func inUse() (bytes uint64, goroutines int) {
	runtime.GC()
	runtime.GC() // the first one's finalizers and pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine()
}

func idles() []harness.Workload {
	w := harness.Workload{
		Group: "mux", Name: "TCP, 10,000 idle streams", Unit: "fillings",
		About: "What an open stream costs that carries nothing: bytes of heap and stacks, and goroutines, at both ends together. " +
			"A stream of ours goes one way; a call and its answer are two, as the streams of the others are. Ours has no prefetch here. " +
			"The time is that of opening them all.",
		Goals: []harness.Goal{
			{Metric: "bytes/stream", Reach: 1024, Stretch: 512},
			{Metric: "goroutines/stream", Reach: 0.01, Note: "none each"},
		},
	}
	answered := ours
	answered.name = "omnistreams, call and answer"
	for _, p := range []peer{ours, answered, yamuxPeer(false), libp2pPeer(false), smuxPeer(false), grpcPeer(false), http2Peer(false), quicPeer(false)} {
		set := settings{streams: idleStreams + 1, duplex: p.name != ours.name, idle: true}
		c := p.does(overTCP, set, nil)
		c.Bench = func(b *testing.B) {
			// Loop instead of b.N: one filling is more than long enough.
			for b.Loop() {
				s := p.session(b, overTCP, set)
				err := idle(p.lazy)(b, s)
				s.cut()
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		w.Cases = append(w.Cases, c)
	}
	quick(&w, "yamux, per message", "libp2p yamux, per message", "gRPC")
	return []harness.Workload{w}
}
