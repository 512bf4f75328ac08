package omni

import (
	"context"
	"io"
	"sync"
)

// Map returns the stream of f(v) for every v of p. It asks p for exactly what
// it is asked for, and f runs on the reader's goroutine, one call at a time.
// An error of f cancels p and is what the reader gets. If ctx ends first, p
// is canceled with its cause.
func Map[T, U any](ctx context.Context, p *Producer[T], f func(T) (U, error)) *Producer[U] {
	s, up := over[T, U](ctx, p, "Map", f == nil)
	s.pull = func(ctx context.Context, ask bool) (u U, err error) {
		v, err := up.take(ctx, ask)
		if err != nil {
			return u, err
		}
		if u, err = f(v); err != nil {
			var zero U
			return zero, s.end(cancelCause(err))
		}
		return u, nil
	}
	return s.start(p.join)
}

// Filter returns the stream of those v of p for which keep(v) is true. For
// every item that it drops it asks p for another, so a reader's one request
// is met even if a million items are dropped first. keep runs on the reader's
// goroutine, one call at a time; an error of it cancels p and is what the
// reader gets. If ctx ends first, p is canceled with its cause.
func Filter[T any](ctx context.Context, p *Producer[T], keep func(T) (bool, error)) *Producer[T] {
	s, up := over[T, T](ctx, p, "Filter", keep == nil)
	s.pull = func(call context.Context, ask bool) (zero T, err error) {
		for {
			v, err := up.take(call, ask)
			if err != nil {
				return zero, err
			}
			ok, err := keep(v)
			if err != nil {
				return zero, s.end(cancelCause(err))
			}
			if ok {
				return v, nil
			}
			if s.kept == 0 {
				p.src.Request(1) // in place of the dropped one
			}
			if err := s.interrupted(call); err != nil {
				return zero, err
			}
		}
	}
	return s.start(p.join)
}

// FlatMap returns the stream of all items of f(v), in order, for every v of
// p. It asks p for one item at a time, and only when everything before it was
// handed out and more is asked for. f runs on the reader's goroutine, one call
// at a time; an error of it cancels p and is what the reader gets. If ctx ends
// first, p is canceled with its cause.
func FlatMap[T, U any](ctx context.Context, p *Producer[T], f func(T) ([]U, error)) *Producer[U] {
	s, up := over[T, U](ctx, p, "FlatMap", f == nil)
	kept := s.kept > 0
	s.kept = 0 // p's window is not one of our items
	var (
		d     = newDemand()
		rest  []U    // of the last f(v); only with the gate held
		empty = true // rest is empty; guarded by d.mu
		asked bool   // an item of p is asked for and not here; guarded by d.mu
	)
	// askOne asks p for an item if one is needed and p does not do so itself.
	askOne := func(ask bool) {
		d.mu.Lock()
		need := (ask || d.n > 0) && empty && !asked && !kept
		asked = asked || need
		d.mu.Unlock()
		if need {
			p.src.Request(1)
		}
	}
	refill := func(us []U) {
		d.mu.Lock()
		defer d.mu.Unlock()
		rest, empty, asked = us, len(us) == 0, false
	}
	s.request = func(n uint32) {
		d.add(n)
		askOne(false)
	}
	s.pull = func(call context.Context, ask bool) (zero U, err error) {
		for len(rest) == 0 {
			askOne(ask)
			v, err := up.take(call, false)
			if err != nil {
				return zero, err
			}
			us, err := f(v)
			if err != nil {
				return zero, s.end(cancelCause(err))
			}
			refill(us)
			if err := s.interrupted(call); err != nil && len(us) == 0 {
				return zero, err
			}
		}
		// The rest may be here before somebody asks for it.
		if err := d.spend(call, s.done, ask); err != nil {
			return zero, err
		}
		u := rest[0]
		if rest = rest[1:]; len(rest) == 0 {
			refill(nil)
			askOne(false)
		}
		return u, nil
	}
	return s.start(p.join)
}

// Take returns the stream of the first n items of p, at most; with the last
// of them it cancels p. It never asks p for more than n in all (a prefetch
// that p keeps is asked for by itself). If ctx ends first, p is canceled with
// its cause.
func Take[T any](ctx context.Context, p *Producer[T], n int) *Producer[T] {
	s, up := over[T, T](ctx, p, "Take", false)
	var (
		mu   sync.Mutex
		left = uint64(max(n, 0)) // items that may still be handed out
		owed uint64              // of those, asked for
	)
	// request passes on as much of n as is left; with onlyFirst nothing if
	// something is asked for already.
	request := func(n uint64, onlyFirst bool) {
		mu.Lock()
		n = min(n, left-owed)
		if onlyFirst && owed > 0 {
			n = 0
		}
		owed += n
		mu.Unlock()
		if n > 0 {
			p.src.Request(uint32(n))
		}
	}
	s.request = func(n uint32) { request(uint64(n), false) }
	s.pull = func(call context.Context, ask bool) (zero T, err error) {
		if left == 0 {
			return zero, s.end(io.EOF)
		}
		if ask && s.kept == 0 {
			request(1, true)
		}
		v, err := up.take(call, ask && s.kept > 0)
		if err != nil {
			return zero, err
		}
		mu.Lock()
		left--
		owed -= min(owed, 1)
		last := left == 0
		mu.Unlock()
		if last { // before the reader comes back, which may be never
			p.src.Cancel(nil)
			up.drop()
		}
		return v, nil
	}
	if left == 0 {
		p.src.Cancel(nil)
	}
	return s.start(p.join)
}
