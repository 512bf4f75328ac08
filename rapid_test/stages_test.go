package laws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"pgregory.net/rapid"
)

// A stage is one of omni's, as the laws see it.
type stageLaw struct {
	name   string
	inputs int
	// make builds it on the inputs; n is a number that it may need, from 1 up.
	make func(ctx context.Context, n int, ps []*omni.Producer[int]) *omni.Producer[int]
	// out is what comes of the inputs in the end, in order.
	out func(n int, ins [][]int) []int
	// anyOrder says that only the items of one input are in order.
	anyOrder bool
	// early says that it may end before its inputs do.
	early bool
	// asks is how many items a stage may have asked of an input by now, and
	// must have if exact; asked is what was asked of the stage, got what it
	// handed out, and handed what each input did.
	asks  func(n, asked, got int, handed, ends []int, input int) int
	exact bool
}

func even(v int) bool { return v%2 == 0 }

func allItems(_ int, ins [][]int) []int { return slices.Concat(ins...) }

func asAsked(_, asked, _ int, _, _ []int, _ int) int { return asked }

// ahead is what ParallelMap may run ahead of its reader.
const ahead = omni.DefaultPrefetch

var stageLaws = []stageLaw{
	{name: "Map", inputs: 1, exact: true, asks: asAsked,
		make: func(ctx context.Context, n int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.Map(ctx, ps[0], func(v int) (int, error) { return v + n, nil })
		},
		out: func(n int, ins [][]int) (out []int) {
			for _, v := range ins[0] {
				out = append(out, v+n)
			}
			return out
		}},
	{name: "Filter", inputs: 1, exact: true, // one more for each that was dropped
		asks: func(_, asked, got int, handed, _ []int, _ int) int { return asked + handed[0] - got },
		make: func(ctx context.Context, _ int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.Filter(ctx, ps[0], func(v int) (bool, error) { return even(v), nil })
		},
		out: func(_ int, ins [][]int) []int {
			return slices.DeleteFunc(slices.Clone(ins[0]), func(v int) bool { return !even(v) })
		}},
	{name: "FlatMap", inputs: 1, // one at a time
		asks: func(_, _, _ int, handed, _ []int, _ int) int { return handed[0] + 1 },
		make: func(ctx context.Context, n int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.FlatMap(ctx, ps[0], func(v int) ([]int, error) { return slices.Repeat([]int{v}, v%(n+1)), nil })
		},
		out: func(n int, ins [][]int) (out []int) {
			for _, v := range ins[0] {
				out = append(out, slices.Repeat([]int{v}, v%(n+1))...)
			}
			return out
		}},
	{name: "Take", inputs: 1, exact: true, early: true,
		asks: func(n, asked, _ int, _, _ []int, _ int) int { return min(n, asked) },
		make: func(ctx context.Context, n int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.Take(ctx, ps[0], n)
		},
		out: func(n int, ins [][]int) []int { return ins[0][:min(n, len(ins[0]))] }},
	{name: "Batch", inputs: 1, // its sums, of n items each
		asks: func(n, asked, _ int, _, _ []int, _ int) int { return n * asked },
		make: func(ctx context.Context, n int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.Map(ctx, omni.Batch(ctx, ps[0], n, 0), func(vs []int) (int, error) { return sum(vs), nil })
		},
		out: func(n int, ins [][]int) (out []int) {
			for vs := range slices.Chunk(ins[0], n) {
				out = append(out, sum(vs))
			}
			return out
		}, exact: true},
	{name: "Concat", inputs: 3, exact: true, out: allItems, asks: asksConcat,
		make: func(ctx context.Context, _ int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.Concat(ctx, ps...)
		}},
	{name: "Merge", inputs: 3, anyOrder: true, out: allItems, // one at a time
		asks: func(_, _, _ int, handed, _ []int, i int) int { return handed[i] + 1 },
		make: func(ctx context.Context, _ int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.Merge(ctx, ps...)
		}},
	{name: "ParallelMap", inputs: 1, asks: func(_, asked, got int, _, _ []int, _ int) int { return max(asked, got+ahead) + 1 },
		make: func(ctx context.Context, n int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.ParallelMap(ctx, ps[0], &omni.ParallelOptions{Workers: n, Ahead: ahead}, double)
		},
		out: doubled},
	{name: "ParallelMap unordered", inputs: 1, anyOrder: true, asks: func(_, asked, got int, _, _ []int, _ int) int { return max(asked, got+ahead) + 1 },
		make: func(ctx context.Context, n int, ps []*omni.Producer[int]) *omni.Producer[int] {
			return omni.ParallelMap(ctx, ps[0], &omni.ParallelOptions{Workers: n, Unordered: true, Ahead: ahead}, double)
		},
		out: doubled},
	{name: "Tee", inputs: 1, exact: true, out: allItems, asks: asAsked,
		make: func(ctx context.Context, _ int, ps []*omni.Producer[int]) *omni.Producer[int] {
			a, b := omni.Tee(ctx, ps[0])
			b.Request(1 << 20) // the lesser demand is the other's
			return a
		}},
	{name: "Pipe", inputs: 1, exact: true, out: allItems, asks: asAsked,
		make: func(ctx context.Context, _ int, ps []*omni.Producer[int]) *omni.Producer[int] {
			p, c := omni.NewStream[int](&omni.Options{Prefetch: -1})
			go ps[0].Pipe(ctx, c)
			return p
		}},
}

