package omni

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// P25, P17, L1, L2, L3, L5: a random chain of stages under a random program of
// reads, requests and ways to end it. What is read is a prefix of what was
// written, no more is written than was asked for, the end is final and is one
// that somebody caused, and nothing runs on.
func TestP17P25RandomPrograms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prog := drawProgram(t) // before anything runs that a failed draw would leave behind
		rapid.SyncTest(t, func(t *rapid.T) { prog.run(t) })
	})
}

// A program is all that is random about one run.
type program struct {
	Prefetch, Items, PauseAfter int
	WriterCancels               bool
	Produced                    bool // by Produce, whose func takes its time to leave
	Stages                      []string
	Steps                       []step
}

type step struct {
	Do string
	N  int
}

func drawProgram(t *rapid.T) program {
	var names []string
	for _, s := range stageCases {
		if s.parts == 0 { // those that neither cut nor change items
			names = append(names, s.name)
		}
	}
	steps := rapid.Custom(func(t *rapid.T) step {
		return step{
			rapid.SampledFrom([]string{"next", "next", "next", "next", "request", "settle", "cancel", "ctx"}).Draw(t, "do"),
			rapid.IntRange(0, 100).Draw(t, "n"),
		}
	})
	return program{
		Prefetch:      rapid.SampledFrom([]int{-1, 1, 2, 7, 0}).Draw(t, "prefetch"),
		Items:         rapid.SampledFrom([]int{0, 1, 2, 5, 40, 150}).Draw(t, "items"),
		PauseAfter:    rapid.IntRange(1, 50).Draw(t, "pause after"),
		WriterCancels: rapid.Bool().Draw(t, "writer cancels"),
		Produced:      rapid.Bool().Draw(t, "produced"),
		Stages:        rapid.SliceOfN(rapid.SampledFrom(names), 0, 4).Draw(t, "stages"),
		Steps:         rapid.SliceOfN(steps, 20, 80).Draw(t, "steps"),
	}
}

func (prog program) run(t *rapid.T) {
	ctx, cancel := context.WithCancelCause(bg)
	defer cancel(nil)
	p, c, returned := prog.start()
	defer p.Cancel(nil)
	for _, name := range prog.Stages {
		for _, s := range stageCases {
			if s.name == name {
				p = s.on(ctx, p, nil)
			}
		}
	}
	prog.read(t, p, cancel)
	p.Cancel(errOther)
	_, first := p.Next(bg)
	_, again := p.Next(bg)
	if first == nil || first != again || cleanIsNil(first) != p.Err() || !isDone(p.Done()) {
		t.Fatalf("ended with %v, then with %v; Err = %v", first, again, p.Err())
	}
	if prog.Produced && !isDone(returned) {
		t.Fatal("Next has told the end before the Produce func was gone")
	}
	time.Sleep(time.Minute) // the writer pauses
	if asked, written := totals(c); written > asked {
		t.Fatalf("%d written, %d asked for", written, asked)
	}
	if !isDone(returned) || !isDone(c.Done()) {
		t.Fatal("the writer still runs")
	}
}

// start starts the writer; returned closes when it is gone.
func (prog program) start() (p *Producer[int], c *Consumer[int], returned chan struct{}) {
	returned = make(chan struct{})
	if !prog.Produced {
		p, c = NewStream[int](&Options{Prefetch: prog.Prefetch})
		go func() {
			defer close(returned)
			prog.write(c)
		}()
		return p, c, returned
	}
	writing := make(chan *Consumer[int], 1)
	p = Produce(bg, func(_ context.Context, c *Consumer[int]) error {
		defer close(returned)
		defer time.Sleep(time.Second)
		writing <- c
		prog.write(c)
		return nil
	})
	return p, <-writing, returned
}

// write writes 0, 1 … with pauses, and ends the stream.
func (prog program) write(c *Consumer[int]) {
	for i := range prog.Items {
		if c.Write(bg, i) != nil {
			return
		}
		if i%prog.PauseAfter == 0 {
			time.Sleep(time.Second)
		}
	}
	if prog.WriterCancels {
		c.Cancel(errBoom)
	} else {
		c.End()
	}
}

// read does the steps and checks each answer.
func (prog program) read(t *rapid.T, p *Producer[int], cancel context.CancelCauseFunc) {
	next := 0
	var end error
	for _, s := range prog.Steps {
		switch s.Do {
		case "request":
			p.Request(uint32(s.N))
		case "settle":
			synctest.Wait()
		case "cancel":
			if s.N > 90 {
				p.Cancel(errOther)
			}
		case "ctx":
			if s.N > 90 {
				cancel(errOther)
			}
		case "next":
			call, stop := context.WithTimeout(bg, time.Duration(s.N)*50*time.Millisecond)
			v, err := p.Next(call)
			stop()
			switch {
			case err == nil && end == nil:
				if v != next {
					t.Fatalf("got %d, want %d", v, next)
				}
				next++
			case err == context.DeadlineExceeded && end == nil:
			case err != io.EOF && err != errBoom && err != errOther:
				t.Fatalf("got %v, which nobody caused", err)
			case end != nil && end != err:
				t.Fatalf("ended with %v, then with %v", end, err)
			case err == io.EOF && next != prog.Items:
				t.Fatalf("a clean end after %d of %d items", next, prog.Items)
			default:
				end = err
			}
		}
	}
}
