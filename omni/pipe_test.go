package omni

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipe(t *testing.T) {
	bubble(t, "clean end", func(t *testing.T) {
		out, c := NewStream[int](pure)
		done := make(chan error)
		go func() { done <- FromSlice(bg, seq(0, 3)).Pipe(bg, c) }()
		got, err := Collect(bg, out)
		if err != nil || <-done != nil {
			t.Fatal(err)
		}
		wantItems(t, got, seq(0, 3))
	})
	bubble(t, "does not wait for the reader", func(t *testing.T) {
		out, c := NewStream[int](nil)
		if err := FromSlice(bg, seq(0, 3)).Pipe(bg, c); err != nil {
			t.Fatal(err)
		}
		if got, err := Collect(bg, out); err != nil || len(got) != 3 {
			t.Fatal(got, err)
		}
	})
	bubble(t, "error", func(t *testing.T) {
		out, c := NewStream[int](nil)
		p := Produce(bg, func(context.Context, *Consumer[int]) error { return errBoom })
		if err := p.Pipe(bg, c); err != errBoom {
			t.Fatalf("Pipe = %v", err)
		}
		wantEnd(t, out, errBoom)
	})
}

func TestPipeIsStopped(t *testing.T) {
	bubble(t, "the reader's Cancel stops an idle writer", func(t *testing.T) {
		out, c := NewStream[int](nil)
		p, up := NewStream[int](pure)
		go func() { time.Sleep(time.Second); out.Cancel(errBoom) }()
		if err := p.Pipe(bg, c); err != errBoom {
			t.Fatalf("Pipe = %v", err)
		}
		wantStopped(t, up, errBoom)
	})
	bubble(t, "to a stream that has ended", func(t *testing.T) {
		_, c := NewStream[int](nil)
		c.End()
		p, up := NewStream[int](pure)
		if err := p.Pipe(bg, c); err != ErrEnded {
			t.Fatalf("Pipe = %v", err)
		}
		wantStopped(t, up, ErrEnded)
	})
	bubble(t, "End after the reader's Cancel", func(t *testing.T) {
		out, c := NewStream[int](nil)
		p, up := NewStream[int](nil)
		up.End()
		out.Cancel(errBoom)
		if err := p.Pipe(bg, c); err != errBoom {
			t.Fatalf("Pipe = %v", err)
		}
	})
	bubble(t, "ctx", func(t *testing.T) {
		out, c := NewStream[int](nil)
		p, up := NewStream[int](pure)
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errBoom)
		defer cancel()
		if err := p.Pipe(ctx, c); err != errBoom {
			t.Fatalf("Pipe = %v", err)
		}
		wantEnd(t, out, errBoom)
		wantStopped(t, up, errBoom)
	})
}

// A writer may be ahead of the demand (a prefetch): a Cancel must not wait
// until there is some.
func TestPipeIsCanceledWhileItWaitsForDemand(t *testing.T) {
	bubble(t, "by anyone", func(t *testing.T) {
		p, up := NewStream[int](nil)
		out, c := NewStream[int](pure)
		write(t, up, 1, 2)
		done := make(chan error)
		go func() { done <- p.Pipe(bg, c) }()
		synctest.Wait()
		p.Cancel(errBoom)
		if err := <-done; err != errBoom {
			t.Fatalf("Pipe = %v", err)
		}
		wantEnd(t, out, errBoom)
		wantStopped(t, up, errBoom)
	})
	bubble(t, "by its ctx upstream", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errBoom)
		defer cancel()
		p, up := NewStream[int](nil)
		out, c := NewStream[int](pure)
		write(t, up, 1, 2)
		same := Map(ctx, p, func(v int) (int, error) { return v, nil })
		if err := same.Pipe(bg, c); err != errBoom {
			t.Fatalf("Pipe = %v", err)
		}
		wantEnd(t, out, errBoom)
	})
}

