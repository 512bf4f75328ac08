package wire

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"

	"omnistreams.dev/bench/harness"
)

// opens is the whole life of b.N streams: open, one message of 64 bytes, end,
// and let go at both ends. So many are opened at a time, and as many accept.
// Whoever opened waits until the other has read the end: it is told so in the
// process, the same way for all.
func opens(openers int) work {
	return func(b *testing.B, s session) error {
		read := make([]chan struct{}, openers)
		for i := range read {
			read[i] = make(chan struct{}, 1)
		}
		var accepted, failed atomic.Int64
		// The first brings the session up, which some put off until then.
		err := s.together(
			func() error { return openSome(s.client, 0, 1, read[0], &failed) },
			func() error { return acceptOne(s.server, read) },
		)
		if err != nil {
			return err
		}
		var fs []func() error
		for i := range openers {
			fs = append(fs,
				func() error { return openSome(s.client, i, share(b.N, i, openers), read[i], &failed) },
				func() error {
					for accepted.Add(1) <= int64(b.N) {
						if err := acceptOne(s.server, read); err != nil {
							failed.Add(1)
							for _, ch := range read { // nobody waits for this one
								select {
								case ch <- struct{}{}:
								default:
								}
							}
							return err
						}
					}
					return nil
				})
		}
		b.ResetTimer()
		return s.together(fs...)
	}
}

func openSome(m muxer, who, n int, read <-chan struct{}, failed *atomic.Int64) error {
	item := make([]byte, 64)
	binary.LittleEndian.PutUint64(item, uint64(who))
	for range n {
		c, err := m.open()
		if err != nil {
			return err
		}
		if err := c.send(item); err != nil {
			return err
		}
		if err := c.closeSend(); err != nil {
			return err
		}
		if <-read; failed.Load() > 0 {
			return nil // the accepter says why
		}
		c.release()
	}
	return nil
}

func acceptOne(m muxer, read []chan struct{}) error {
	c, err := m.accept()
	if err != nil {
		return err
	}
	who, n := uint64(0), 0
	err = each(c, func(item []byte) error {
		n++
		if who = binary.LittleEndian.Uint64(item); len(item) != 64 || who >= uint64(len(read)) {
			return fmt.Errorf("not the message that was sent: %x", item)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%d messages instead of one", n)
	}
	c.release()
	read[who] <- struct{}{}
	return nil
}

func openings() []harness.Workload {
	var all []harness.Workload
	for _, openers := range []int{1, 64} {
		w := harness.Workload{
			Group: "mux", Name: "TCP, open, one message, end, close", Unit: "streams",
			About: "One op is the whole life of a stream with one message of 64 bytes. Whoever opened it waits until its end was read, " +
				"which it is told in the process. One stream at a time: a round trip or two for those who wait for an answer on the wire.",
			Goals: []harness.Goal{{Against: harness.BestPeer, Reach: 2, Stretch: 3}},
		}
		if openers > 1 {
			w.Name += ", 64 at a time"
			w.About = "The same by 64 goroutines that open and 64 that accept."
		}
		for _, p := range []peer{ours, yamuxPeer(false), libp2pPeer(false), smuxPeer(false), grpcPeer(false), http2Peer(false), quicPeer(false)} {
			w.Cases = append(w.Cases, p.does(overTCP, settings{streams: openers, short: true}, opens(openers)))
		}
		if openers > 1 {
			w.Cases = published(w.Cases, map[string]float64{
				"quic-go, per message": 1e9 / 45_300, "libp2p yamux, per message": 1e9 / 43_700,
				"gRPC": 1e9 / 33_700, "yamux, per message": 1e9 / 24_700,
			})
		}
		if openers == 1 {
			quick(&w, "yamux, per message", "libp2p yamux, per message", "gRPC", "quic-go, per message")
		}
		all = append(all, w)
	}
	return all
}
