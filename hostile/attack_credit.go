package main

import (
	"fmt"
	"time"
)

// overrun uses up a stream's credit and goes on.
func overrun(r *run) error {
	a, err := r.dial(true, true)
	if err != nil {
		return err
	}
	if a.write(a.wire.open(2), a.wire.data(2, []byte{asUnread})) != nil || a.write(a.wire.fill(2)...) != nil {
		return nil
	}
	more := a.wire.data(2, make([]byte, 16<<10))
	n := a.flood(func(int) [][]byte { return [][]byte{more} })
	if a.settle(4 * a.tick); !a.ended() {
		r.note = fmt.Sprintf("%d frames too many taken", n)
	}
	return nil
}

// wrapped grants more than the counter holds. The victim has 8 MiB to write
// and was granted more than that, so whatever does not come is a counter that
// wrapped around.
func wrapped(r *run) error {
	a, err := r.dial(true, true)
	if err != nil {
		return err
	}
	before, after := a.wire.wrap(2)
	a.write(a.wire.ask(2))
	a.write(before...)
	a.write(a.wire.data(2, []byte{asWrite}))
	for a.running() && a.received.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for _, f := range after {
		a.write(f)
	}
	for a.running() && a.received.Load() < mostWritten {
		time.Sleep(a.tick / 4)
		a.write()
	}
	if a.ended() {
		return nil // the session has ended: what was written says nothing
	}
	r.note = "all 8 MiB written"
	if n := a.received.Load(); n < mostWritten {
		r.note = fmt.Sprintf("**%s of 8 MiB written**", size(uint64(n)))
	}
	return nil
}
