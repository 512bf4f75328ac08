package main

import (
	"fmt"
	"time"
)

// An attack is a row of the table.
type attack struct {
	name string
	what string
	// unaccepted: the application accepts the first stream of the session and
	// no other until the attack is over.
	unaccepted bool
	// deaf: the victim's connections have a small send buffer, so that a peer
	// who does not read soon blocks its writing.
	deaf bool
	// slow: the application works for a while on each stream but the first
	// before it reads it. lingers: it works when it has read the stream's end.
	slow, lingers bool
	// incomplete: no stream is ever complete, so none may end as if it were.
	incomplete bool
	// needsCredit: the attack has no meaning where streams have no credit.
	needsCredit bool
	run         func(r *run) error
}

// fits reports whether the attack means anything to the victim.
func (a attack) fits(v victim) bool { return v.credit || !a.needsCredit }

var attacks = []attack{
	{name: "ping flood", what: "PINGs as fast as they go; their answers are never read, and the victim can send 16 KiB ahead", deaf: true, run: pingFlood},
	{name: "one unread stream", what: "a stream that the application never reads, as much on it as the victim takes", run: unread},
	{name: "opens up to the limit", what: "as many streams as may wait to be accepted; none is", unaccepted: true, run: opensToLimit},
	{name: "opens beyond it", what: "opens as fast as they go; none is accepted", unaccepted: true, run: opensBeyond},
	{name: "all credit, unread", what: "the same streams as up to the limit, each with all data that its credit allows", unaccepted: true, needsCredit: true, run: allFilled},
	{name: "open and kill", what: "opens and breaks off as fast as it goes; the application works for 50 ms, then reads", slow: true, run: openKill},
	{name: "open and kill, read first", what: "the same; the application reads, then works for 50 ms", lingers: true, run: openKill},
	{name: "credit overrun", what: "data beyond the credit of a stream that is not read", needsCredit: true, run: overrun},
	{name: "wrapped credit", what: "more credit than the counter holds (yamux: 2^32-1 bytes more, twice; omnistreams: totals of 2^53-1, twice, then 2^53 and 2^64-1); the application writes 8 MiB", needsCredit: true, run: wrapped},
	{name: "cut frames", what: "a session of an opening, two frames of data and an end, cut after each byte", incomplete: true, run: cutFrames},
	{name: "late frames", what: "data, end, break and credit: for a stream never opened, an ended one, a broken one", run: lateFrames},
	{name: "crash inputs", what: "types × flags × odd lengths, huge lengths, random bytes; a session each", run: crashInputs},
}

// pingFlood lets the receive buffer fill, so that the victim cannot write.
func pingFlood(r *run) error {
	a, err := r.dial(true, false)
	if err != nil {
		return err
	}
	n := a.flood(func(i int) [][]byte {
		var b [][]byte
		for j := range 200 {
			b = append(b, a.wire.ping(200*i+j))
		}
		return b
	})
	r.note = fmt.Sprintf("%s pings", thousands(200*n))
	return nil
}

func unread(r *run) error {
	a, err := r.dial(true, true)
	if err != nil {
		return err
	}
	if err := a.write(a.wire.open(2), a.wire.data(2, []byte{asUnread})); err != nil {
		return nil
	}
	fill := a.wire.fill(2)
	if fill == nil { // nothing but the victim's patience limits it
		big := a.wire.data(2, make([]byte, 32<<10))
		a.flood(func(int) [][]byte { return [][]byte{big} })
		return nil
	}
	a.steps(len(fill), func(i int) [][]byte { return fill[i : i+1] })
	a.idle()
	return nil
}

func opensToLimit(r *run) error {
	a, err := r.dial(true, true)
	if err != nil {
		return err
	}
	a.steps(a.wire.limit(), func(i int) [][]byte { return [][]byte{a.wire.open(2 + i)} })
	a.idle()
	return nil
}

func opensBeyond(r *run) error {
	a, err := r.dial(true, true)
	if err != nil {
		return err
	}
	n := a.flood(func(i int) [][]byte { return [][]byte{a.wire.open(2 + 2*i), a.wire.open(3 + 2*i)} })
	r.note = fmt.Sprintf("%s opens", thousands(2*n))
	return nil
}

func allFilled(r *run) error {
	a, err := r.dial(true, true)
	if err != nil {
		return err
	}
	a.steps(a.wire.limit(), func(i int) [][]byte {
		n := 2 + i
		return append([][]byte{a.wire.open(n), a.wire.data(n, []byte{asOther})}, a.wire.fill(n)...)
	})
	a.idle()
	return nil
}

func openKill(r *run) error {
	a, err := r.dial(true, true)
	if err != nil {
		return err
	}
	n := a.flood(func(i int) [][]byte { return [][]byte{a.wire.open(2 + i), a.wire.kill(2 + i)} })
	r.note = fmt.Sprintf("%s streams", thousands(n))
	return nil
}

// lateFrames sends each frame that is late on a session of its own.
func lateFrames(r *run) error {
	var all []*attacker
	for _, before := range []func(w wire) [][]byte{
		func(w wire) [][]byte { return nil },
		func(w wire) [][]byte { return [][]byte{w.open(1), w.data(1, []byte{asOther}), w.end(1)} },
		func(w wire) [][]byte { return [][]byte{w.open(1), w.data(1, []byte{asOther}), w.kill(1)} },
	} {
		for _, late := range []func(w wire) []byte{
			func(w wire) []byte { return w.data(1, make([]byte, 16)) },
			func(w wire) []byte { return w.end(1) },
			func(w wire) []byte { return w.kill(1) },
			func(w wire) []byte { return w.grant(1) },
		} {
			if late(r.victim.wire()) == nil {
				continue // the protocol has no such frame
			}
			a, err := r.dial(false, true)
			if err != nil {
				return err
			}
			a.write(before(a.wire)...)
			time.Sleep(a.tick) // the application is to have seen it
			a.write(late(a.wire))
			all = append(all, a)
		}
	}
	for _, a := range all {
		a.settle(2 * r.tick)
	}
	return nil
}
