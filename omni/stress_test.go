package omni

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// This file and chains_test.go run random programs: 200 of them, or as many as
// the environment's OMNI_SEEDS says. A failure prints the program's seed; that
// fixes what each goroutine does, but not which is faster, so to see it again
// may take a few runs with OMNI_SEEDS above the seed and -run.

// everySeed runs one program after the other, until one fails.
func everySeed(t *testing.T, run func(t *testing.T, seed uint64)) {
	t.Helper()
	n := uint64(200)
	if s := os.Getenv("OMNI_SEEDS"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("OMNI_SEEDS: %v", err)
		}
	}
	for seed := range n {
		synctest.Test(t, func(t *testing.T) { run(t, seed) })
		if t.Failed() {
			return
		}
	}
}

// Several goroutines read and write one stream, in all ways there are, until
// it ends: each item that was accepted arrives, once, and nobody waits for
// ever.
func TestManyHandsOnOneStream(t *testing.T) { everySeed(t, manyHands) }

func manyHands(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	l := newLedger(t, fmt.Sprintf("seed %d", seed))
	p, c := NewStream[int](windows[r.IntN(len(windows))])
	var writers, others sync.WaitGroup
	for w := range 1 + r.IntN(4) {
		n, pt := 1+r.IntN(60), drawPatience(r, 3)
		writers.Go(func() {
			if err := l.write(c, w, n, pt); err != nil {
				l.errorf("Write = %v", err)
			}
		})
	}
	for range r.IntN(3) {
		pt := drawPatience(r, 2)
		others.Go(func() {
			if err := awaitDemand(c, pt); err != ErrEnded {
				l.errorf("Credit = %v", err)
			}
		})
	}
	for range 1 + r.IntN(4) {
		how, take := waysToRead[r.IntN(len(waysToRead))], l.reader(r)
		others.Go(func() {
			if err := how.read(bg, p, take); err != io.EOF {
				l.errorf("%s ended with %v", how.name, err)
			}
		})
	}
	others.Go(func() {
		writers.Wait()
		c.End()
	})
	if !comesToAnEnd(&others) {
		l.errorf("stuck")
		p.Cancel(nil)
		others.Wait()
	}
	l.check(true, func(int) bool { return true })
	if !isDone(c.Done()) || c.Err() != nil || !isDone(p.Done()) || p.Err() != nil {
		l.errorf("in the end: Done %v, %v; Err %v, %v", isDone(c.Done()), isDone(p.Done()), c.Err(), p.Err())
	}
}

var windows = []*Options{pure, {Prefetch: 1}, {Prefetch: 2}, {Prefetch: 3}, {Prefetch: 7}, nil}

// comesToAnEnd waits for wg, and reports false if that would last for ever: an
// hour of the bubble's time passes only when nobody has anything left to do.
func comesToAnEnd(wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(time.Hour):
		return false
	}
}

// A patience is how long a goroutine lets each of its calls wait. After a
// number of calls that gave up it is endless, so that nothing spins.
type patience struct {
	limit time.Duration // 0 is endless
	left  int           // calls that may give up
}

// drawPatience returns an endless patience, or for one in n a short one.
func drawPatience(r *rand.Rand, n int) patience {
	if r.IntN(n) > 0 {
		return patience{}
	}
	return impatient
}

var impatient = patience{limit: time.Nanosecond, left: 50}

// try makes one call. It reports whether that gave up, which is no error.
func (pt *patience) try(ctx context.Context, call func(context.Context) error) (gaveUp bool, err error) {
	if pt.left == 0 {
		return false, call(ctx)
	}
	short, cancel := context.WithTimeout(ctx, pt.limit)
	defer cancel()
	if err = call(short); err == context.DeadlineExceeded {
		pt.left--
		return true, nil
	}
	return false, err
}

