package laws

import (
	"context"
	"errors"
	"io"
	"sync"
)

// A probe is a Source that knows what was asked of it, and that hands out no
// more than that.
type probe struct {
	items []int
	err   error // after the items; io.EOF is the clean end

	mu       sync.Mutex
	asked    int
	handed   int
	over     error // set when done is closed
	canceled error // what it was canceled with; nil if it came to its end
	cancels  int
	change   chan struct{} // closed and replaced when anything changes
	done     chan struct{}
}

func newProbe(items []int, err error) *probe {
	return &probe{items: items, err: err, change: make(chan struct{}), done: make(chan struct{})}
}

func (p *probe) changedLocked() {
	close(p.change)
	p.change = make(chan struct{})
}

func (p *probe) Request(n uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked += int(n)
	p.changedLocked()
}

func (p *probe) Next(ctx context.Context, ask bool) (int, error) {
	for {
		p.mu.Lock()
		if ask && p.asked == p.handed && ctx.Err() == nil && p.over == nil && p.handed < len(p.items) {
			p.asked++
		}
		switch {
		case p.over != nil:
		case p.handed < min(p.asked, len(p.items)):
			p.handed++
			v := p.items[p.handed-1]
			p.mu.Unlock()
			return v, nil
		case p.handed == len(p.items):
			p.endLocked(p.err)
		}
		err, change := p.over, p.change
		p.mu.Unlock()
		if err != nil {
			return 0, err
		}
		select {
		case <-change:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (p *probe) endLocked(err error) {
	p.over = err
	close(p.done)
	p.changedLocked()
}

func (p *probe) Cancel(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancels++
	if p.over == nil {
		p.canceled = err
		if err == nil {
			p.canceled = errors.New("a cancel without a cause")
		}
		p.endLocked(p.canceled)
	}
}

func (p *probe) Done() <-chan struct{} { return p.done }

func (p *probe) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over == io.EOF {
		return nil
	}
	return p.over
}

// counts returns what was asked for and what was handed out.
func (p *probe) counts() (asked, handed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked, p.handed
}

// whyCanceled returns what the probe was canceled with, nil if it was not,
// and whether it is over.
func (p *probe) whyCanceled() (err error, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.canceled, p.over != nil
}
