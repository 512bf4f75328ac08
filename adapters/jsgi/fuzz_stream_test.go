package jsgi_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"omnistreams.dev/adapters/jsgi"
)

// FuzzStream plays a stream from bytes: turns of calls, and calls in its
// listeners, of everything but a panic. Each answer and each event, its
// listener and its place among the turns are those of a model that is made of
// the statements S01 to S39.
func FuzzStream(f *testing.F) {
	for _, program := range [][]byte{
		{0, 0, 3, 0, 1, 14, 200},                                             // S01, S12, S13
		{1, 1, 4, 0, 1, 5, 2, 0, 0, 0, 0, 2, 7, 0},                           // S02, S05, S06
		{3, 2, 2, 0, 0, 2, 0, 5, 2, 7, 14, 255, 1, 0},                        // S20, S21, S23
		{0, 1, 2, 5, 7, 2, 7, 5, 1, 0},                                       // S11, S28
		{2, 0, 3, 10, 7, 0, 1, 1, 11, 0, 2, 0, 14, 200},                      // S09, S25
		{0, 0, 4, 0, 1, 2, 3, 0, 0, 13, 255, 0, 0, 14, 129, 10, 6, 10, 15},   // S24, S30
		{1, 2, 3, 0, 0, 15, 10, 0, 0, 0, 1, 15, 200, 2, 12, 0},               // S14, S22
		{0, 1, 3, 0, 0, 0, 1, 5, 1, 14, 255, 1, 7, 2, 0, 0, 1, 12, 1, 10, 4}, // S15, S16, S29
	} {
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 300 {
			return // more of the same
		}
		synctest.Test(t, func(t *testing.T) {
			x := newStreamPlay(program)
			for len(x.program) > 0 && x.fault == "" {
				x.turns()
				synctest.Wait()
				x.quiet()
			}
			if x.fault != "" {
				t.Fatalf("%s\nafter %v", x.fault, x.log)
			}
		})
	})
}

// streamPlay is a stream beside its model.
type streamPlay struct {
	program []byte
	q       *jsgi.Queue
	s       *jsgi.Stream[int]
	m       streamModel
	wrote   int
	removes []func() // of the listeners, by id
	fault   string
	log     []string
}

func newStreamPlay(program []byte) *streamPlay {
	x := &streamPlay{program: program, q: &jsgi.Queue{}}
	bound := int(x.byte()%4) + 1
	x.s = jsgi.NewStream[int](&jsgi.Options{Buffer: bound, Queue: x.q})
	x.m.bound = bound
	for _, hears := range []byte{hearsAll, hearsDrain, hearsData | hearsEnd}[:x.byte()%4%3+1] {
		x.listen(hears)
	}
	return x
}

func (x *streamPlay) byte() (b byte) {
	if len(x.program) > 0 {
		b, x.program = x.program[0], x.program[1:]
	}
	return b
}

// blame notes the first thing that is wrong.
func (x *streamPlay) blame(format string, args ...any) {
	if x.fault == "" {
		x.fault = fmt.Sprintf(format, args...)
		x.program = nil
	}
}

// turns puts a few turns on the queue, in a turn of its own, so that none of
// them begins before all are there.
func (x *streamPlay) turns() {
	n := int(x.byte()%3) + 1
	x.q.Go(func() {
		for range n {
			x.m.queue = append(x.m.queue, aTurn)
			x.q.Go(func() {
				if call, ok := x.m.advance(); ok || !x.m.turnDue() {
					x.blame("a turn of the program, the model has %v", call)
				}
				x.calls()
			})
		}
	})
}

// heard is called in every listener.
func (x *streamPlay) heard(id int, event string) {
	if x.fault != "" {
		return
	}
	x.log = append(x.log, fmt.Sprint(id, " ", event))
	want, ok := x.m.advance()
	if !ok || want != (heard{id, event}) {
		x.blame("listener %d hears %q, the model has %v %v", id, event, want, ok)
		return
	}
	x.m.calls = x.m.calls[1:]
	returned := false
	defer func() {
		if !returned {
			x.m.calls = nil // Goexit: nobody else hears of it
		}
		x.m.endTurn()
	}()
	x.calls()
	returned = true
}

