package omni

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// Several goroutines read a random chain of stages, and write to the stream
// under it, until one of endings comes at a random time: all of them end, and
// the readers with the right error; see stress_test.go for OMNI_SEEDS.
func TestChainsEnd(t *testing.T) { everySeed(t, chains) }

// A chain is what one random program has in hand.
type chain struct {
	p       *Producer[int] // of the stream
	c       *Consumer[int]
	top     *Producer[int] // of the last stage
	names   []string       // of the stages, from the stream on
	ctxs    [2]context.Context
	cancel  context.CancelCauseFunc // of ctxs[0]; the other is one that never ends
	writers sync.WaitGroup
	others  sync.WaitGroup
	ledger  *ledger
}

func chains(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	ending := endings[r.IntN(len(endings))]
	ch := new(chain)
	var cancels [2]context.CancelCauseFunc
	for i := range ch.ctxs {
		ch.ctxs[i], cancels[i] = context.WithCancelCause(bg)
		defer cancels[i](nil)
	}
	ch.cancel = cancels[0]
	ch.build(r)
	ch.ledger = newLedger(t, fmt.Sprintf("seed %d: %v, %s", seed, ch.names, ending.name))
	ch.startWriters(r)
	ch.startReaders(r, ending.clean)
	at := time.Duration(r.IntN(100))
	ch.others.Go(func() {
		time.Sleep(at)
		ending.come(ch)
	})
	ch.others.Go(ch.writers.Wait)
	if !comesToAnEnd(&ch.others) {
		ch.ledger.errorf("stuck")
		ch.p.Cancel(nil)
		ch.top.Cancel(nil)
		ch.others.Wait()
	}
	ch.check(ending.clean)
}

// endings are the ways that the program ends; the error of all is errBoom.
var endings = []struct {
	name  string
	clean bool // io.EOF is how readers end
	come  func(*chain)
}{
	{"End in between", true, func(ch *chain) { ch.c.End() }},
	{"End", true, func(ch *chain) { ch.writers.Wait(); ch.c.End() }},
	{"Cancel by the writer", false, func(ch *chain) { ch.c.Cancel(errBoom) }},
	{"Cancel of the last stage", false, func(ch *chain) { ch.top.Cancel(errBoom) }},
	{"Cancel of the stream", false, func(ch *chain) { ch.p.Cancel(errBoom) }},
	{"end of a ctx", false, func(ch *chain) {
		ch.cancel(errBoom)
		time.Sleep(5 * time.Nanosecond)
		ch.c.Cancel(errBoom) // perhaps nobody has that ctx
	}},
}

// links are the stages of the chains. All but Filter and Take hand out the
// items that they get.
var links = []struct {
	name string
	over func(ctx context.Context, p *Producer[int], r *rand.Rand) *Producer[int]
}{
	{"Map", func(ctx context.Context, p *Producer[int], _ *rand.Rand) *Producer[int] {
		return Map(ctx, p, func(v int) (int, error) { return v, nil })
	}},
	{"Filter", func(ctx context.Context, p *Producer[int], _ *rand.Rand) *Producer[int] {
		return Filter(ctx, p, func(v int) (bool, error) { return passesFilter(v), nil })
	}},
	{"FlatMap", func(ctx context.Context, p *Producer[int], _ *rand.Rand) *Producer[int] {
		return FlatMap(ctx, p, func(v int) ([]int, error) { return []int{v}, nil })
	}},
	{"Take", func(ctx context.Context, p *Producer[int], _ *rand.Rand) *Producer[int] {
		return Take(ctx, p, 100)
	}},
	{"Batch", func(ctx context.Context, p *Producer[int], r *rand.Rand) *Producer[int] {
		b := Batch(ctx, p, 3, time.Duration(r.IntN(3)))
		return FlatMap(ctx, b, func(vs []int) ([]int, error) { return vs, nil })
	}},
	{"Concat", func(ctx context.Context, p *Producer[int], _ *rand.Rand) *Producer[int] {
		return Concat(ctx, p)
	}},
	{"Merge", func(ctx context.Context, p *Producer[int], _ *rand.Rand) *Producer[int] {
		return Merge(ctx, p)
	}},
	{"ParallelMap", func(ctx context.Context, p *Producer[int], r *rand.Rand) *Producer[int] {
		opt := &ParallelOptions{Workers: 2, Ahead: 1 + r.IntN(70)}
		return ParallelMap(ctx, p, opt, func(_ context.Context, v int) (int, error) { return v, nil })
	}},
}

func passesFilter(v int) bool { return v%2 == 0 || v%3 == 0 }

// build makes the stream and up to four stages over it, most of which have the
// ctx that may end.
func (ch *chain) build(r *rand.Rand) {
	ch.p, ch.c = NewStream[int](windows[r.IntN(len(windows))])
	ch.top = ch.p
	for range r.IntN(5) {
		ctx := bg
		if i := r.IntN(4); i < 3 {
			ctx = ch.ctxs[i/2]
		}
		link := links[r.IntN(len(links))]
		ch.top = link.over(ctx, ch.top, r)
		ch.names = append(ch.names, link.name)
	}
}

// startWriters starts those who write or wait for demand, until they are
// stopped.
func (ch *chain) startWriters(r *rand.Rand) {
	for w := range 1 + r.IntN(5) {
		n := r.IntN(60)
		ch.writers.Go(func() {
			_ = ch.ledger.write(ch.c, w, n, patience{}) // that of an early end
		})
	}
	for range r.IntN(2) {
		pt := drawPatience(r, 2)
		ch.others.Go(func() {
			_ = awaitDemand(ch.c, pt)
		})
	}
}

// startReaders starts one to three readers, some with the ctx that may end.
func (ch *chain) startReaders(r *rand.Rand, clean bool) {
	for range 1 + r.IntN(3) {
		how, take, ctx := waysToRead[r.IntN(len(waysToRead))], ch.ledger.reader(r), bg
		if r.IntN(3) == 0 {
			ctx = ch.ctxs[0]
		}
		ch.others.Go(func() {
			err := how.read(ctx, ch.top, take)
			switch {
			case err == io.EOF && (clean || ch.takes()):
			case err == errBoom && !clean:
			default:
				ch.ledger.errorf("%s ended with %v", how.name, err)
			}
		})
	}
}

// takes says whether the chain may end by itself.
func (ch *chain) takes() bool { return slices.Contains(ch.names, "Take") }

// check is for the time after all that: what arrived was written, the writing
// end knows how it ended, and no goroutine of a stage is left.
func (ch *chain) check(clean bool) {
	ch.top.Cancel(nil)
	for range ch.top.All(bg) { // waits for the stages' goroutines
	}
	filters := slices.Contains(ch.names, "Filter")
	ch.ledger.check(clean && !ch.takes(), func(v int) bool { return !filters || passesFilter(v) })
	err := ch.c.Err()
	switch {
	case !isDone(ch.c.Done()):
		ch.ledger.errorf("the writing end's Done is open")
	case err == nil && clean, err == errBoom && !clean, err == ErrCanceled && ch.takes():
	default:
		ch.ledger.errorf("the writing end's Err is %v", err)
	}
}
