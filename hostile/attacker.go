package main

import (
	"bufio"
	"bytes"
	"math"
	"net"
	"sync/atomic"
	"time"
)

// honestItems is how many items go over an honest stream while an attack
// lasts: few and small enough that no protocol's first credit stops them.
const honestItems = 50

// honestItem is one of them.
func honestItem() []byte { return append([]byte{asHonest}, make([]byte, itemSize-1)...) }

// An attacker is one connection to the victim. It sends what an attack gives
// it, and in between, on stream 1, an honest item whenever one is due.
type attacker struct {
	wire     wire
	conn     net.Conn
	tick     time.Duration
	start    time.Time
	deadline time.Time
	honest   bool // there is a stream 1
	sent     int  // items on it

	received atomic.Int64  // bytes of data that the victim sent
	gone     chan struct{} // closed when the victim has ended the session; nil if nobody reads
}

// read receives until the victim has ended the session. Then it closes the
// connection, as a peer is to. It runs on a goroutine that ends with conn.
func (a *attacker) read() {
	defer close(a.gone)
	defer a.conn.Close()
	r := bufio.NewReaderSize(a.conn, 64<<10)
	for {
		n, over, err := a.wire.read(r)
		a.received.Add(int64(n))
		if over || err != nil {
			return
		}
	}
}

// begin opens the honest stream.
func (a *attacker) begin() error {
	a.start = time.Now()
	a.honest, a.sent = true, 1
	return a.write(a.wire.open(1), a.wire.data(1, honestItem()))
}

// write writes the frames, and honest items that are due, until the attack's
// time is over.
func (a *attacker) write(frames ...[]byte) error {
	sent := a.sent
	if a.honest {
		for due := min(int(time.Since(a.start)/a.tick)+1, honestItems); sent < due; sent++ {
			frames = append(frames, a.wire.data(1, honestItem()))
		}
	}
	_, err := a.conn.Write(bytes.Join(frames, nil))
	if err == nil {
		a.sent = sent
	}
	return err
}

// running reports whether there is still somebody to attack.
func (a *attacker) running() bool {
	return !a.ended() && time.Now().Before(a.deadline)
}

// flood writes what step returns until the time is over or the session is. It
// returns how many steps were written.
func (a *attacker) flood(step func(i int) [][]byte) int { return a.steps(math.MaxInt, step) }

// steps is flood with so many steps at most.
func (a *attacker) steps(most int, step func(i int) [][]byte) int {
	for i := 0; i < most; i++ {
		if !a.running() || a.write(step(i)...) != nil {
			return i
		}
	}
	return most
}

// idle only keeps the honest stream going.
func (a *attacker) idle() {
	for a.running() {
		time.Sleep(a.tick / 4)
		if a.write() != nil {
			return
		}
	}
}

// settle waits a little for the victim to end the session.
func (a *attacker) settle(d time.Duration) {
	select {
	case <-a.gone:
	case <-time.After(d):
	}
}

// ended reports whether the victim has ended the session, as far as is known.
func (a *attacker) ended() bool {
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}
