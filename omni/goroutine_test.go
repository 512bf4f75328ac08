package omni

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProduceContext(t *testing.T) {
	bubble(t, "ends when the reader cancels", func(t *testing.T) {
		causes := make(chan error, 1)
		p := Produce(bg, func(ctx context.Context, c *Consumer[int]) error {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return errOther
		})
		p.Cancel(errBoom)
		if err := <-causes; err != errBoom {
			t.Fatalf("the cause is %v, want %v", err, errBoom)
		}
		wantEnd(t, p, errBoom)
	})
	bubble(t, "what was written still arrives", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		p := Produce(ctx, func(ctx context.Context, c *Consumer[int]) error {
			write(t, c, 1, 2)
			<-ctx.Done()
			return nil
		})
		synctest.Wait()
		cancel(errBoom)
		synctest.Wait()
		wantNext(t, p, 1)
		wantNext(t, p, 2)
		wantEnd(t, p, errBoom)
	})
	// A func that stops since its ctx has ended has not come to its end.
	bubble(t, "nil after ctx ended", func(t *testing.T) {
		for range 100 {
			ctx, cancel := context.WithCancelCause(bg)
			p := Produce(ctx, func(ctx context.Context, c *Consumer[int]) error {
				<-ctx.Done()
				return nil
			})
			synctest.Wait()
			cancel(errBoom)
			wantEnd(t, p, errBoom)
		}
	})
	bubble(t, "ends before", func(t *testing.T) {
		p := Produce(endedBy(errBoom), func(ctx context.Context, c *Consumer[int]) error {
			return c.Write(ctx, 1)
		})
		wantEnd(t, p, errBoom)
	})
}

// Next waits for the goroutine, but no longer than its own ctx.
func TestNextWaitsForTheGoroutine(t *testing.T) {
	bubble(t, "stubborn", func(t *testing.T) {
		release := make(chan struct{})
		p := Produce(bg, func(_ context.Context, c *Consumer[int]) error {
			c.End()
			<-release
			return nil
		})
		ctx, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := p.Next(ctx); err != io.EOF || time.Since(start) != time.Minute {
			t.Fatalf("Next = %v after %v", err, time.Since(start))
		}
		go func() { time.Sleep(time.Hour); close(release) }()
		if _, err := p.Next(bg); err != io.EOF || time.Since(start) != time.Hour+time.Minute {
			t.Fatalf("Next = %v after %v", err, time.Since(start))
		}
	})
}

func TestGoexitOnAGoroutineOfOurs(t *testing.T) {
	bubble(t, "Produce", func(t *testing.T) {
		p := Produce(bg, func(context.Context, *Consumer[int]) error { goexit(); return nil })
		wantEnd(t, p, errExited)
	})
	bubble(t, "Consume", func(t *testing.T) {
		c := Consume(bg, func(context.Context, *Producer[int]) error { goexit(); return nil })
		<-c.Done()
		wantStopped(t, c, errExited)
	})
	bubble(t, "Merge", func(t *testing.T) {
		exits := Map(bg, FromSlice(bg, []int{1}), func(int) (int, error) { goexit(); return 0, nil })
		wantEnd(t, Merge(bg, exits, FromSlice[int](bg, nil)), errPanicked)
	})
	for _, unordered := range []bool{false, true} {
		bubble(t, "ParallelMap", func(t *testing.T) {
			up, c := NewStream[int](nil)
			write(t, c, seq(0, 50)...)
			opt := &ParallelOptions{Unordered: unordered, Workers: 2}
			p := ParallelMap(bg, up, opt, func(context.Context, int) (int, error) { goexit(); return 0, nil })
			wantEnd(t, p, errExited)
			wantStopped(t, c, errExited)
		})
		bubble(t, "ParallelMap, after the end", func(t *testing.T) {
			opt := &ParallelOptions{Unordered: unordered, Workers: 2}
			p := ParallelMap(bg, FromSlice(bg, []int{1}), opt, func(context.Context, int) (int, error) {
				time.Sleep(time.Second)
				goexit()
				return 0, nil
			})
			wantEnd(t, p, errExited)
		})
		bubble(t, "above ParallelMap", func(t *testing.T) {
			exits := Map(bg, FromSlice(bg, []int{1}), func(int) (int, error) { goexit(); return 0, nil })
			opt := &ParallelOptions{Unordered: unordered}
			p := ParallelMap(bg, exits, opt, func(context.Context, int) (int, error) { return 0, nil })
			wantEnd(t, p, errExited)
		})
	}
}

func drain(ctx context.Context, p *Producer[int]) error {
	_, err := Collect(ctx, p)
	return err
}

