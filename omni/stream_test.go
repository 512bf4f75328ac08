package omni

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestNothingIsWrittenBeforeItIsAskedFor(t *testing.T) {
	bubble(t, "pure pull", func(t *testing.T) {
		p, c := NewStream[int](pure)
		go func() { write(t, c, 1, 2, 3, 4); c.End() }()
		for i, n := range []uint32{0, 1, 0, 2} {
			p.Request(n)
			synctest.Wait()
			if asked, written := totals(c); written != asked || asked != []int{0, 1, 1, 3}[i] {
				t.Fatalf("step %d: asked %d, written %d", i, asked, written)
			}
		}
		got, err := Collect(bg, p)
		if err != nil {
			t.Fatal(err)
		}
		wantItems(t, got, []int{1, 2, 3, 4})
	})
	bubble(t, "prefetch", func(t *testing.T) {
		p, c := NewStream[int](&Options{Prefetch: 5})
		go write(t, c, seq(0, 7)...)
		synctest.Wait()
		if _, written := totals(c); written != 5 {
			t.Fatalf("%d written, want the prefetch of 5", written)
		}
		wantNext(t, p, 0)
		wantNext(t, p, 1)
		synctest.Wait() // Two are out of the window: not yet half.
		if _, written := totals(c); written != 5 {
			t.Fatalf("%d written, want 5", written)
		}
		wantNext(t, p, 2)
		synctest.Wait()
		if asked, written := totals(c); asked != 8 || written != 7 {
			t.Fatalf("asked %d, written %d; want 8, 7", asked, written)
		}
	})
}

func TestNextAsksForOne(t *testing.T) {
	bubble(t, "once", func(t *testing.T) {
		p, c := NewStream[int](pure)
		for range 3 { // A call that ended leaves its request behind.
			ctx, cancel := context.WithTimeoutCause(bg, time.Second, errBoom)
			if _, err := p.Next(ctx); err != errBoom {
				t.Fatalf("Next = %v, want %v", err, errBoom)
			}
			cancel()
			wantAsked(t, c, 1)
		}
		write(t, c, 7)
		wantNext(t, p, 7)
		if _, err := p.Next(endedContext); err != context.Canceled {
			t.Fatalf("Next = %v", err)
		}
		wantAsked(t, c, 1) // An ended ctx asks for nothing.
		p.Request(2)
		write(t, c, 8, 9)
		wantNext(t, p, 8)
		wantNext(t, p, 9)
		wantAsked(t, c, 3)
	})
}

func TestNextHandsOutWhatIsHereThoughItsContextEnded(t *testing.T) {
	p, c := NewStream[int](nil)
	write(t, c, 1, 2)
	for want := 1; want <= 2; want++ {
		if v, err := p.Next(endedBy(errBoom)); v != want || err != nil {
			t.Fatalf("Next = %v, %v", v, err)
		}
	}
	if _, err := p.Next(endedBy(errBoom)); err != errBoom {
		t.Fatalf("Next = %v, want %v", err, errBoom)
	}
	c.End()
	if _, err := p.Next(endedBy(errBoom)); err != io.EOF {
		t.Fatalf("Next = %v, want the end", err)
	}
}

func TestDemand(t *testing.T) {
	bubble(t, "spends nothing", func(t *testing.T) {
		p, c := NewStream[int](pure)
		got := make(chan uint32)
		go func() {
			for range 3 {
				n, err := c.Demand(bg)
				if err != nil {
					t.Error(err)
				}
				got <- n
			}
		}()
		synctest.Wait()
		p.Request(2)
		if n := <-got; n != 2 {
			t.Fatalf("Demand = %d, want 2", n)
		}
		p.Request(3) // On top of what was there: nothing is stale.
		for range 2 {
			if n := <-got; n != 5 && n != 2 {
				t.Fatalf("Demand = %d", n)
			}
		}
		if n, _ := c.Demand(bg); n != 5 {
			t.Fatalf("Demand = %d, want 5", n)
		}
		write(t, c, seq(0, 5)...)
		if _, err := c.Demand(endedBy(errBoom)); err != errBoom {
			t.Fatalf("Demand = %v, want %v", err, errBoom)
		}
	})
	bubble(t, "wakes", func(t *testing.T) {
		p, c := NewStream[int](nil)
		write(t, c, seq(0, DefaultPrefetch)...)
		go c.End()
		if _, err := c.Demand(bg); err != ErrEnded {
			t.Fatalf("Demand = %v, want %v", err, ErrEnded)
		}
		p.Cancel(nil)
	})
}

