package inprocess

import "context"

// chanChain is a goroutine and a channel per stage, as the Go blog's article on
// pipelines has it, less the cancellation.
func chanChain(stages []stage) mover {
	return func(_ context.Context, n int) (got int, err error) {
		c := make(chan int, window)
		go func() {
			defer close(c)
			for i := range n {
				c <- i
			}
		}()
		var last <-chan int = c
		for _, s := range stages {
			last = chanStage(last, s)
		}
		var v int
		for v = range last {
			got++
		}
		keep(v)
		return got, nil
	}
}

func chanStage(in <-chan int, s stage) <-chan int {
	out := make(chan int, window)
	go func() {
		defer close(out)
		for v := range in {
			v, ok, err := s.run(v)
			if err != nil {
				return
			}
			if ok {
				out <- v
			}
		}
	}()
	return out
}

// run applies one stage to one item.
func (s *stage) run(v int) (_ int, ok bool, _ error) {
	if s.apply != nil {
		v, err := s.apply(v)
		return v, true, err
	}
	ok, err := s.keep(v)
	return v, ok, err
}
