package main

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// mostMemory ends a victim's process, so that the machine outlives it.
const mostMemory = 1 << 30

// A meter keeps the highest number of goroutines and the most memory (heap
// objects and goroutines' stacks) of this process since it was made, sampled
// every millisecond. What the collector has not yet found counts as memory.
type meter struct {
	goroutines     int // when it was made
	memory         uint64
	mostGoroutines atomic.Int64
	mostMemory     atomic.Uint64
	samples        []metrics.Sample
}

// newMeter takes the baseline. Its own goroutine, of watch, is to be counted
// by extra, with others that the caller starts later and keeps.
func newMeter(extra int) *meter {
	m := &meter{samples: []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
	}}
	runtime.GC()
	m.goroutines, m.memory = m.read()
	m.goroutines += extra
	return m
}

func (m *meter) read() (goroutines int, memory uint64) {
	metrics.Read(m.samples)
	return int(m.samples[0].Value.Uint64()), m.samples[1].Value.Uint64() + m.samples[2].Value.Uint64()
}

// watch samples until the process ends; it calls tooMuch once memory is beyond
// mostMemory.
func (m *meter) watch(tooMuch func()) {
	for {
		goroutines, memory := m.read()
		m.mostGoroutines.Store(max(m.mostGoroutines.Load(), int64(goroutines)))
		m.mostMemory.Store(max(m.mostMemory.Load(), memory))
		if memory > mostMemory {
			tooMuch()
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// peak returns what there was at most beyond the baseline.
func (m *meter) peak() (goroutines int, memory uint64) {
	most := max(m.mostMemory.Load(), m.memory)
	return max(int(m.mostGoroutines.Load())-m.goroutines, 0), most - m.memory
}

// left waits until the goroutines are back at the baseline and returns how
// many are not after a while.
func (m *meter) left(patience time.Duration) int {
	for start := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		n := runtime.NumGoroutine() - m.goroutines
		if n <= 0 || time.Since(start) > patience {
			return max(n, 0)
		}
	}
}
