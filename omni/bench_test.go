package omni

import (
	"context"
	"sync"
	"testing"
)

// Each benchmark stands beside the same work over bare channels with as many
// items of buffer. A figure is the time of one item.

const benchWindow = 256

type item64 struct{ _ [8]uint64 }

// benchStream moves b.N items from a goroutine through build to a loop.
func benchStream[T, U any](b *testing.B, build func(context.Context, *Producer[T]) *Producer[U]) {
	b.Helper()
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	up, c := NewStream[T](&Options{Prefetch: benchWindow})
	p := build(ctx, up)
	n := b.N
	go func() {
		var v T
		for range n {
			c.Write(ctx, v)
		}
		c.End()
	}()
	got := 0
	for _, err := range p.All(ctx) {
		if err != nil {
			b.Fatal(err)
		}
		got++
	}
	_ = got
}

// benchChan moves b.N items from a goroutine through build to a loop.
func benchChan[T, U any](b *testing.B, build func(<-chan T) <-chan U) {
	b.Helper()
	b.ReportAllocs()
	c := make(chan T, benchWindow)
	n := b.N
	go func() {
		defer close(c)
		var v T
		for range n {
			c <- v
		}
	}()
	for range build(c) {
	}
}

func plainStream[T any](_ context.Context, p *Producer[T]) *Producer[T] { return p }
func plainChan[T any](c <-chan T) <-chan T                              { return c }

func BenchmarkIntStream(b *testing.B)    { benchStream(b, plainStream[int]) }
func BenchmarkIntChan(b *testing.B)      { benchChan(b, plainChan[int]) }
func BenchmarkItem64Stream(b *testing.B) { benchStream(b, plainStream[item64]) }
func BenchmarkItem64Chan(b *testing.B)   { benchChan(b, plainChan[item64]) }

// BenchmarkIntNext reads with Next instead of a loop.
func BenchmarkIntNext(b *testing.B) {
	b.ReportAllocs()
	p, c := NewStream[int](&Options{Prefetch: benchWindow})
	n := b.N
	go func() {
		for i := range n {
			c.Write(bg, i)
		}
		c.End()
	}()
	for {
		if _, err := p.Next(bg); err != nil {
			return
		}
	}
}

func inc(v int) (int, error)   { return v + 1, nil }
func even(v int) (bool, error) { return v >= 0, nil }

func BenchmarkMapFilterMapStream(b *testing.B) {
	benchStream(b, func(ctx context.Context, p *Producer[int]) *Producer[int] {
		return Map(ctx, Filter(ctx, Map(ctx, p, inc), even), inc)
	})
}

func BenchmarkMapFilterMapChan(b *testing.B) {
	benchChan(b, func(c <-chan int) <-chan int {
		return chanMap(chanFilter(chanMap(c, inc), even), inc)
	})
}

func BenchmarkFiveMapsStream(b *testing.B) {
	benchStream(b, func(ctx context.Context, p *Producer[int]) *Producer[int] {
		for range 5 {
			p = Map(ctx, p, inc)
		}
		return p
	})
}

func BenchmarkFiveMapsChan(b *testing.B) {
	benchChan(b, func(c <-chan int) <-chan int {
		for range 5 {
			c = chanMap(c, inc)
		}
		return c
	})
}

// chanMap is a stage as one writes it with channels: a goroutine of its own.
func chanMap(in <-chan int, f func(int) (int, error)) <-chan int {
	out := make(chan int, benchWindow)
	go func() {
		defer close(out)
		for v := range in {
			u, _ := f(v)
			out <- u
		}
	}()
	return out
}

func chanFilter(in <-chan int, keep func(int) (bool, error)) <-chan int {
	out := make(chan int, benchWindow)
	go func() {
		defer close(out)
		for v := range in {
			if ok, _ := keep(v); ok {
				out <- v
			}
		}
	}()
	return out
}

