package omni

import (
	"context"
	"sync/atomic"
)

// A gate is a mutex whose wait a ctx can end. It is held across waits, which a
// sync.Mutex never is here: waiting happens on a channel, so a select with a
// ctx works and a testing/synctest bubble sees who is blocked.
//
// Whoever counts from 0 to 1 has it; the others wait for a token that the
// holder leaves behind. A token is on its way exactly while nobody holds the
// gate and users is not 0, and it is for one of those who wait.
type gate struct {
	users atomic.Int32 // the holder and those who wait
	loops bool         // of a stage's: the holder is a loop; guarded by the gate
	wake  chan struct{}
}

func newGate() gate { return gate{wake: make(chan struct{}, 1)} }

// tryLock takes the gate if it is free.
func (g *gate) tryLock() bool { return g.users.CompareAndSwap(0, 1) }

// lock waits for the gate. If ctx ends first, it returns the cause and the
// gate is not held; a free gate is taken even if ctx has ended.
func (g *gate) lock(ctx context.Context) error {
	if g.enter() {
		return nil // Fast path: it was free.
	}
	return g.wait(ctx)
}

// enter takes the gate if it is free, else the caller is in its queue, and
// goes on with wait or withdraw.
func (g *gate) enter() bool { return g.users.Add(1) == 1 }

// wait waits in the queue, as lock does.
func (g *gate) wait(ctx context.Context) error {
	select {
	case <-g.wake:
		return nil
	case <-ctx.Done():
	}
	if g.withdraw() {
		return nil
	}
	return causeOf(ctx)
}

// withdraw leaves the queue. It reports whether the gate had been given to the
// caller already, who holds it then.
func (g *gate) withdraw() bool {
	for {
		n := g.users.Load()
		if n == 1 {
			// The holder has left and counts on us: the token is ours
			// alone. Leaving it would let it wake somebody who comes
			// later, beside one who found the gate free.
			<-g.wake
			return true
		}
		if g.users.CompareAndSwap(n, n-1) {
			return false
		}
	}
}

// unlock gives the gate to one that waits, if any.
func (g *gate) unlock() {
	if g.users.Add(-1) > 0 {
		g.wake <- struct{}{}
	}
}
