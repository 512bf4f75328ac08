package omni

import (
	"context"
	"math"
	"testing"
)

// P08, C05: totals saturate and items keep flowing.
func TestP08RequestSaturates(t *testing.T) {
	bubble(t, "total", func(t *testing.T) {
		p, c := NewStream[int](pure)
		s := p.src.(*stream[int])
		s.requested.Store(maxTotal - 2)
		p.Request(math.MaxUint32)
		p.Request(math.MaxUint32)
		wantAsked(t, c, maxTotal)
		if n, err := c.Demand(bg); n != math.MaxUint32 || err != nil {
			t.Fatalf("Demand = %d, %v", n, err)
		}
		write(t, c, 1, 2)
		wantNext(t, p, 1)
		wantNext(t, p, 2)
	})
	bubble(t, "prefetch", func(t *testing.T) {
		p, c := NewStream[int](&Options{Prefetch: math.MaxInt})
		p.Request(1)
		if asked, _ := totals64(c); asked != min(math.MaxInt+1, maxTotal) {
			t.Fatalf("asked %d", asked)
		}
		if n := prefetchOf(p.src); n != math.MaxInt32 {
			t.Fatalf("Prefetch = %d", n)
		}
		write(t, c, 1)
		wantNext(t, p, 1)
	})
}

// Totals that nobody has fetched yet are merged.
func TestRequestsAddUp(t *testing.T) {
	bubble(t, "unfetched", func(t *testing.T) {
		p, c := NewStream[int](pure)
		p.Request(1)
		p.Request(2)
		wantAsked(t, c, 3)
		p.Request(4)
		p.Request(5)
		write(t, c, seq(0, 12)...)
		p.Cancel(nil)
	})
}

// P07: Request(0) does nothing.
func TestP07RequestZero(t *testing.T) {
	p, c := NewStream[int](pure)
	p.Request(0)
	if asked, _ := totals(c); asked != 0 {
		t.Fatalf("asked %d", asked)
	}
}

// P01, P02: no item is special.
func TestP01P02NilAndEmptyItems(t *testing.T) {
	var typedNil *int
	items := []any{nil, typedNil, []byte(nil), []byte{}, struct{}{}, 0, ""}
	p, c := NewStream[any](nil)
	for _, v := range items {
		write(t, c, v)
	}
	c.End()
	n := 0
	for v, err := range p.All(bg) {
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := v.([]byte); ok && (b == nil) != (n == 2) {
			t.Fatalf("item %d is %#v", n, v)
		}
		n++
	}
	if n != len(items) {
		t.Fatalf("%d items arrived, want %d", n, len(items))
	}
}

// P15: what cannot work panics in the caller's goroutine.
func TestP15NilArguments(t *testing.T) {
	p, c := NewStream[int](nil)
	var nilContext context.Context
	wantPanic(t, "omni: NewProducer with a nil Source", func() { NewProducer[int](nil) })
	wantPanic(t, "omni: NewConsumer with a nil Sink", func() { NewConsumer[int](nil) })
	wantPanic(t, "omni: Next with a nil context", func() { p.Next(nilContext) })
	wantPanic(t, "omni: All with a nil context", func() { p.All(nilContext) })
	wantPanic(t, "omni: Write with a nil context", func() { c.Write(nilContext, 1) })
	wantPanic(t, "omni: Demand with a nil context", func() { c.Demand(nilContext) })
	wantPanic(t, "omni: Pipe with a nil context", func() { p.Pipe(nilContext, c) })
	wantPanic(t, "omni: Pipe to a nil Consumer", func() { p.Pipe(bg, nil) })
	wantPanic(t, "omni: Produce with a nil context", func() { Produce[int](nilContext, nil) })
	wantPanic(t, "omni: Produce with a nil func", func() { Produce[int](bg, nil) })
	wantPanic(t, "omni: Consume with a nil func", func() { Consume[int](bg, nil) })
	wantPanic(t, "omni: FromSlice with a nil context", func() { FromSlice[int](nilContext, nil) })
	wantPanic(t, "omni: FromSeq of a nil iterator", func() { FromSeq[int](bg, nil) })
	wantPanic(t, "omni: Map with a nil context", func() { Map[int, int](nilContext, p, nil) })
	wantPanic(t, "omni: Map of a nil Producer", func() { Map[int, int](bg, nil, nil) })
	wantPanic(t, "omni: Map with a nil func", func() { Map[int, int](bg, p, nil) })
	wantPanic(t, "omni: Filter with a nil func", func() { Filter(bg, p, nil) })
	wantPanic(t, "omni: FlatMap with a nil func", func() { FlatMap[int, int](bg, p, nil) })
	wantPanic(t, "omni: ParallelMap with a nil func", func() { ParallelMap[int, int](bg, p, nil, nil) })
	wantPanic(t, "omni: Batch of a size that is not positive", func() { Batch(bg, p, 0, 0) })
	wantPanic(t, "omni: Concat of a nil Producer", func() { Concat(bg, p, nil) })
	wantPanic(t, "omni: Merge of a nil Producer", func() { Merge(bg, nil, p) })
	wantPanic(t, "omni: Tee of a nil Producer", func() { Tee[int](bg, nil) })
	wantPanic(t, "omni: ForEach with a nil func", func() { ForEach(bg, p, nil) })
	wantPanic(t, "omni: Reduce with a nil func", func() { Reduce[int](bg, p, 0, nil) })
	wantPanic(t, "omni: ForEach of a nil Producer", func() { ForEach[int](bg, nil, nil) })
}
