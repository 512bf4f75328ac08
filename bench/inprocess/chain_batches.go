package inprocess

import "context"

// batchChain is a goroutine per stage that works on a batch in place and hands
// it on.
func batchChain(stages []stage) mover {
	return func(_ context.Context, n int) (got int, err error) {
		c := intBatches(n)
		for _, s := range stages {
			c = batchStage(c, s)
		}
		return countBatches(c), nil
	}
}

func batchStage(in <-chan []int, s stage) <-chan []int {
	out := make(chan []int, window/batch)
	go func() {
		defer close(out)
		for b := range in {
			b, err := s.runBatch(b)
			if err != nil {
				return
			}
			out <- b
		}
	}()
	return out
}

// runBatch applies one stage to a batch, in place. Which kind of stage it is
// is asked once for all.
func (s *stage) runBatch(b []int) (_ []int, err error) {
	if s.apply != nil {
		for i, v := range b {
			if b[i], err = s.apply(v); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	kept := b[:0]
	for _, v := range b {
		ok, err := s.keep(v)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

func countBatches(c <-chan []int) (got int) {
	var last int
	for b := range c {
		for _, v := range b {
			last = v
			got++
		}
	}
	keep(last)
	return got
}

// fusedBatches has the writer on a goroutine of its own, and the reader calls
// all funcs of all stages on each item.
func fusedBatches(stages []stage) mover {
	return func(_ context.Context, n int) (got int, err error) {
		var last int
		for b := range intBatches(n) {
			for _, v := range b {
				u, ok, err := runAll(stages, v)
				if err != nil {
					return got, err
				}
				if ok {
					last = u
					got++
				}
			}
		}
		keep(last)
		return got, nil
	}
}

// fusedLoop is the funcs in a loop and nothing else.
func fusedLoop(stages []stage) mover {
	return func(_ context.Context, n int) (got int, err error) {
		var last int
		for i := range n {
			v, ok, err := runAll(stages, i)
			if err != nil {
				return got, err
			}
			if ok {
				last = v
				got++
			}
		}
		keep(last)
		return got, nil
	}
}

// runAll applies all stages to one item; false means that a filter dropped it.
func runAll(stages []stage, v int) (_ int, ok bool, err error) {
	for i := range stages {
		// Not stage.run: one call less per stage, and this is the limit.
		s := &stages[i]
		if s.apply == nil {
			if ok, err = s.keep(v); err != nil || !ok {
				return v, false, err
			}
			continue
		}
		if v, err = s.apply(v); err != nil {
			return v, false, err
		}
	}
	return v, true, nil
}
