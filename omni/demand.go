package omni

import (
	"context"
	"sync"
)

// A demand counts what is asked of a stage whose items are not its upstream's
// one for one, so that it cannot leave the counting to that.
type demand struct {
	change chan struct{} // one slot: n has grown

	mu sync.Mutex
	n  uint64 // items asked for and not handed out
}

func newDemand() *demand { return &demand{change: make(chan struct{}, 1)} }

func (d *demand) add(n uint32) {
	d.mu.Lock()
	d.n = min(d.n+uint64(n), maxTotal)
	d.mu.Unlock()
	select {
	case d.change <- struct{}{}:
	default:
	}
}

// spend takes one item's worth, waiting for it; with ask it makes it if there
// is none. It returns nil also when done is closed: the stage looks at that
// before it hands anything out. Whoever calls it holds the stage's gate.
func (d *demand) spend(ctx context.Context, done <-chan struct{}, ask bool) error {
	for {
		d.mu.Lock()
		if d.n > 0 || ask {
			d.n -= min(d.n, 1)
			d.mu.Unlock()
			return nil
		}
		d.mu.Unlock()
		select {
		case <-d.change:
		case <-done:
			return nil
		case <-ctx.Done():
			return causeOf(ctx)
		}
	}
}
