package mux

import (
	"context"
	"io"
	"sync"
	"time"

	"omnistreams.dev/transport"
)

// line is one end of a connection of a given speed and delay, for bubbles:
// Send takes as long as its message takes to be put on the line, and the other
// end gets it one delay later.
type line struct {
	rate  float64 // bytes a second
	delay time.Duration
	out   chan<- parcel
	in    <-chan parcel
	over  chan struct{} // of both ends
	once  *sync.Once
}

// parcel is a message that is under way.
type parcel struct {
	msg []byte
	due time.Time
}

// mbit is a rate in bytes a second.
func mbit(n float64) float64 { return n * 1e6 / 8 }

// newLine returns two ends that are rtt apart, there and back.
func newLine(rate float64, rtt time.Duration) (a, b transport.Conn) {
	// As many messages as are on the line at a time, and then some.
	ab, ba := make(chan parcel, 1<<16), make(chan parcel, 1<<16)
	over, once := make(chan struct{}), new(sync.Once)
	return &line{rate, rtt / 2, ab, ba, over, once}, &line{rate, rtt / 2, ba, ab, over, once}
}

// Send implements transport.Conn.
func (l *line) Send(_ context.Context, msg []byte) error {
	select {
	case <-time.After(time.Duration(float64(len(msg)) / l.rate * float64(time.Second))):
	case <-l.over:
		return io.ErrClosedPipe
	}
	l.out <- parcel{append([]byte(nil), msg...), time.Now().Add(l.delay)}
	return nil
}

// Recv implements transport.Conn.
func (l *line) Recv(context.Context) ([]byte, error) {
	select {
	case p := <-l.in:
		select {
		case <-time.After(time.Until(p.due)):
			return p.msg, nil
		case <-l.over:
		}
	case <-l.over:
	}
	return nil, io.EOF
}

// Close implements transport.Conn.
func (l *line) Close() error {
	l.once.Do(func() { close(l.over) })
	return nil
}
