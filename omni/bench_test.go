package omni

import (
	"context"
	"testing"
)

func BenchmarkStreamInt(b *testing.B) {
	b.ReportAllocs()
	p, c := NewStream[int](&Options{Prefetch: 256})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := b.N
	go func() {
		for i := range n {
			c.Write(ctx, i)
		}
		c.End()
	}()
	for _, err := range p.All(ctx) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareChan(b *testing.B) {
	b.ReportAllocs()
	c := make(chan int, 256)
	n := b.N
	go func() {
		for i := range n {
			c <- i
		}
		close(c)
	}()
	for range c {
	}
}
