package mux

import (
	"runtime"
	"testing"

	"omnistreams.dev/transport"
)

// BenchmarkIdleStreams holds 10,000 streams open that carry nothing and
// reports what one costs, both ends together: heap bytes and goroutines.
func BenchmarkIdleStreams(b *testing.B) {
	const streams = 10_000
	opt := &Options{MaxStreams: streams, MaxItem: 1 << 10, Budget: 1 << 30, Prefetch: -1}
	for b.Loop() {
		ca, cb := tcp(b)
		client, server := start(b, transport.Frame(ca), opt), start(b, transport.Frame(cb), opt)
		if _, err := client.Peer(b.Context()); err != nil {
			b.Fatal(err)
		}
		heap, goroutines := measure()
		held := make([]any, 0, 2*streams)
		for range streams {
			c, err := client.Open(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			in, err := server.Accept(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			held = append(held, c, in)
		}
		heapAfter, goroutinesAfter := measure()
		b.ReportMetric(float64(heapAfter-heap)/streams, "bytes/stream")
		b.ReportMetric(float64(goroutinesAfter-goroutines)/streams, "goroutines/stream")
		runtime.KeepAlive(held)
		client.Close()
		server.Close()
	}
}

func measure() (heap uint64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}