// work takes about 0.4 µs.
func work(v int) int {
	x := uint64(v) + 1
	for range 125 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return int(x >> 1)
}

const benchWorkers = 8

func BenchmarkWork(b *testing.B) {
	x := 0
	for b.Loop() {
		x = work(x)
	}
}

func BenchmarkParallelStream(b *testing.B) {
	benchStream(b, func(ctx context.Context, p *Producer[int]) *Producer[int] {
		opt := &ParallelOptions{Workers: benchWorkers}
		return ParallelMap(ctx, p, opt, func(_ context.Context, v int) (int, error) { return work(v), nil })
	})
}

func BenchmarkParallelUnorderedStream(b *testing.B) {
	benchStream(b, func(ctx context.Context, p *Producer[int]) *Producer[int] {
		opt := &ParallelOptions{Workers: benchWorkers, Unordered: true}
		return ParallelMap(ctx, p, opt, func(_ context.Context, v int) (int, error) { return work(v), nil })
	})
}

// BenchmarkParallelChan keeps the order with a channel of channels.
func BenchmarkParallelChan(b *testing.B) {
	type call struct {
		v    int
		done chan int
	}
	benchChan(b, func(in <-chan int) <-chan int {
		calls, order := make(chan call, benchWorkers), make(chan chan int, benchWindow)
		out := make(chan int, benchWindow)
		go func() {
			defer close(calls)
			defer close(order)
			for v := range in {
				c := call{v, make(chan int, 1)}
				order <- c.done
				calls <- c
			}
		}()
		for range benchWorkers {
			go func() {
				for c := range calls {
					c.done <- work(c.v)
				}
			}()
		}
		go func() {
			defer close(out)
			for done := range order {
				out <- <-done
			}
		}()
		return out
	})
}

func BenchmarkMergeStream(b *testing.B) {
	benchStream(b, func(ctx context.Context, p *Producer[int]) *Producer[int] {
		return Merge(ctx, p, FromSlice[int](ctx, nil))
	})
}

func BenchmarkMergeChan(b *testing.B) {
	benchChan(b, func(in <-chan int) <-chan int {
		out := make(chan int, benchWindow)
		empty := make(chan int)
		close(empty)
		var wg sync.WaitGroup
		for _, c := range []<-chan int{in, empty} {
			wg.Go(func() {
				for v := range c {
					out <- v
				}
			})
		}
		go func() { wg.Wait(); close(out) }()
		return out
	})
}

// BenchmarkPingPong is the time of one item there and one back, through idle
// streams: with a loop at both ends, with Next at one, and over channels.
func BenchmarkPingPong(b *testing.B) {
	b.Run("loops", func(b *testing.B) {
		ctx, out, in := echo(b)
		out.Write(ctx, 1)
		n := 0
		for _, err := range in.All(ctx) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n == b.N {
				break
			}
			out.Write(ctx, 1)
		}
	})
	b.Run("next", func(b *testing.B) {
		ctx, out, in := echo(b)
		for b.Loop() {
			out.Write(ctx, 1)
			if _, err := in.Next(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("chan", func(b *testing.B) { pingPong(b, 0) })
	b.Run("chan256", func(b *testing.B) { pingPong(b, benchWindow) })
}

// echo returns the near ends of two streams; what goes out comes in again.
func echo(b *testing.B) (context.Context, *Consumer[int], *Producer[int]) {
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	b.Cleanup(cancel)
	ping, out := NewStream[int](nil)
	in, pong := NewStream[int](nil)
	go func() {
		for v, err := range ping.All(ctx) {
			if err != nil || pong.Write(ctx, v) != nil {
				return
			}
		}
	}()
	return ctx, out, in
}

func pingPong(b *testing.B, slots int) {
	ping, pong := make(chan int, slots), make(chan int, slots)
	go func() {
		for v := range ping {
			pong <- v
		}
	}()
	for b.Loop() {
		ping <- 1
		<-pong
	}
	close(ping)
}