func double(_ context.Context, v int) (int, error) { return 2 * v, nil }

func doubled(_ int, ins [][]int) (out []int) {
	for _, v := range ins[0] {
		out = append(out, 2*v)
	}
	return out
}

func sum(vs []int) (s int) {
	for _, v := range vs {
		s += v
	}
	return s
}

// asksConcat: what is owed, of the first input that has not ended.
func asksConcat(_, asked, _ int, handed, ends []int, input int) int {
	for i := range input {
		if handed[i] < ends[i] {
			return 0
		}
		asked -= handed[i]
	}
	return asked
}

// trial is one run of a stage.
type trial struct {
	law    *stageLaw
	n      int
	ins    [][]int
	fails  error // the end of the last input
	probes []*probe
	p      *omni.Producer[int]
	cancel context.CancelCauseFunc // of the stage's ctx

	asked int // of the stage
	got   []int
	err   error
}

var errUpstream = errors.New("upstream broke off")

// drawTrial draws a stage and what it reads from; fails is the end of its
// last input.
func drawTrial(t *rapid.T, fails error) *trial {
	x := &trial{fails: fails, law: &stageLaws[rapid.IntRange(0, len(stageLaws)-1).Draw(t, "stage")]}
	x.n = rapid.IntRange(1, 4).Draw(t, "n")
	for i := range x.law.inputs {
		in := rapid.SliceOfN(rapid.IntRange(0, 99), 0, 12).Draw(t, "input")
		for j := range in {
			in[j] += 100 * i // each input has its own
		}
		x.ins = append(x.ins, in)
	}
	return x
}

// run builds the stage in a bubble, calls f, and leaves nothing behind.
func (x *trial) run(t *rapid.T, f func()) {
	rapid.SyncTest(t, func(*rapid.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		x.cancel = cancel
		var ps []*omni.Producer[int]
		for i, in := range x.ins {
			end := io.EOF
			if i == x.law.inputs-1 {
				end = x.fails
			}
			x.probes = append(x.probes, newProbe(in, end))
			ps = append(ps, omni.NewProducer[int](x.probes[i]))
		}
		x.p = x.law.make(ctx, x.n, ps)
		synctest.Wait()
		f()
	})
}

// next takes an item, and reports whether there was one.
func (x *trial) next() bool {
	if x.asked == len(x.got) {
		x.asked++
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // virtual: it is stuck
	defer cancel()
	v, err := x.p.Next(ctx)
	if x.err = err; err == nil {
		x.got = append(x.got, v)
	}
	return err == nil
}

// demand says what is wrong with what the stage asked for.
func (x *trial) demand() string {
	synctest.Wait()
	var handed, ends []int // an end counts as one more until it was taken
	for i, p := range x.probes {
		_, n := p.counts()
		handed, ends = append(handed, n), append(ends, len(x.ins[i]))
		if _, over := p.whyCanceled(); !over {
			ends[i]++
		}
	}
	for i, p := range x.probes {
		asked, _ := p.counts()
		want := x.law.asks(x.n, x.asked, len(x.got), handed, ends, i)
		if size := len(x.ins[i]); asked > want || x.law.exact && asked < min(want, size) {
			return fmt.Sprintf("%s(%d) was asked for %d and gave %d; it asked input %d for %d items, not %d", x.law.name, x.n, x.asked, len(x.got), i, asked, want)
		}
	}
	return ""
}

// prefix says what is wrong with the items, of which there are more to come
// unless whole.
func (x *trial) prefix(whole bool) string {
	want := x.law.out(x.n, x.ins)
	got := slices.Clone(x.got)
	ok := len(got) <= len(want) && (!whole || len(got) == len(want))
	if x.law.anyOrder {
		for _, v := range got {
			i := slices.Index(want, v)
			if ok = ok && i >= 0; ok {
				want = slices.Delete(want, i, i+1)
			}
		}
	} else {
		ok = ok && slices.Equal(got, want[:len(got)])
	}
	if !ok {
		return fmt.Sprintf("%s(%d) of %v gave %v", x.law.name, x.n, x.ins, got)
	}
	return ""
}
