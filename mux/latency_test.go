package mux

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

// The load of TestLatencyUnderBulk: streams that would fill the link alone, with
// items of a size in bytes, on a link of so many Mbit/s.
const (
	bulkStreams = 8
	bulkItem    = 64 << 10
	bulkRate    = 100.0
	echoItem    = 64
)

// TestLatencyUnderBulk: beside eight streams that would fill the link alone, a
// small call and a PING take a few frames' time. What they take behind the same
// load in a plain queue is printed for comparison.
func TestLatencyUnderBulk(t *testing.T) {
	for _, row := range []struct {
		name    string
		measure func(t *testing.T) (echo, ping []time.Duration)
		limit   float64 // frame times; 0 for none
	}{
		{"session", sessionLatency, 4},
		{"plain FIFO", fifoLatency, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				echo, ping := row.measure(t)
				wantLatency(t, "echo", echo, row.limit)
				wantLatency(t, "PING", ping, row.limit)
			})
		})
	}
}

// wantLatency prints times in those of a bulk item on the link, and fails the
// test if more than one in a hundred is over the limit, unless that is 0.
func wantLatency(t *testing.T, name string, took []time.Duration, limit float64) {
	frame := bulkItem / mbit(bulkRate) * float64(time.Second)
	frames := func(d time.Duration) float64 { return float64(d) / frame }
	slices.Sort(took)
	median, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%s: median %v, p99 %v: %.1f and %.1f frames of %d KiB", name, median, p99, frames(median), frames(p99), bulkItem>>10)
	if limit > 0 && frames(p99) > limit {
		t.Errorf("%s: p99 %v, over %v frame times", name, p99, limit)
	}
}

// sample measures both n times, at uneven moments.
func sample(n int, echo, ping func() time.Duration) (echos, pings []time.Duration) {
	time.Sleep(time.Second) // until the link is full
	for i := range n {
		echos = append(echos, echo())
		pings = append(pings, ping())
		time.Sleep(time.Duration(i%7) * time.Millisecond)
	}
	return echos, pings
}

// sessionLatency is that of two sessions with all defaults.
func sessionLatency(t *testing.T) (echos, pings []time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ca, cb := newLine(mbit(bulkRate), 0)
	a, b := start(t, ca, nil), start(t, cb, nil)
	for range bulkStreams {
		c, p := benchPair(t, a, b)
		go func() {
			for c.Write(ctx, make([]byte, bulkItem)) == nil {
			}
		}()
		go func() {
			for _, err := range Reuse(p).All(ctx) {
				if err != nil {
					return
				}
			}
		}()
	}
	call, err := a.Call(ctx, nil)
	must(t, err)
	in := accept(t, b)
	answer, err := in.Reply(ctx, nil)
	must(t, err)
	go in.Producer().Pipe(ctx, answer)
	echos, pings = sample(500, func() time.Duration {
		began := time.Now()
		must(t, call.Out.Write(ctx, make([]byte, echoItem)))
		_, err := call.In.Next(ctx)
		must(t, err)
		return time.Since(began)
	}, func() time.Duration {
		took, err := a.Ping(ctx)
		must(t, err)
		return took
	})
	stop()
	a.Close()
	b.Close()
	return echos, pings
}

// fifo is one side of the mux that one would write first: the frames of all
// streams wait in one queue, in the order in which they came.
type fifo struct {
	conn  transport.Conn
	queue chan []byte   // the first byte is a stream
	over  chan struct{} // closed when the side has ended
	came  [256]chan []byte
}

// The streams of a fifo beside the bulk ones. What comes on fifoPing is sent
// back at once; on stream n | fifoCredit comes what n may send again.
const (
	fifoEcho = bulkStreams + iota
	fifoPing
	fifoPong
	fifoCredit = 128
)

// startFifo starts a side; what it starts ends when conn does.
func startFifo(conn transport.Conn, running *sync.WaitGroup) *fifo {
	f := &fifo{conn: conn, queue: make(chan []byte, 1<<10), over: make(chan struct{})}
	for i := range f.came {
		f.came[i] = make(chan []byte, 1<<8) // more than any window
	}
	running.Go(func() {
		for {
			select {
			case msg := <-f.queue:
				_ = conn.Send(context.Background(), msg) // its end shows below
			case <-f.over:
				return
			}
		}
	})
	running.Go(func() {
		defer close(f.over)
		for {
			msg, err := conn.Recv(context.Background())
			if err != nil {
				return
			}
			if msg[0] == fifoPing {
				f.send(fifoPong, nil)
			} else {
				f.came[msg[0]] <- msg[1:]
			}
		}
	})
	return f
}

func (f *fifo) send(stream byte, item []byte) {
	f.queue <- append([]byte{stream}, item...)
}

// take waits for the next item of a stream, false at the end of the side.
func (f *fifo) take(stream byte) bool {
	select {
	case <-f.came[stream]:
		return true
	case <-f.over:
		return false
	}
}

// fifoLatency is that of the same load through plain queues, with the windows
// that a session's streams begin with, which are the least that they have.
func fifoLatency(t *testing.T) (echos, pings []time.Duration) {
	var running sync.WaitGroup
	cfg, err := newConfig(nil)
	must(t, err)
	window := int(cfg.firstWindow().bytes) / bulkItem
	ca, cb := newLine(mbit(bulkRate), 0)
	a, b := startFifo(ca, &running), startFifo(cb, &running)
	for stream := range byte(bulkStreams) {
		running.Go(func() {
			for sent := 0; sent < window || a.take(stream|fifoCredit); sent++ {
				a.send(stream, make([]byte, bulkItem))
			}
		})
		running.Go(func() {
			for b.take(stream) {
				b.send(stream|fifoCredit, nil)
			}
		})
	}
	running.Go(func() {
		for b.take(fifoEcho) {
			b.send(fifoEcho, make([]byte, echoItem))
		}
	})
	measure := func(there, back byte, n int) func() time.Duration {
		return func() time.Duration {
			began := time.Now()
			a.send(there, make([]byte, n))
			a.take(back)
			return time.Since(began)
		}
	}
	t.Logf("windows of %d items", window)
	echos, pings = sample(40, measure(fifoEcho, fifoEcho, echoItem), measure(fifoPing, fifoPong, 0))
	ca.Close()
	running.Wait()
	return echos, pings
}