func TestConsume(t *testing.T) {
	end := func(c *Consumer[int], _ context.CancelCauseFunc) { c.End() }
	for _, tc := range []struct {
		name string
		f    func(context.Context, *Producer[int]) error
		do   func(*Consumer[int], context.CancelCauseFunc)
		want error
	}{
		{"End", drain, end, nil},
		{"io.EOF returned", func(ctx context.Context, p *Producer[int]) (err error) {
			for err == nil {
				_, err = p.Next(ctx)
			}
			return err
		}, end, nil},
		{"error after the end", func(ctx context.Context, p *Producer[int]) error {
			drain(ctx, p)
			return errBoom
		}, end, errBoom},
		{"error before the end", func(ctx context.Context, p *Producer[int]) error {
			return errBoom
		}, nil, errBoom},
		{"io.EOF before the end", func(ctx context.Context, p *Producer[int]) error {
			return io.EOF
		}, nil, io.ErrUnexpectedEOF},
		{"nil before the end", func(ctx context.Context, p *Producer[int]) error {
			return nil
		}, nil, ErrCanceled},
		{"writer's Cancel", drain, func(c *Consumer[int], _ context.CancelCauseFunc) { c.Cancel(errBoom) }, errBoom},
		{"ctx", drain, func(_ *Consumer[int], cancel context.CancelCauseFunc) { cancel(errBoom) }, errBoom},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(bg)
			defer cancel(nil)
			returned := false
			c := Consume(ctx, func(ctx context.Context, p *Producer[int]) error {
				err := tc.f(ctx, p)
				time.Sleep(time.Hour)
				returned = true
				return err
			})
			write(t, c, 1, 2, 3)
			if tc.do != nil {
				tc.do(c, cancel)
			}
			synctest.Wait()
			if isDone(c.Done()) || c.Err() != nil {
				t.Fatalf("Done %v, Err = %v before the func has returned", isDone(c.Done()), c.Err())
			}
			<-c.Done()
			if !returned {
				t.Fatal("Done is closed before the func has returned")
			}
			if c.Err() != tc.want {
				t.Fatalf("Err = %v, want %v", c.Err(), tc.want)
			}
		})
	}
}

// The writer need not wait for the func to learn of a Cancel.
func TestConsumeCancelIsKnownAtOnce(t *testing.T) {
	bubble(t, "Write learns at once", func(t *testing.T) {
		c := Consume(bg, func(ctx context.Context, p *Producer[int]) error {
			p.Cancel(errBoom)
			time.Sleep(time.Hour)
			return nil
		})
		start := time.Now()
		for err := error(nil); err != errBoom; {
			if err = c.Write(bg, 1); err != nil && err != errBoom {
				t.Fatal(err)
			}
		}
		if time.Since(start) != 0 {
			t.Fatalf("it took %v", time.Since(start))
		}
		<-c.Done()
	})
}

func TestFromSeqStopsTheIterator(t *testing.T) {
	bubble(t, "at its next item", func(t *testing.T) {
		stopped := false
		p := FromSeq(bg, func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
			}
			stopped = true
		})
		for v, err := range p.All(bg) {
			if err != nil || v == 100 {
				break
			}
		}
		if !stopped {
			t.Fatal("the iterator still runs")
		}
	})
	bubble(t, "whole", func(t *testing.T) {
		got, err := Collect(bg, FromSeq(bg, func(yield func(int) bool) {
			for i := range 100 {
				if !yield(i) {
					return
				}
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		wantItems(t, got, seq(0, 100))
	})
}

func TestFromSlice(t *testing.T) {
	bubble(t, "demand", func(t *testing.T) {
		p := FromSlice(bg, seq(0, 4))
		if _, err := p.src.Next(endedBy(errBoom), false); err != errBoom {
			t.Fatalf("Next = %v: it was not asked for", err)
		}
		p.Request(2)
		p.Request(1)
		for i := range 3 {
			if v, err := p.src.Next(bg, false); v != i || err != nil {
				t.Fatalf("Next = %v, %v", v, err)
			}
		}
		go p.Cancel(errBoom)
		if _, err := p.src.Next(bg, false); err != errBoom {
			t.Fatalf("Next = %v, want %v", err, errBoom)
		}
		wantEnd(t, p, errBoom)
	})
}

// P10, R08: no panic is recovered. In a goroutine of ours it ends the process.
func TestP10R08PanicInAGoroutineCrashes(t *testing.T) {
	if os.Getenv("OMNI_TEST_PANIC") != "" {
		p := Produce(bg, func(context.Context, *Consumer[int]) error { panic("on its own goroutine") })
		p.Next(bg)
		time.Sleep(2 * time.Second) // much longer than the end of the process takes
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestP10R08PanicInAGoroutineCrashes$")
	cmd.Env = append(os.Environ(), "OMNI_TEST_PANIC=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: on its own goroutine") {
		t.Fatalf("%v:\n%s", err, out)
	}
}
