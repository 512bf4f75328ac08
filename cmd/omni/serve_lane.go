package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// A lane is a stream that goes on until somebody ends it, or a file's, which
// ends by itself.
type lane struct {
	id   uint32
	up   bool  // the page writes
	size int64 // of its items, in bytes; 0 for a file's
	pace *pace

	once sync.Once
	stop chan struct{} // closed by end
	why  error         // set before
}

// end breaks the lane off with an error; the first one counts.
func (l *lane) end(why error) {
	l.once.Do(func() {
		l.why = why
		close(l.stop)
	})
}

// within returns a ctx that end ends too. The function that it returns joins
// the goroutine that this takes.
func (l *lane) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		select {
		case <-l.stop:
			cancel(l.why)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-left
	}
}

const (
	laneLeast = 8 // the number of an item
	laneMost  = 64 << 10
)

// lane serves one lane: a mux.Handler.
func (s *webSession) lane(ctx context.Context, in *mux.Incoming) error {
	req, l := s.request(in)
	if l == nil {
		return nil
	}
	defer s.leave(l)
	if req.Size < laneLeast || req.Size > laneMost {
		in.Refuse(fmt.Sprintf("items must be of %d to %d bytes", laneLeast, laneMost))
		return nil
	}
	stop := context.AfterFunc(s.stopping, func() { l.end(omni.ErrShuttingDown) })
	defer stop()
	ctx, leave := l.within(ctx)
	defer leave()
	if !l.up {
		if err := nothingAsked(ctx, in); err != nil {
			return err
		}
	}
	out, err := in.Reply(ctx, encode(webAnswer{ID: l.id}))
	if err != nil {
		return err
	}
	if l.up {
		err = l.read(ctx, in.Producer(), out)
	} else {
		err = l.write(ctx, out, int(req.Size))
	}
	if err != nil {
		in.Producer().Cancel(err)
		out.Cancel(err)
	}
	return err
}

// write writes numbered items, no faster than the pace, until ctx ends or the
// page leaves.
func (l *lane) write(ctx context.Context, out *omni.Consumer[[]byte], size int) error {
	item := make([]byte, size)
	for i := range item {
		item[i] = byte(i)
	}
	for n := uint64(0); ; n++ {
		if err := l.pace.wait(ctx); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(item, n)
		if err := out.Write(ctx, item); err != nil {
			return err
		}
	}
}

// read takes items, no faster than the pace, and checks that each is there and
// in order.
func (l *lane) read(ctx context.Context, items *omni.Producer[[]byte], out *omni.Consumer[[]byte]) error {
	items = mux.Reuse(items)
	for want := uint64(0); ; want++ {
		if err := l.pace.wait(ctx); err != nil {
			return err
		}
		item, err := items.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return out.End()
		case err != nil:
			return err
		case len(item) < laneLeast || binary.BigEndian.Uint64(item) != want:
			return failed(fmt.Sprintf("item %d is not the one that comes next", want))
		}
	}
}

// paceSlack is how far a pace is caught up with: what was late by more is not
// made good.
const paceSlack = 50 * time.Millisecond

// paceMost is the longest time from one turn to the next: more is no
// time.Duration in the end.
const paceMost = 1000 * time.Hour

// pace is how fast something may go on, in times a second. It is 0 for not at
// all and below 0 for as fast as it can.
type pace struct {
	mu      sync.Mutex
	rate    float64
	due     time.Time     // of the next turn
	changed chan struct{} // closed by set
}

func newPace(rate float64) *pace { return &pace{rate: rate, changed: make(chan struct{})} }

// set changes the pace, also for who waits.
func (p *pace) set(rate float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate, p.due = rate, time.Time{}
	close(p.changed)
	p.changed = make(chan struct{})
}

// next takes a turn if one is due, or says how long that takes.
func (p *pace) next() (ok bool, in time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch wait := p.due.Sub(now); {
	case p.rate < 0:
		return true, 0, nil
	case p.rate == 0 || math.IsNaN(p.rate):
		return false, math.MaxInt64, p.changed
	case wait > 0:
		return false, wait, p.changed
	}
	if earliest := now.Add(-paceSlack); p.due.Before(earliest) {
		p.due = earliest
	}
	p.due = p.due.Add(time.Duration(min(float64(time.Second)/min(p.rate, 1e9), float64(paceMost))))
	return true, 0, nil
}

// wait waits for the next turn. If ctx ends first it returns the cause.
func (p *pace) wait(ctx context.Context) error {
	for {
		ok, in, changed := p.next()
		if ok {
			return nil
		}
		timer := time.NewTimer(in)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}