// calls are a few calls, in a turn or in a listener.
func (x *streamPlay) calls() {
	for n := x.byte() % 4; n > 0 && x.fault == ""; n-- {
		x.call()
	}
}

func (x *streamPlay) call() {
	switch b := x.byte() % 16; {
	case b < 5:
		x.wrote++
		on, err := x.s.Write(x.wrote)
		wantOn, wantErr := x.m.write(x.wrote)
		x.log = append(x.log, fmt.Sprintf("write %d %v %v", x.wrote, on, err))
		if on != wantOn || err != wantErr {
			x.blame("Write(%d) is %v, %v, the model says %v, %v", x.wrote, on, err, wantOn, wantErr)
		}
	case b < 7:
		x.log = append(x.log, "Pause")
		x.s.Pause()
		x.m.move(true)
	case b < 10:
		x.log = append(x.log, "Resume")
		x.s.Resume()
		x.m.move(false)
	case b == 10:
		if hears := x.byte() % 16; hears > 0 && len(x.removes) < 6 {
			x.listen(hears)
		}
	case b == 11:
		if id := int(x.byte()); len(x.removes) > 0 {
			x.removes[id%len(x.removes)]()
			x.m.remove(id % len(x.removes))
		}
	case b == 12:
		err := x.s.Ready(overCtx)
		if want := x.m.ready(); err != want {
			x.blame("Ready is %v, the model says %v", err, want)
		}
	case x.byte() < 128:
	case b == 13:
		runtime.Goexit()
	case b == 14:
		x.log = append(x.log, "Close")
		x.s.Close()
		x.m.close(nil)
	default:
		x.breakOff()
	}
}

func (x *streamPlay) breakOff() {
	if x.byte() < 128 {
		x.log = append(x.log, "CloseWithError")
		x.s.CloseWithError(errTest)
		x.m.close(errTest)
		return
	}
	x.log = append(x.log, "Cancel")
	x.s.Cancel(errCancel)
	x.m.cancel(errCancel)
}

var errCancel = errors.New("test: canceled")

var errOver = errors.New("test: over")

// overCtx has ended, so that Ready only looks.
var overCtx = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errOver)
	return ctx
}()

// What a listener of a play hears; error goes with end, resume with pause.
const (
	hearsData = 1 << iota
	hearsEnd
	hearsDrain
	hearsPause
	hearsAll = 15
)

func (x *streamPlay) listen(hears byte) {
	id := len(x.removes)
	x.log = append(x.log, fmt.Sprintf("listener %d %b", id, hears))
	event := func(name string) func() { return func() { x.heard(id, name) } }
	var l jsgi.Listener[int]
	if hears&hearsData != 0 {
		l.Data = func(v int) { x.heard(id, fmt.Sprint("data ", v)) }
	}
	if hears&hearsEnd != 0 {
		l.End = event("end")
		l.Error = func(err error) { x.heard(id, "error "+err.Error()) }
	}
	if hears&hearsDrain != 0 {
		l.Drain = event("drain")
	}
	if hears&hearsPause != 0 {
		l.Pause, l.Resume = event("pause"), event("resume")
	}
	x.removes = append(x.removes, x.s.AddListener(l))
	x.m.listen(&modelListener{id, hears})
}

// quiet compares what is left when nothing happens any more.
func (x *streamPlay) quiet() {
	if call, ok := x.m.advance(); ok {
		x.blame("nothing happens, the model has %v", call)
	}
	over := false
	select {
	case <-x.s.Done():
		over = true
	default:
	}
	err := x.m.err
	if !x.m.over {
		err = nil
	}
	if over != x.m.over || x.s.Err() != err {
		x.blame("Done is %v, Err %v, the model says %v, %v", over, x.s.Err(), x.m.over, err)
	}
	m := &x.m
	flows := slices.ContainsFunc(m.listeners, func(l *modelListener) bool { return l.hears&hearsData != 0 })
	switch { // S03, S06, S13, S15, S22: nothing that is due stays away
	case len(m.items) > 0 && flows && !m.paused, len(m.items) == 0 && m.owed, len(m.items) == 0 && m.closed && !m.over:
		x.blame("the model itself stands still: %+v", *m)
	}
}
