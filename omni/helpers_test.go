package omni

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
)

var (
	errBoom  = errors.New("boom")
	errOther = errors.New("other")
	bg       = context.Background()
	pure     = &Options{Prefetch: -1}
)

// bubble runs f as a subtest in a synctest bubble: what still waits at its end
// is a failure.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// totals returns what was asked of c and written to it, without waiting.
func totals[T any](c *Consumer[T]) (asked, written int) {
	a, w := totals64(c)
	return int(a), int(w)
}

func totals64[T any](c *Consumer[T]) (asked, written uint64) {
	a, w, _ := c.sink.(streamWriter[T]).totals()
	select {
	case n := <-c.sink.(streamWriter[T]).demand:
		c.sink.(streamWriter[T]).grant(n)
		a = max(a, n)
	default:
	}
	return a, w
}

func wantAsked[T any](t *testing.T, c *Consumer[T], want uint64) {
	t.Helper()
	synctest.Wait()
	if asked, _ := totals64(c); asked != want {
		t.Fatalf("asked upstream for %d items, want %d", asked, want)
	}
}

func wantNext[T comparable](t *testing.T, p *Producer[T], want T) {
	t.Helper()
	if v, err := p.Next(t.Context()); v != want || err != nil {
		t.Fatalf("Next = %v, %v; want %v", v, err, want)
	}
}

// wantEnd expects err from Next, twice, and what goes with it.
func wantEnd[T any](t *testing.T, p *Producer[T], want error) {
	t.Helper()
	for range 2 {
		if v, err := p.Next(bg); err != want {
			t.Fatalf("Next = %v, %v; want the end %v", v, err, want)
		}
	}
	if !isDone(p.Done()) {
		t.Fatal("Done is open after the end")
	}
	if want == io.EOF {
		want = nil
	}
	if p.Err() != want {
		t.Fatalf("Err = %v, want %v", p.Err(), want)
	}
}

// wantStopped expects that the writer knows why it was stopped.
func wantStopped[T any](t *testing.T, c *Consumer[T], want error) {
	t.Helper()
	var zero T
	synctest.Wait()
	if err := c.Write(bg, zero); err != want {
		t.Fatalf("Write = %v, want %v", err, want)
	}
	if _, err := c.Demand(bg); err != want {
		t.Fatalf("Demand = %v, want %v", err, want)
	}
	if err := c.End(); err != want {
		t.Fatalf("End = %v, want %v", err, want)
	}
	if !isDone(c.Done()) || c.Err() != want {
		t.Fatalf("Done %v, Err = %v; want %v", isDone(c.Done()), c.Err(), want)
	}
}

func wantPanic(t *testing.T, want any, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); got != want {
			t.Errorf("panic %v, want %v", got, want)
		}
	}()
	f()
}

func wantItems[T comparable](t *testing.T, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// write writes all of vs, and fails the test if that fails.
func write[T any](t *testing.T, c *Consumer[T], vs ...T) {
	t.Helper()
	for _, v := range vs {
		if err := c.Write(bg, v); err != nil {
			t.Errorf("Write(%v) = %v", v, err)
		}
	}
}

// counting returns the stream 0, 1, 2 … without an end, and a func that says
// whether its goroutine has returned.
func counting(ctx context.Context) (p *Producer[int], returned func() error) {
	done := make(chan struct{})
	var err error
	p = Produce(ctx, func(ctx context.Context, c *Consumer[int]) error {
		defer close(done)
		for i := 0; err == nil; i++ {
			err = c.Write(ctx, i)
		}
		return err
	})
	return p, func() error {
		if !isDone(done) {
			return errors.New("the upstream goroutine still runs")
		}
		return nil
	}
}

// endedBy returns a ctx that has ended with cause.
func endedBy(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(bg)
	cancel(cause)
	return ctx
}

// seq returns from, from+1 … n numbers.
func seq(from, n int) []int {
	vs := make([]int, n)
	for i := range vs {
		vs[i] = from + i
	}
	return vs
}

// goexit leaves the goroutine, as t.FailNow does.
func goexit() { runtime.Goexit() }

// piped returns the stream that a goroutine pipes p into.
func piped[T any](ctx context.Context, p *Producer[T]) *Producer[T] {
	out, c := NewStream[T](pure)
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		p.Pipe(ctx, c)
	}()
	out.join = joinAll(joined, nil)
	return out
}
