package omni

import (
	"context"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Two loops share a stream. One comes to the end while the other still works
// on the items that it took: those are neither lost nor counted as received.
func TestLoopThatHoldsItemsAtTheEnd(t *testing.T) {
	for name, finish := range map[string]func(*Consumer[int]) error{
		"end":    func(c *Consumer[int]) error { c.End(); return nil },
		"cancel": func(c *Consumer[int]) error { c.Cancel(errBoom); return errBoom },
	} {
		bubble(t, name, func(t *testing.T) {
			p, c := NewStream[int](nil)
			for i := range 10 {
				if err := c.Write(bg, i); err != nil {
					t.Fatal(err)
				}
			}
			want := finish(c)
			release := make(chan struct{})
			var got []int
			var slow error
			go func() {
				for v, err := range p.All(bg) {
					if err != nil {
						slow = err
						return
					}
					<-release
					got = append(got, v)
				}
			}()
			synctest.Wait()
			for v, err := range p.All(bg) {
				if err != want || err == nil {
					t.Errorf("the quick loop got %v, %v; want %v", v, err, want)
				}
			}
			if isDone(p.Done()) || want == nil && isDone(c.Done()) {
				t.Error("Done is closed before the slow loop took its items")
			}
			close(release)
			synctest.Wait()
			if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) || slow != want {
				t.Errorf("the slow loop got %v, %v; want ten items and %v", got, slow, want)
			}
			if !isDone(p.Done()) || p.Err() != want || !isDone(c.Done()) || c.Err() != want {
				t.Errorf("in the end: %v, %v; want %v", p.Err(), c.Err(), want)
			}
		})
	}
}

// Of items that Next handed out the last counts as well.
func TestNextAndLoopAtTheEnd(t *testing.T) {
	bubble(t, "end", func(t *testing.T) {
		p, c := NewStream[int](nil)
		c.Write(bg, 1)
		c.Write(bg, 2)
		c.End()
		wantNext(t, p, 1)
		wantNext(t, p, 2)
		for v, err := range p.All(bg) {
			t.Errorf("got %v, %v after the end", v, err)
		}
		if !isDone(c.Done()) {
			t.Error("the writer's Done is open though all was taken")
		}
	})
}

// A body that reads the stages that it loops over gets the next item.
func TestNextInsideLoopOverStagesKeepsOrder(t *testing.T) {
	bubble(t, "order", func(t *testing.T) {
		up, c := NewStream[int](nil)
		p := Map(bg, Map(bg, up, inc), inc)
		for i := range 10 {
			c.Write(bg, i)
		}
		c.End()
		var got []int
		for v, err := range p.All(bg) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
			if v, err := p.Next(bg); err == nil {
				got = append(got, v)
			}
		}
		if !slices.Equal(got, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}) {
			t.Errorf("got %v", got)
		}
	})
}

// chunkCounter hands out chunks of three and keeps the rules of ChunkSource.
type chunkCounter struct {
	Source[int]
	t       *testing.T
	left    int
	held    int // handed out and not counted as taken
	taken   int
	last    []int
	done    chan struct{}
	stopped atomic.Bool
}

func (s *chunkCounter) NextChunk(_ context.Context, _ bool, used []int) ([]int, error) {
	if s.held != 0 {
		s.t.Errorf("asked for a chunk with %d items of the last not taken", s.held)
	}
	if s.last != nil && (len(used) == 0 || &used[0] != &s.last[0]) {
		s.t.Error("the last chunk did not come back")
	}
	if s.left == 0 {
		if s.stopped.CompareAndSwap(false, true) {
			close(s.done)
		}
		return nil, io.EOF
	}
	s.last = append(used[:0], 1, 2, 3)
	s.left -= 3
	s.held = 3
	return s.last, nil
}
func (s *chunkCounter) Next(context.Context, bool) (int, error) {
	s.t.Error("Next was called")
	return 0, io.EOF
}
func (s *chunkCounter) Took(n int)            { s.held -= n; s.taken += n }
func (s *chunkCounter) Stopped() *atomic.Bool { return &s.stopped }
func (s *chunkCounter) Done() <-chan struct{} { return s.done }
func (s *chunkCounter) Cancel(error)          {}
func (s *chunkCounter) Request(uint32)        {}
func (s *chunkCounter) Err() error            { return nil }

func TestChunkSourceOfAnotherPackage(t *testing.T) {
	for name, build := range map[string]func(*Producer[int]) *Producer[int]{
		"loop":  func(p *Producer[int]) *Producer[int] { return p },
		"stage": func(p *Producer[int]) *Producer[int] { return Map(bg, p, func(v int) (int, error) { return v, nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			src := &chunkCounter{t: t, left: 300, done: make(chan struct{})}
			got, err := Collect(bg, build(NewProducer[int](src)))
			if len(got) != 300 || err != nil || src.taken != 300 {
				t.Fatalf("got %d items and %v, %d were counted as taken", len(got), err, src.taken)
			}
		})
	}
}
