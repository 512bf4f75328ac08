package laws

import (
	"context"
	"sync"

	"omnistreams.dev/omni"
)

// An account counts what happens to one half, at both of its ends:
//
//	requested >= written >= taken
//
// It is told of a request before that is made and of an item after it was
// written, so that these hold at every moment, whatever the order of events.
// Once everything has come to rest, requested is exact.
type account struct {
	mu     sync.Mutex
	half   *half
	window int // items kept requested in the reader's name

	requested int // what the reader asked for, its window included
	upper     int // and what it may have asked for by now
	written   int
	taken     int

	takenBytes int
	writing    bool // a Write waits
	reading    bool // a Next waits
	asking     bool // and asks
	looping    bool // an All has begun that counts for itself: requested is not exact
	saidLast   bool // the writer has ended or canceled
	stopped    bool // the reader has canceled, or is at the end
}

func newAccount(p *program, key int) *account {
	a := &account{half: p.half(key), window: max(0, p.Prefetch)}
	a.requested = a.window
	a.upper = a.window
	return a
}

func (a *account) do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *account) request(n int) {
	a.do(func() {
		a.requested += n
		a.upper = max(a.upper, a.requested)
	})
}

// next notes that Next is called, which may ask for one and may take one.
func (a *account) next(ask bool) {
	a.do(func() {
		a.reading, a.asking = true, ask
		if ask && a.requested == a.taken {
			a.requested++
		}
		a.upper = max(a.upper, a.requested, a.topUp(a.taken+1))
	})
}

// topUp is what is requested once n items were taken: the window is kept up
// at half of it.
func (a *account) topUp(n int) int {
	if a.window > 0 && a.requested-n <= a.window/2 {
		return n + a.window
	}
	return a.requested
}

// took notes how Next returned.
func (a *account) took(got bool) {
	a.do(func() {
		a.reading = false
		if got {
			a.takenBytes += a.half.size(a.taken)
			a.taken++
			a.requested = a.topUp(a.taken)
		}
	})
}

// looped notes an item that an All yielded, the n-th of its loop, which had
// start items requested when it began.
func (a *account) looped(start, n int) {
	a.do(func() {
		a.takenBytes += a.half.size(a.taken)
		a.taken++
		a.upper = max(a.upper, start+n+max(a.window, omni.DefaultPrefetch))
	})
}

// wrote notes an accepted item, and returns how many there are and how many
// there may be.
func (a *account) wrote() (written, upper int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written++
	return a.written, a.upper
}

// mayHaveTaken is the most that the reader can have taken by now.
func (a *account) mayHaveTaken() (items, bytes int, over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	items, bytes = a.taken, a.takenBytes
	if a.reading {
		bytes += a.half.size(items)
		items++
	}
	return items, bytes, a.stopped
}

// counted is a Source whose account is kept.
type counted struct {
	omni.Source[[]byte]
	acc *account
}

func (c *counted) Prefetch() int {
	if k, ok := c.Source.(interface{ Prefetch() int }); ok {
		return k.Prefetch()
	}
	return 0
}

func (c *counted) Request(n uint32) {
	c.acc.request(int(n))
	c.Source.Request(n)
}

func (c *counted) Next(ctx context.Context, ask bool) ([]byte, error) {
	c.acc.next(ask && ctx.Err() == nil)
	v, err := c.Source.Next(ctx, ask)
	c.acc.took(err == nil)
	return v, err
}

func (c *counted) Cancel(err error) {
	c.Source.Cancel(err)
	c.acc.do(func() { c.acc.stopped = true })
}
