package wire

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
)

// How the two speeds are compared: so many pairs, each of so many messages.
// The smoke test takes fewer.
var (
	unreadPairs    = 9
	unreadMessages = 3000
)

const (
	unreadSize = 16 << 10
	// unreadPatience is how long a stream may take that is done in a tenth of
	// a second when it is alone.
	unreadPatience = 3 * time.Second
)

// errStalled says that a stream does not move beside one that nobody reads.
var errStalled = errors.New("stalled")

// unread compares a stream's speed beside one that nobody reads with its speed
// alone: in pairs, either first in turn, the median of their ratios.
func unread(b *testing.B, p peer, l link) error {
	var ratios []float64
	for i := range unreadPairs {
		var took [2]time.Duration // alone, beside
		for j := range took {
			which := (i + j) % 2
			d, err := unreadOnce(b, p, l, which == 1)
			if errors.Is(err, errStalled) {
				b.ReportMetric(0, "of-speed-alone")
				b.ReportMetric(1, "stalled")
				return nil
			}
			if err != nil {
				return err
			}
			took[which] = d
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	slices.Sort(ratios)
	median := ratios[len(ratios)/2]
	b.ReportMetric(1/median, "of-speed-alone")
	b.ReportMetric(median, "times-as-long") // for the goal: less is better
	return nil
}

// unreadOnce times one stream on a new session, beside another that nobody
// reads if so wanted. Its writer has then been stopped by that.
func unreadOnce(b *testing.B, p peer, l link, beside bool) (took time.Duration, err error) {
	s := p.session(b, l, settings{streams: 2})
	ended := make(chan struct{})
	if beside {
		out, _, err := s.stream()
		if err != nil {
			s.cut()
			return 0, err
		}
		var sent atomic.Int64
		go func() {
			defer close(ended)
			item := make([]byte, unreadSize)
			for out.send(item) == nil { // until it is cut
				sent.Add(1)
			}
		}()
		untilStill(&sent)
	} else {
		close(ended)
	}
	timer := time.AfterFunc(unreadPatience, s.cut)
	start := time.Now()
	out, in, err := s.stream()
	if err == nil {
		item := make([]byte, unreadSize)
		start = time.Now()
		err = s.together(
			func() error { return writeAll(out, item, unreadMessages) },
			func() error { return readAll(in, unreadSize, unreadMessages) },
		)
	}
	took = time.Since(start)
	if !timer.Stop() {
		err = errStalled
	}
	s.cut()
	<-ended
	if err != nil && !errors.Is(err, errStalled) {
		err = fmt.Errorf("beside %v: %w", beside, err)
	}
	return took, err
}

// untilStill waits until n has not changed for a while. Who never stops it
// buffers without bound; after a second that is enough.
func untilStill(n *atomic.Int64) {
	for last, still, i := int64(0), 0, 0; still < 5 && i < 200; i++ {
		time.Sleep(5 * time.Millisecond)
		if now := n.Load(); now != last || now == 0 {
			last, still = now, 0
		} else {
			still++
		}
	}
}

func unreads() []harness.Workload {
	w := harness.Workload{
		Group: "mux", Name: "TCP, one stream unread, another running", Unit: "comparisons",
		About: "The speed of a stream beside one whose reader never reads, as a part of its speed alone; the median of 9 pairs, " +
			"3,000 messages of 16 KiB each. 0 is a stall: nothing arrives within 3 seconds. The time is that of all pairs.",
		Goals: []harness.Goal{{Metric: "times-as-long", Reach: 1 / 0.9, Stretch: 1 / 0.98, Note: "0.9 and 0.98 of its speed alone"}},
	}
	for _, p := range []peer{ours, yamuxPeer(false), libp2pPeer(false), smuxPeer(false), grpcPeer(false), http2Peer(false), http2Defaults} {
		c := p.does(overTCP, settings{}, nil)
		c.Bench = func(b *testing.B) {
			for b.Loop() {
				if err := unread(b, p, overTCP); err != nil {
					b.Fatal(p.name, ": ", err)
				}
			}
		}
		w.Cases = append(w.Cases, c)
	}
	return []harness.Workload{w}
}
