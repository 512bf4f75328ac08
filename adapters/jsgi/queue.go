package jsgi

import "sync"

// Queue is an event queue: it runs one func at a time, in the order they were
// put there. Streams that share a queue take turns on it, one event a turn, so
// their listeners never run at the same time and need no lock for what they
// share. The zero Queue is ready for use.
//
// A goroutine works it off and is there only while something is pending: the
// queue of idle streams costs nothing. A func that blocks holds up the queue.
type Queue struct {
	mu      sync.Mutex
	turns   []func() // in order; the one that runs now is not here any more
	running bool

	// caught gets what a stream's turn panics with (nil if it has called
	// runtime.Goexit), and returns what the stream is canceled with. Set by the
	// gateway before the first turn; nil lets the panic end the process.
	caught func(v any) error
}

// Go puts f on the queue, as a turn of its own, and returns at once: f runs
// when the turns before it are over. Events that f leads to on the queue's
// streams are fired after it has returned.
func (q *Queue) Go(f func()) {
	if f == nil {
		panic("jsgi: Queue.Go with a nil func")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turns = append(q.turns, f)
	if !q.running {
		q.running = true
		go q.work()
	}
}

// work is the queue's goroutine. It ends when nothing is pending.
func (q *Queue) work() {
	over := false
	defer func() {
		if !over {
			go q.work() // runtime.Goexit in a turn ends that turn only
		}
	}()
	for turn := q.next(); turn != nil; turn = q.next() {
		turn()
	}
	over = true
}

// next takes the first turn. It returns nil if there is none, and then counts
// on the goroutine to end.
func (q *Queue) next() func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.turns) == 0 {
		q.running = false
		q.turns = nil
		return nil
	}
	turn := q.turns[0]
	q.turns[0] = nil // for the collector
	q.turns = q.turns[1:]
	return turn
}
