package omni

import (
	"context"
	"io"
	"math"
	"testing"
	"time"
)

func wantBatch(t *testing.T, p *Producer[[]int], want ...int) {
	t.Helper()
	got, err := p.Next(bg)
	if err != nil {
		t.Fatal(err)
	}
	wantItems(t, got, want)
}

func TestBatch(t *testing.T) {
	for _, end := range []error{io.EOF, errBoom} {
		bubble(t, "the rest comes before "+end.Error(), func(t *testing.T) {
			up, c := NewStream[int](nil)
			p := Batch(bg, up, 3, 0)
			write(t, c, 1, 2, 3, 4)
			if end == io.EOF {
				c.End()
			} else {
				c.Cancel(end)
			}
			wantBatch(t, p, 1, 2, 3)
			wantBatch(t, p, 4)
			wantEnd(t, p, end)
		})
	}
}

func TestBatchByTime(t *testing.T) {
	bubble(t, "by time", func(t *testing.T) {
		up, c := NewStream[int](nil)
		p := Batch(bg, up, 3, time.Minute)
		go func() {
			for i := range 5 {
				time.Sleep(25 * time.Second)
				write(t, c, i)
			}
		}()
		start := time.Now()
		wantBatch(t, p, 0, 1, 2)
		if d := time.Since(start); d != 75*time.Second {
			t.Fatalf("full after %v", d)
		}
		wantBatch(t, p, 3, 4)
		if d := time.Since(start); d != 160*time.Second {
			t.Fatalf("due after %v", d)
		}
	})
	bubble(t, "a call that ends loses nothing", func(t *testing.T) {
		up, c := NewStream[int](nil)
		p := Batch(bg, up, 3, time.Minute)
		write(t, c, 0, 1)
		for range 2 {
			ctx, cancel := context.WithTimeoutCause(bg, 20*time.Second, errBoom)
			if _, err := p.Next(ctx); err != errBoom {
				t.Fatalf("Next = %v, want %v", err, errBoom)
			}
			cancel()
		}
		start := time.Now()
		wantBatch(t, p, 0, 1)
		if d := time.Since(start); d != 20*time.Second {
			t.Fatalf("due after %v", d)
		}
		write(t, c, 2)
		if _, err := p.Next(endedBy(errBoom)); err != errBoom {
			t.Fatalf("Next = %v", err)
		}
		time.Sleep(time.Hour) // Due, though nobody was reading.
		got, err := p.Next(endedBy(errBoom))
		if err != nil && err != errBoom {
			t.Fatal(err)
		}
		if err == nil {
			wantItems(t, got, []int{2})
		}
	})
}

func TestBatchOfBatches(t *testing.T) {
	bubble(t, "of batches", func(t *testing.T) {
		up, c := NewStream[int](nil)
		p := Batch(bg, Batch(bg, up, 2, time.Hour), 2, time.Minute)
		write(t, c, 0, 1, 2) // The outer one is due long before the inner one's second.
		got, err := p.Next(bg)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		wantItems(t, got[0], []int{0, 1})
		write(t, c, 3)
		c.End()
		got, err = p.Next(bg)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		wantItems(t, got[0], []int{2, 3})
	})
}

func TestBatchDemand(t *testing.T) {
	bubble(t, "demand", func(t *testing.T) {
		up, c := NewStream[int](pure)
		p := Batch(bg, up, 10, time.Minute)
		p.Request(1)
		wantAsked(t, c, 10)
		write(t, c, 0, 1, 2)
		wantBatch(t, p, 0, 1, 2)
		wantAsked(t, c, 10)
		write(t, c, seq(3, 7)...) // What is left of the first demand.
		ctx, cancel := context.WithTimeoutCause(bg, time.Hour, errBoom)
		defer cancel()
		if _, err := p.src.Next(ctx, false); err != errBoom {
			t.Fatalf("Next = %v: no second slice was asked for", err)
		}
		p.Request(1)
		wantAsked(t, c, 13) // Seven of the ten for it are here.
		if got, err := p.src.Next(bg, false); err != nil || len(got) != 7 {
			t.Fatal(got, err) // Not full, but due.
		}
		p.Request(1)
		wantAsked(t, c, 20)
		p.Cancel(nil)
	})
	bubble(t, "huge demand", func(t *testing.T) {
		up, c := NewStream[int](pure)
		p := Batch(bg, up, 3, 0)
		for range 4 {
			p.Request(math.MaxUint32)
		}
		write(t, c, seq(0, 6)...)
		wantBatch(t, p, 0, 1, 2)
		wantBatch(t, p, 3, 4, 5)
	})
	bubble(t, "piped over a window", func(t *testing.T) {
		up, c := NewStream[int](nil)
		out := piped(bg, Batch(bg, up, 3, 0))
		go func() { write(t, c, seq(0, 9)...); c.End() }()
		for i := 0; i < 9; i += 3 {
			wantBatch(t, out, i, i+1, i+2)
		}
		wantEnd(t, out, io.EOF)
	})
}
