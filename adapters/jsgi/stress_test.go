package jsgi_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"omnistreams.dev/adapters/jsgi"
)

type item struct{ writer, i int }

// Many writers, some of which wait for drain and some for Ready, beside somebody
// who pauses and resumes: every item comes once, each writer's in order, no
// listener runs beside another, each false is followed by a drain, and the end
// comes once, last.
func TestManyWritersAndPauses(t *testing.T) {
	const writers, n = 6, 400
	s := jsgi.NewStream[item](&jsgi.Options{Buffer: 16})
	var inside atomic.Int32
	alone := func() func() {
		if inside.Add(1) != 1 {
			t.Error("two listeners run at the same time")
		}
		return func() { inside.Add(-1) }
	}
	var next [writers]int
	ends := 0
	s.AddListener(jsgi.Listener[item]{
		Data: func(v item) {
			defer alone()()
			if v.i != next[v.writer] || ends > 0 {
				t.Errorf("writer %d: item %d, want %d; %d ends", v.writer, v.i, next[v.writer], ends)
			}
			next[v.writer]++
		},
		End:    func() { defer alone()(); ends++ },
		Pause:  func() { defer alone()() },
		Resume: func() { defer alone()() },
	})
	var writing, pausing sync.WaitGroup
	var over atomic.Bool
	for w := range writers {
		writing.Go(func() {
			writeAll(t, s, w, n, alone)
		})
	}
	pausing.Go(func() {
		for !over.Load() {
			s.Pause()
			for range rand.IntN(20) {
				runtime.Gosched()
			}
			s.Resume()
			runtime.Gosched()
		}
	})
	writing.Wait()
	over.Store(true)
	pausing.Wait()
	ended := make(chan struct{})
	s.AddListener(jsgi.Listener[item]{End: func() { close(ended) }})
	s.Close()
	<-ended
	for w, got := range next {
		if got != n {
			t.Errorf("writer %d: %d items", w, got)
		}
	}
	if ends != 1 {
		t.Errorf("%d ends", ends)
	}
}

// writeAll writes n items of writer w to s. After a false it waits for drain if
// w is even, else for Ready.
func writeAll(t *testing.T, s *jsgi.Stream[item], w, n int, alone func() func()) {
	// All who wait for drain are told of each; one is enough.
	drained := make(chan struct{}, 1)
	remove := s.AddListener(jsgi.Listener[item]{Drain: func() {
		defer alone()()
		select {
		case drained <- struct{}{}:
		default:
		}
	}})
	defer remove()
	for i := 0; i < n; {
		on, err := s.Write(item{w, i})
		switch {
		case err == nil:
			i++
		case err != jsgi.ErrFull:
			t.Errorf("error %v", err)
			return
		}
		if !on && w%2 == 0 {
			<-drained
		} else if !on && s.Ready(bg) != nil {
			t.Error("not ready")
			return
		}
	}
}
