package inprocess

import (
	"context"
	"sync"
)

// ring is a bounded queue as one writes it with a mutex and two conditions.
type ring[T any] struct {
	mu       sync.Mutex
	notEmpty sync.Cond
	notFull  sync.Cond
	items    [window]T
	head     int // index of the oldest
	count    int
	closed   bool
}

func newRing[T any]() *ring[T] {
	r := new(ring[T])
	r.notEmpty.L, r.notFull.L = &r.mu, &r.mu
	return r
}

func (r *ring[T]) push(v T) {
	r.mu.Lock()
	for r.count == len(r.items) {
		r.notFull.Wait()
	}
	r.items[(r.head+r.count)%len(r.items)] = v
	r.count++
	r.mu.Unlock()
	r.notEmpty.Signal()
}

func (r *ring[T]) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.notEmpty.Signal()
}

func (r *ring[T]) pop() (v T, ok bool) {
	r.mu.Lock()
	for r.count == 0 && !r.closed {
		r.notEmpty.Wait()
	}
	if r.count == 0 {
		r.mu.Unlock()
		return v, false
	}
	v = r.items[r.head]
	r.head = (r.head + 1) % len(r.items)
	r.count--
	r.mu.Unlock()
	r.notFull.Signal()
	return v, true
}

func mutexRing[T any](_ context.Context, n int) (got int, err error) {
	r := newRing[T]()
	go func() {
		defer r.close()
		var v T
		for range n {
			r.push(v)
		}
	}()
	var last T
	for {
		v, ok := r.pop()
		if !ok {
			keep(last)
			return got, nil
		}
		last = v
		got++
	}
}
