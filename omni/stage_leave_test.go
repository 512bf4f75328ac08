package omni

import (
	"context"
	"testing"
)

// waysToLeave are the ways in which a reader may stop reading.
var waysToLeave = map[string]func(p *Producer[int]){
	"break": func(p *Producer[int]) {
		for range p.All(bg) {
			break
		}
	},
	"return": func(p *Producer[int]) {
		func() bool {
			for range p.All(bg) {
				return true
			}
			return false
		}()
	},
	"panic": func(p *Producer[int]) {
		defer func() { recover() }()
		for range p.All(bg) {
			panic(errBoom)
		}
	},
	"ctx": func(p *Producer[int]) {
		ctx, cancel := context.WithCancelCause(bg)
		defer cancel(nil)
		for _, err := range p.All(ctx) {
			cancel(errBoom)
			if err != nil && err != errBoom {
				panic(err)
			}
		}
	},
	"error": func(p *Producer[int]) {
		if err := ForEach(bg, p, func(int) error { return errBoom }); err != errBoom {
			panic(err)
		}
	},
	"Cancel inside, X05": func(p *Producer[int]) {
		n := 0
		for _, err := range p.All(bg) {
			p.Request(1)
			p.Cancel(errBoom)
			if n++; n == 2 && err != errBoom {
				panic(err)
			}
		}
		if n != 2 {
			panic("items after the Cancel")
		}
	},
	"Cancel and Next": func(p *Producer[int]) {
		p.Next(bg)
		p.Cancel(errBoom)
		if _, err := p.Next(bg); err != errBoom {
			panic(err)
		}
	},
	"Take": func(p *Producer[int]) {
		if vs, err := Collect(bg, Take(bg, p, 3)); err != nil || len(vs) != 3 {
			panic(err)
		}
	},
}

// P12: whichever way a loop is left, upstream is stopped and has returned.
func TestP12EveryStageLeavingALoop(t *testing.T) {
	for name, leave := range waysToLeave {
		t.Run(name, func(t *testing.T) {
			everyStage(t, func(t *testing.T, s stageCase) {
				up, returned := counting(bg)
				p := s.on(bg, up, nil)
				leave(p)
				if err := returned(); err != nil {
					t.Error(err)
				}
				if !isDone(p.Done()) {
					t.Error("Done is open")
				}
			})
		})
	}
}

// P10: a panic in a stage's func reaches the reader, and upstream is freed.
func TestP10EveryStagePanic(t *testing.T) {
	read := map[string]func(p *Producer[int]){
		"Next": func(p *Producer[int]) { p.Next(bg) },
		"All":  func(p *Producer[int]) { Collect(bg, p) },
		"Pipe": func(p *Producer[int]) {
			out, c := NewStream[int](nil)
			defer func() {
				if _, err := out.Next(bg); err != errPanicked {
					panic(err)
				}
			}()
			p.Pipe(bg, c)
		},
	}
	for name, read := range read {
		t.Run(name, func(t *testing.T) {
			everyStage(t, func(t *testing.T, s stageCase) {
				if !s.callback {
					return
				}
				up, returned := counting(bg)
				p := s.on(bg, up, func(int) error { panic("at the disco") })
				wantPanic(t, "at the disco", func() { read(p) })
				if err := returned(); err != nil {
					t.Error(err)
				}
				wantEnd(t, p, errPanicked)
			})
		})
	}
}

// An error of a stage's func is what the reader gets, after the items before
// it, and what upstream is canceled with.
func TestEveryStageCallbackError(t *testing.T) {
	everyStage(t, func(t *testing.T, s stageCase) {
		if !s.callback {
			return
		}
		up, c := NewStream[int](nil)
		p := s.on(bg, up, func(v int) error {
			if v == 2 {
				return errBoom
			}
			return nil
		})
		write(t, c, 0, 1, 2, 3)
		got, err := Collect(bg, p)
		if err != errBoom {
			t.Fatalf("ended with %v, want %v", err, errBoom)
		}
		wantItems(t, got, []int{0, 1})
		wantEnd(t, p, errBoom)
		wantStopped(t, c, errBoom)
	})
}

// X05: a stage's func may use the stage's ends.
func TestX05EveryStageCallsFromTheCallback(t *testing.T) {
	everyStage(t, func(t *testing.T, s stageCase) {
		if !s.callback {
			return
		}
		up, c := NewStream[int](pure)
		var p *Producer[int]
		p = s.on(bg, up, func(v int) error {
			p.Request(1)
			if v == 2 {
				p.Cancel(errBoom)
			}
			return nil
		})
		go func() {
			for i := 0; c.Write(bg, i) == nil; i++ {
			}
		}()
		wantNext(t, p, 0)
		wantNext(t, p, 1)
		wantEnd(t, p, errBoom) // Nothing comes after the Cancel.
		wantStopped(t, c, errBoom)
	})
}

// runtime.Goexit in a stage's func, as of t.FailNow, is treated like a panic.
func TestGoexitInACallback(t *testing.T) {
	everyStage(t, func(t *testing.T, s stageCase) {
		if !s.callback {
			return
		}
		up, c := NewStream[int](nil)
		write(t, c, 1)
		p := s.on(bg, up, func(int) error { goexit(); return nil })
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			p.Next(bg)
		}()
		<-exited
		wantEnd(t, p, errPanicked)
		wantStopped(t, c, errPanicked)
	})
}