// A stream that keeps a window is not asked for more by a Pipe.
func TestPipeLeavesAWindowAlone(t *testing.T) {
	bubble(t, "prefetch", func(t *testing.T) {
		out, c := NewStream[int](pure)
		p, up := NewStream[int](&Options{Prefetch: 4})
		go p.Pipe(bg, c)
		out.Request(100)
		wantAsked(t, up, 4)
		write(t, up, seq(0, 4)...)
		wantAsked(t, up, 8)
		out.Cancel(nil)
	})
}

// What others wrote before is not the pipe's to ask for.
func TestPipeAfterOtherWrites(t *testing.T) {
	bubble(t, "demand", func(t *testing.T) {
		out, c := NewStream[int](pure)
		p, up := NewStream[int](pure)
		out.Request(5)
		write(t, c, 0, 1)
		go p.Pipe(bg, c)
		wantAsked(t, up, 3)
		out.Request(2)
		wantAsked(t, up, 5)
		write(t, up, 2, 3)
		up.End()
		got, err := Collect(bg, out)
		if err != nil {
			t.Fatal(err)
		}
		wantItems(t, got, seq(0, 4))
	})
}

func TestTee(t *testing.T) {
	bubble(t, "lesser demand", func(t *testing.T) {
		p, c := NewStream[int](pure)
		p1, p2 := Tee(bg, p)
		p1.Request(5)
		wantAsked(t, c, 0)
		p2.Request(2)
		wantAsked(t, c, 2)
		write(t, c, 0, 1)
		wantNext(t, p1, 0)
		wantNext(t, p1, 1)
		wantNext(t, p2, 0)
		p2.Cancel(errOther) // The other goes on alone.
		wantAsked(t, c, 5)
		write(t, c, 2)
		wantNext(t, p1, 2)
		p1.Cancel(errBoom)
		wantStopped(t, c, errBoom)
	})
	bubble(t, "both get all", func(t *testing.T) {
		p1, p2 := Tee(bg, FromSlice(bg, seq(0, 200)))
		other := make(chan []int)
		go func() {
			got, _ := Collect(bg, p2)
			other <- got
		}()
		got, err := Collect(bg, p1)
		if err != nil {
			t.Fatal(err)
		}
		wantItems(t, got, seq(0, 200))
		wantItems(t, <-other, seq(0, 200))
	})
	bubble(t, "error", func(t *testing.T) {
		p, c := NewStream[int](nil)
		p1, p2 := Tee(bg, p)
		c.Cancel(errBoom)
		wantEnd(t, p1, errBoom)
		wantEnd(t, p2, errBoom)
	})
}

func TestTeeLeaving(t *testing.T) {
	bubble(t, "both cancel before anything was asked for", func(t *testing.T) {
		p, c := NewStream[int](pure)
		p1, p2 := Tee(bg, p)
		p1.Cancel(errOther)
		synctest.Wait()
		p2.Cancel(errBoom)
		wantStopped(t, c, errBoom)
	})
	// The one who leaves first does not wait for the other, the last one
	// waits for everything.
	bubble(t, "one leaves after the other", func(t *testing.T) {
		p, returned := counting(bg)
		p1, p2 := Tee(bg, p)
		p2.Request(1)
		for range p1.All(bg) {
			break
		}
		if returned() == nil {
			t.Fatal("upstream was stopped though one branch is left")
		}
		for v, err := range p2.All(bg) {
			if err != nil {
				t.Fatal(err)
			}
			if v == 100 {
				break
			}
		}
		if err := returned(); err != nil {
			t.Fatal(err)
		}
	})
	bubble(t, "ctx", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errBoom)
		defer cancel()
		p, c := NewStream[int](nil)
		p1, p2 := Tee(ctx, p)
		wantEnd(t, p1, errBoom)
		wantEnd(t, p2, errBoom)
		wantStopped(t, c, errBoom)
	})
}

// P20: the two readers of a Tee share what items point to.
func TestP20TeeDoesNotCopy(t *testing.T) {
	bubble(t, "pointers", func(t *testing.T) {
		v := new(int)
		p1, p2 := Tee(bg, FromSlice(bg, []*int{v}))
		p1.Request(1)
		p2.Request(1)
		wantNext(t, p1, v)
		wantNext(t, p2, v)
		wantEnd(t, p1, io.EOF)
		wantEnd(t, p2, io.EOF)
	})
}