// P03, P04, P26: the first terminal call wins, and all are idempotent.
func TestP03P04P26TerminalCalls(t *testing.T) {
	type ends struct {
		p *Producer[int]
		c *Consumer[int]
	}
	end := func(e ends) { e.c.End() }
	writerCancel := func(e ends) { e.c.Cancel(errBoom) }
	readerCancel := func(e ends) { e.p.Cancel(errOther) }
	for _, tc := range []struct {
		name              string
		do                []func(ends)
		read, write, cErr error // what Next, Write and the writer's Err say
		items             int   // that the reader still gets, of two
	}{
		{"End twice", []func(ends){end, end}, io.EOF, ErrEnded, nil, 2},
		{"Cancel twice", []func(ends){writerCancel, func(e ends) { e.c.Cancel(errOther) }}, errBoom, errBoom, errBoom, 2},
		{"End, Cancel", []func(ends){end, writerCancel}, io.EOF, ErrEnded, nil, 2},
		{"Cancel, End", []func(ends){writerCancel, end}, errBoom, errBoom, errBoom, 2},
		{"reader's Cancel", []func(ends){readerCancel, end, writerCancel}, errOther, errOther, errOther, 0},
		{"reader's Cancel twice", []func(ends){readerCancel, func(e ends) { e.p.Cancel(nil) }}, errOther, errOther, errOther, 0},
		{"End, reader's Cancel", []func(ends){end, readerCancel}, errOther, errOther, errOther, 0},
		{"Cancel, reader's Cancel", []func(ends){writerCancel, readerCancel}, errOther, errBoom, errBoom, 0},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			e := ends{}
			e.p, e.c = NewStream[int](nil)
			write(t, e.c, 1, 2)
			if e.p.Err() != nil || e.c.Err() != nil || isDone(e.p.Done()) || isDone(e.c.Done()) {
				t.Fatal("an end before its end")
			}
			for _, f := range tc.do {
				f(e)
			}
			e.p.Request(3)
			if err := e.c.Write(bg, 3); err != tc.write {
				t.Errorf("Write = %v, want %v", err, tc.write)
			}
			for i := range tc.items {
				wantNext(t, e.p, i+1)
			}
			wantEnd(t, e.p, tc.read)
			e.p.Request(3)
			if !isDone(e.c.Done()) || e.c.Err() != tc.cErr {
				t.Errorf("the writer's Done %v, Err = %v; want %v", isDone(e.c.Done()), e.c.Err(), tc.cErr)
			}
		})
	}
}

func TestEndNeedsNoCredit(t *testing.T) {
	bubble(t, "pure pull", func(t *testing.T) {
		p, c := NewStream[int](pure)
		if err := c.End(); err != nil {
			t.Fatal(err)
		}
		if isDone(c.Done()) {
			t.Fatal("the writer's Done is closed before the reader took the end")
		}
		wantEnd(t, p, io.EOF)
		if !isDone(c.Done()) {
			t.Fatal("the writer's Done is open")
		}
	})
}

// A slot that is taken must not keep the end, or the rest, from arriving.
func TestEndBehindTwoChunks(t *testing.T) {
	for _, end := range []error{io.EOF, errBoom} {
		bubble(t, end.Error(), func(t *testing.T) {
			p, c := NewStream[int](nil)
			go func() {
				ctx, cancel := context.WithTimeout(bg, time.Second)
				defer cancel()
				if _, err := p.Next(ctx); err != context.DeadlineExceeded {
					t.Errorf("Next = %v", err)
				}
			}()
			time.Sleep(2 * time.Second)
			write(t, c, 1) // The reader waited, so this goes into the slot.
			write(t, c, 2, 3)
			if end == io.EOF {
				c.End()
			} else {
				c.Cancel(end)
			}
			for i := 1; i <= 3; i++ {
				wantNext(t, p, i)
			}
			wantEnd(t, p, end)
		})
	}
}

// X01: nothing is delivered after the reader's Cancel, wherever it was.
func TestX01CancelDropsWhatIsBuffered(t *testing.T) {
	bubble(t, "in chunk, slot and pending", func(t *testing.T) {
		p, c := NewStream[int](nil)
		write(t, c, 1, 2)
		wantNext(t, p, 1) // 2 is in the reader's chunk
		go func() { p.Next(bg); p.Next(bg) }()
		synctest.Wait() // 2 is taken, and the reader waits
		write(t, c, 3)
		synctest.Wait()
		write(t, c, 4, 5)
		p.Cancel(errBoom)
		wantEnd(t, p, errBoom)
		wantStopped(t, c, errBoom)
	})
}

// A ctx whose cause is io.EOF must not pass for a clean end, and neither must
// a Cancel with it.
func TestOnlyEndIsEOF(t *testing.T) {
	bubble(t, "cancel", func(t *testing.T) {
		p, c := NewStream[int](nil)
		c.Cancel(io.EOF)
		wantEnd(t, p, io.ErrUnexpectedEOF)
		p, c = NewStream[int](nil)
		p.Cancel(io.EOF)
		wantStopped(t, c, io.ErrUnexpectedEOF)
	})
	bubble(t, "ctx", func(t *testing.T) {
		p, _ := NewStream[int](nil)
		if _, err := p.Next(endedBy(io.EOF)); err != io.ErrUnexpectedEOF {
			t.Fatalf("Next = %v", err)
		}
		if _, err := Collect(endedBy(io.EOF), p); err != io.ErrUnexpectedEOF {
			t.Fatalf("Collect = %v", err)
		}
	})
	bubble(t, "func", func(t *testing.T) {
		p := Produce(bg, func(context.Context, *Consumer[int]) error { return io.EOF })
		wantEnd(t, p, io.ErrUnexpectedEOF)
		m := Map(bg, FromSlice(bg, []int{1}), func(int) (int, error) { return 0, io.EOF })
		wantEnd(t, m, io.ErrUnexpectedEOF)
	})
}
