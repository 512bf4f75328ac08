package omni

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

func TestCollectForEachReduce(t *testing.T) {
	bubble(t, "clean", func(t *testing.T) {
		sum, err := Reduce(bg, FromSlice(bg, seq(1, 100)), "", func(acc string, v int) (string, error) {
			if v <= 3 {
				acc += string(rune('a' + v))
			}
			return acc, nil
		})
		if sum != "bcd" || err != nil {
			t.Fatal(sum, err)
		}
	})
	bubble(t, "an error says how far it came", func(t *testing.T) {
		up, c := NewStream[int](nil)
		write(t, c, 1, 2, 3)
		sum, err := Reduce(bg, up, 10, func(acc, v int) (int, error) {
			if v == 3 {
				return -1, errBoom
			}
			return acc + v, nil
		})
		if sum != 13 || err != errBoom {
			t.Fatal(sum, err)
		}
		wantStopped(t, c, errBoom)
	})
	bubble(t, "upstream's error", func(t *testing.T) {
		up, c := NewStream[int](nil)
		write(t, c, 1, 2)
		c.Cancel(errBoom)
		got, err := Collect(bg, up)
		if err != errBoom {
			t.Fatal(err)
		}
		wantItems(t, got, []int{1, 2})
	})
	bubble(t, "panic", func(t *testing.T) {
		up, returned := counting(bg)
		wantPanic(t, "oh", func() { ForEach(bg, up, func(int) error { panic("oh") }) })
		if err := returned(); err != nil {
			t.Fatal(err)
		}
	})
}

// All keeps a window requested: the stream's own, or the default one.
func TestAllKeepsAWindow(t *testing.T) {
	for name, build := range map[string]func(*Producer[int]) *Producer[int]{
		"stream": func(p *Producer[int]) *Producer[int] { return p },
		"stage":  func(p *Producer[int]) *Producer[int] { return Take(bg, p, 1000) },
	} {
		for prefetch, window := range map[int]int{-1: DefaultPrefetch, 1: 1, 2: 2, 10: 10} {
			bubble(t, name, func(t *testing.T) {
				up, c := NewStream[int](&Options{Prefetch: prefetch})
				go func() { write(t, c, seq(0, 500)...); c.End() }()
				n := 0
				for v, err := range build(up).All(bg) {
					if v != n || err != nil {
						t.Fatalf("got %d, %v; want %d", v, err, n)
					}
					n++
					synctest.Wait()
					if asked, written := totals(c); written > asked || asked > n+window {
						t.Errorf("asked for %d, %d written, when %d were taken", asked, written, n)
						break
					}
				}
				if n != 500 {
					t.Fatalf("%d items", n)
				}
			})
		}
	}
}

// X05: nothing comes after a Cancel in the loop, though it is here.
func TestX05CancelInALoop(t *testing.T) {
	bubble(t, "items here", func(t *testing.T) {
		p, c := NewStream[int](nil)
		write(t, c, 1, 2, 3)
		var got []int
		for v, err := range p.All(bg) {
			if err != nil {
				if err != errBoom {
					t.Errorf("ended with %v, want %v", err, errBoom)
				}
				break
			}
			got = append(got, v)
			p.Cancel(errBoom)
		}
		wantItems(t, got, []int{1})
		wantStopped(t, c, errBoom)
	})
}

// The ctx of a loop is looked at on every item.
func TestAllLooksAtItsContext(t *testing.T) {
	for name, build := range map[string]func(*Producer[int]) *Producer[int]{
		"stream": func(p *Producer[int]) *Producer[int] { return p },
		"stage":  func(p *Producer[int]) *Producer[int] { return Take(bg, p, 1000) },
	} {
		bubble(t, name, func(t *testing.T) {
			up, c := NewStream[int](nil)
			write(t, c, seq(0, 10)...)
			ctx, cancel := context.WithCancelCause(bg)
			defer cancel(nil)
			var got []int
			var end error
			p := build(up)
			for v, err := range p.All(ctx) {
				if end = err; err != nil {
					continue // A loop over an error ends by itself.
				}
				if got = append(got, v); v == 3 {
					cancel(errBoom)
				}
			}
			if end != errBoom {
				t.Fatalf("ended with %v, want %v", end, errBoom)
			}
			wantItems(t, got, seq(0, 4))
			wantStopped(t, c, errBoom)
			for range p.All(bg) { // A second loop finds the end.
				break
			}
			wantEnd(t, p, errBoom)
		})
	}
}

func TestEndsGiveOutWhatTheyAreMadeOf(t *testing.T) {
	p, c := NewStream[int](nil)
	p2, c2 := NewProducer(p.Source()), NewConsumer(c.Sink())
	write(t, c2, 1)
	wantNext(t, p2, 1)
	c2.End()
	wantEnd(t, p, io.EOF)
	if !errors.Is(c2.Write(bg, 1), ErrEnded) {
		t.Fatal("the ends are not the same stream's")
	}
}