// awaitDemand waits for more demand, again and again, until the stream ends,
// and returns how it did. It is Demand for one who is never content.
func awaitDemand(c *Consumer[int], pt patience) error {
	var asked uint64
	for {
		_, err := pt.try(bg, func(ctx context.Context) error {
			more, _, err := c.Sink().Credit(ctx, asked)
			if err == nil {
				asked = more
			}
			return err
		})
		if err != nil {
			return err
		}
	}
}

// waysToRead are what readers do: they call take with every item, and return
// how the stream ended for them.
var waysToRead = []struct {
	name string
	read func(ctx context.Context, p *Producer[int], take func(int)) error
}{
	{"a loop", func(ctx context.Context, p *Producer[int], take func(int)) error {
		for v, err := range p.All(ctx) {
			if err != nil {
				return err
			}
			take(v)
		}
		return io.EOF
	}},
	{"Next", func(ctx context.Context, p *Producer[int], take func(int)) error {
		return readEach(ctx, p.Next, patience{}, take)
	}},
	{"Next that gives up", func(ctx context.Context, p *Producer[int], take func(int)) error {
		return readEach(ctx, p.Next, impatient, take)
	}},
	{"an intake", func(ctx context.Context, p *Producer[int], take func(int)) error {
		in := newIntake(p.Source())
		next := func(ctx context.Context) (int, error) { return in.take(ctx, true, true) }
		return readEach(ctx, next, patience{}, take)
	}},
}

func readEach(ctx context.Context, next func(context.Context) (int, error), pt patience, take func(int)) error {
	for {
		var v int
		gaveUp, err := pt.try(ctx, func(ctx context.Context) (err error) {
			v, err = next(ctx)
			return err
		})
		switch {
		case err != nil:
			return err
		case !gaveUp:
			take(v)
		}
	}
}

// A ledger notes what goes into a stream and what comes out of it. An item
// says whose it is: those of writer w are w*perWriter, w*perWriter+1 …
type ledger struct {
	t    *testing.T
	name string // of the program

	mu       sync.Mutex
	accepted map[int]bool
	read     map[int]bool
}

const perWriter = 1000

func newLedger(t *testing.T, name string) *ledger {
	return &ledger{t: t, name: name, accepted: map[int]bool{}, read: map[int]bool{}}
}

func (l *ledger) errorf(format string, args ...any) {
	l.t.Helper()
	l.t.Errorf("%s: %s", l.name, fmt.Sprintf(format, args...))
}

// write writes n items of writer w, and drops those at which it gave up. It
// returns the first other error.
func (l *ledger) write(c *Consumer[int], w, n int, pt patience) error {
	for i := range n {
		v := w*perWriter + i
		gaveUp, err := pt.try(bg, func(ctx context.Context) error { return c.Write(ctx, v) })
		if err != nil {
			return err
		}
		if !gaveUp {
			l.mu.Lock()
			l.accepted[v] = true
			l.mu.Unlock()
		}
	}
	return nil
}

// reader returns what one reader calls with its items. One in three is slow.
func (l *ledger) reader(r *rand.Rand) (take func(v int)) {
	slow, next := r.IntN(3) == 0, map[int]int{}
	return func(v int) {
		if slow {
			time.Sleep(time.Nanosecond)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.read[v] {
			l.errorf("item %d arrived twice", v)
		}
		l.read[v] = true
		if w := v / perWriter; v < next[w] {
			l.errorf("item %d came late, after %d", v, next[w]-1)
		} else {
			next[w] = v + 1
		}
	}
}

// check compares both sides. With all, each item that was accepted and that
// may pass must have arrived.
func (l *ledger) check(all bool, mayPass func(int) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for v := range l.accepted {
		if all && mayPass(v) && !l.read[v] {
			l.errorf("item %d is lost", v)
		}
	}
	for v := range l.read {
		if !l.accepted[v] || !mayPass(v) {
			l.errorf("item %d arrived, but accepted: %v", v, l.accepted[v])
		}
	}
}
