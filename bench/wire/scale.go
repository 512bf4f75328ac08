package wire

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"omnistreams.dev/bench/harness"
)

// roundRobin has one goroutine write b.N messages of n bytes to the streams in
// turn; each has a reader. Their ends are not part of it, nor a few messages
// on each at first: with 10,000 streams those would be most of it.
func roundRobin(streams, n int) work {
	const first = 4
	return func(b *testing.B, s session) error {
		outs, ins, err := s.streams(streams)
		if err != nil {
			return err
		}
		// turns writes so many messages and reads them; each stream has had some
		// before.
		turns := func(after, messages int) error {
			fs := []func() error{func() error {
				item := make([]byte, n)
				for i := range messages {
					binary.LittleEndian.PutUint64(item, uint64(after+i/streams))
					if err := outs[i%streams].send(item); err != nil {
						return err
					}
				}
				return nil
			}}
			for i := range streams {
				fs = append(fs, func() error { return readSome(ins[i], n, after, share(messages, i, streams)) })
			}
			return s.together(fs...)
		}
		if err := turns(0, first*streams); err != nil {
			return err
		}
		b.ResetTimer()
		return turns(first, b.N)
	}
}

// readSome reads n messages, the first of which is number after, and not the
// end.
func readSome(c conn, size, after, n int) error {
	for i := range n {
		item, err := c.recv()
		if err == nil {
			err = check(item, size, uint64(after+i))
		}
		if err != nil {
			return fmt.Errorf("message %d of %d: %w", i, n, err)
		}
	}
	return nil
}

// manyWriters has so many goroutines write to one stream. Each one's messages
// keep their order.
func manyWriters(writers, n int) work {
	return func(b *testing.B, s session) error {
		out, in, err := s.stream()
		if err != nil {
			return err
		}
		var fs []func() error
		for i := range writers {
			fs = append(fs, func() error {
				item := make([]byte, n)
				binary.LittleEndian.PutUint64(item[8:], uint64(i))
				for j := range share(b.N, i, writers) {
					binary.LittleEndian.PutUint64(item, uint64(j))
					if err := out.send(item); err != nil {
						return err
					}
				}
				return nil
			})
		}
		fs = append(fs, func() error {
			next := make([]uint64, writers)
			for range b.N {
				item, err := in.recv()
				if err != nil {
					return err
				}
				i := binary.LittleEndian.Uint64(item[8:])
				if err := check(item, n, next[i]); err != nil {
					return fmt.Errorf("of writer %d: %w", i, err)
				}
				next[i]++
			}
			return nil
		})
		b.ResetTimer()
		return s.together(fs...)
	}
}

// growth are numbers of streams; the smoke test has no time for the last.
var growth = []int{1, 10, 100, 1000, 10_000}

func scales() []harness.Workload {
	var all []harness.Workload
	for _, streams := range growth {
		w := harness.Workload{
			Group: "mux growth", Name: fmt.Sprintf("streams, %d", streams), Bytes: 1 << 10,
			About: "One op is one message of 1 KiB. One goroutine writes to all streams in turn, each has a reader.",
		}
		peers := []peer{ours, oursReused, yamuxPeer(false)}
		if streams <= 1000 {
			peers = append(peers, grpcPeer(false))
		}
		for _, p := range peers {
			w.Cases = append(w.Cases, p.does(overTCP, settings{streams: streams}, roundRobin(streams, 1<<10)))
		}
		all = append(all, w)
	}
	writers := harness.Workload{
		Group: "mux growth", Name: "writers on one stream", Bytes: 64,
		About: "One op is one message of 64 bytes; so many goroutines write to one stream, one reads it.",
	}
	for _, n := range []int{1, 10, 100, 1000} {
		c := ours.does(overTCP, settings{}, manyWriters(n, 64))
		c.Name = fmt.Sprintf("omnistreams, %d", n)
		writers.Cases = append(writers.Cases, c)
	}
	all = append(all, writers)
	for _, n := range []int{64, 16 << 10} {
		w := harness.Workload{
			Group: "mux growth", Name: "processors, " + size(n), Bytes: n,
			About: "One stream over TCP, on one processor (GOMAXPROCS=1) and on two.",
		}
		for _, procs := range []int{1, 2} {
			for _, p := range []peer{ours, oursReused} {
				c := p.does(overTCP, settings{}, oneStream(n))
				c.Name = fmt.Sprintf("%s, %d", p.name, procs)
				c.Bench = onProcessors(procs, c.Bench)
				w.Cases = append(w.Cases, c)
			}
		}
		all = append(all, w)
	}
	return all
}

func onProcessors(n int, f func(b *testing.B)) func(b *testing.B) {
	return func(b *testing.B) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
		f(b)
	}
}
