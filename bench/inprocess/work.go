package inprocess

import (
	"sync"
	"time"
)

// workTime is what one item's work takes: little enough that handing items
// over shows, much enough that doing it in parallel can pay.
const workTime = 400 * time.Nanosecond

// spin is arithmetic that the compiler cannot shorten.
func spin(v, rounds int) int {
	x := uint64(v) + 1
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return int(x >> 1)
}

// workRounds is how many rounds of spin take workTime on this machine. It is
// found once per process, and then the work is the same for every contender
// however the machine's speed drifts: a clock in the loop would give a slow
// contender less to do.
var workRounds = sync.OnceValue(func() int {
	const rounds = 100_000
	best := time.Duration(1<<63 - 1)
	for range 20 {
		start := time.Now()
		keep(spin(1, rounds))
		best = min(best, time.Since(start))
	}
	return max(1, int(workTime*rounds/max(best, 1)))
})

// work returns the work as a func for stages.
func work() func(int) int {
	rounds := workRounds()
	return func(v int) int { return spin(v, rounds) }
}
