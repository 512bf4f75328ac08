package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// drive is one run of a scenario against a server.
type drive struct {
	*mux.Session
	size int // bytes of each of the hundred streams
}

// scenario returns how many bytes it moved, if that is measured.
type scenario struct {
	name string
	run  func(*drive, context.Context) (int, error)
}

// scenarios in their order.
var scenarios = []scenario{
	{"hello", unmeasured((*drive).hello)},
	{"echo", unmeasured((*drive).echo)},
	{"calls", unmeasured((*drive).calls)},
	{"long", unmeasured((*drive).long)},
	{"metadata", unmeasured((*drive).metadata)},
	{"one-way", unmeasured((*drive).oneWay)},
	{"hundred-up", (*drive).hundredUp},
	{"hundred-down", (*drive).hundredDown},
	{"slow-up", unmeasured((*drive).slowUp)},
	{"slow-down", unmeasured((*drive).slowDown)},
	{"cancel-up", unmeasured((*drive).cancelUp)},
	{"cancel-down", unmeasured((*drive).cancelDown)},
	{"give-up", unmeasured((*drive).giveUp)},
	{"fail-up", unmeasured((*drive).failUp)},
	{"fail-down", unmeasured((*drive).failDown)},
	{"refuse", unmeasured((*drive).refuse)},
	{"churn", unmeasured((*drive).churn)},
	{"back", unmeasured((*drive).back)},
	{"shutdown", unmeasured((*drive).shutdown)},
	{"leave", unmeasured((*drive).leave)},
	{"abrupt", unmeasured((*drive).abrupt)},
}

func unmeasured(run func(*drive, context.Context) error) func(*drive, context.Context) (int, error) {
	return func(d *drive, ctx context.Context) (int, error) { return 0, run(d, ctx) }
}

// hello: the other side has said who it is, in metadata of the greatest length.
func (d *drive) hello(ctx context.Context) error {
	metadata, err := d.Peer(ctx)
	if err != nil {
		return err
	}
	if string(metadata) != greeting("serve") {
		return fmt.Errorf("HELLO has %d bytes of metadata, %.20q", len(metadata), metadata)
	}
	return d.small(ctx)
}

// small is a call that goes to and fro.
func (d *drive) small(ctx context.Context) error {
	return echo(ctx, d.Session, about{Name: "echo"}.metadata(), pattern{Seed: 4, Bytes: 10})
}

// echo: what is sent comes back.
func (d *drive) echo(ctx context.Context) error {
	return echo(ctx, d.Session, about{Name: "echo"}.metadata(), pattern{Seed: 1, Bytes: 1_000_000})
}

// calls: more at once than there are slots.
func (d *drive) calls(ctx context.Context) error {
	return each(300, func(i int) error {
		return echo(ctx, d.Session, about{Name: "echo"}.metadata(), pattern{Seed: 1 + uint32(i), Bytes: 1000, Size: 97})
	})
}

// long: items of the greatest length pass, and a longer one fails alone.
func (d *drive) long(ctx context.Context) error {
	p := pattern{Seed: 2, Bytes: 3*maxItem + 1, Size: maxItem}
	c, err := d.Call(ctx, about{Name: "sink", pattern: p}.metadata())
	if err != nil {
		return err
	}
	if err := c.Out.Write(ctx, make([]byte, maxItem+1)); !errors.Is(err, omni.ErrTooLarge) {
		return fmt.Errorf("an item of %d bytes: %v", maxItem+1, err)
	}
	if err := fill(ctx, c, p); err != nil {
		return err
	}
	return down(ctx, d.Session, p)
}

// metadata: of the greatest length it passes, and longer it fails alone.
func (d *drive) metadata(ctx context.Context) error {
	a := about{Name: "echo", Reason: "m"}
	a.Reason = strings.Repeat("m", maxMetadata-len(a.metadata())+1)
	if _, err := d.Call(ctx, append(a.metadata(), ' ')); !errors.Is(err, omni.ErrTooLarge) {
		return fmt.Errorf("metadata of %d bytes: %v", maxMetadata+1, err)
	}
	return echo(ctx, d.Session, a.metadata(), pattern{Seed: 3, Bytes: 1000})
}

// oneWay: the writer gets a receipt.
func (d *drive) oneWay(ctx context.Context) error {
	return each(10, func(i int) error {
		a := about{Name: "sink", ID: fmt.Sprint("one-way ", i), pattern: pattern{Seed: 10 + uint32(i), Bytes: 100_000}}
		out, err := d.Open(ctx, a.metadata())
		if err != nil {
			return err
		}
		sent, err := pour(ctx, out, a.pattern, nil)
		if err != nil {
			return err
		}
		if err := wait(ctx, out.Done()); err != nil {
			return err
		}
		if err := out.Err(); err != nil {
			return err
		}
		return d.saw(ctx, a.ID, sent)
	})
}

// saw checks what the server saw of a stream, to its end.
func (d *drive) saw(ctx context.Context, id string, want tally) error {
	got, err := last(ctx, d.Session, id, true)
	if err == nil && got != want {
		err = fmt.Errorf("the server saw %+v instead of %+v", got, want)
	}
	return err
}

const streams = 100

// hundredUp: so many streams at once to the server, all open before the first
// item goes out.
func (d *drive) hundredUp(ctx context.Context) (int, error) {
	var calls [streams]*call
	pattern := func(i int) pattern { return pattern{Seed: 100 + uint32(i), Bytes: d.size} }
	err := each(streams, func(i int) (err error) {
		calls[i], err = d.Call(ctx, about{Name: "sink", pattern: pattern(i)}.metadata())
		return err
	})
	if err != nil {
		return 0, err
	}
	return streams * d.size, each(streams, func(i int) error { return fill(ctx, calls[i], pattern(i)) })
}

// hundredDown: so many from the server, all asked for before the first item
// is read.
func (d *drive) hundredDown(ctx context.Context) (int, error) {
	var calls [streams]*call
	source := func(i int) about {
		return about{Name: "source", ID: fmt.Sprint("down ", i), pattern: pattern{Seed: 200 + uint32(i), Bytes: d.size}}
	}
	err := each(streams, func(i int) (err error) {
		calls[i], err = ask(ctx, d.Session, source(i))
		return err
	})
	if err != nil {
		return 0, err
	}
	return streams * d.size, each(streams, func(i int) error {
		got, err := drain(ctx, calls[i].In, source(i).pattern)
		if err != nil {
			return err
		}
		return d.saw(ctx, source(i).ID, got)
	})
}

// slow are the patterns that a slow reader gets: one that the window's items
// stop, and one that its bytes do.
var slow = []pattern{{Seed: 300, Bytes: 200_000, Size: 100}, {Seed: 301, Bytes: 8_000_000, Size: 30_000}}

const taken = 10 // items before a reader stands still, or cancels

// slowUp: while the server's reader stands still, this writer gets no further
// than the window, and other calls go on.
func (d *drive) slowUp(ctx context.Context) error {
	for _, p := range slow {
		a := about{Name: "sink", pattern: p, ID: fmt.Sprint("slow-up ", p.Seed), Stop: taken}
		c, err := d.Call(ctx, a.metadata())
		if err != nil {
			return err
		}
		var written atomic.Uint64
		var sent tally
		writing := make(chan error, 1)
		go func() {
			var err error
			sent, err = pour(ctx, c.Out, p, &written)
			writing <- err
		}()
		if item, err := c.In.Next(ctx); err != nil || string(item) != "still" {
			return fmt.Errorf("instead of standing still: %q, %w", item, err)
		}
		if err := d.stuck(ctx, p, func() (uint64, error) { return written.Load(), nil }); err != nil {
			return err
		}
		g, err := ask(ctx, d.Session, about{Name: "go", ID: a.ID})
		if err != nil {
			return err
		}
		if err := readEnd(ctx, g); err != nil {
			return err
		}
		if err := <-writing; err != nil {
			return err
		}
		if err := expect(ctx, c.In, sent); err != nil {
			return err
		}
	}
	return nil
}

// slowDown: the same with this reader and the server's writer.
func (d *drive) slowDown(ctx context.Context) error {
	for _, p := range slow {
		a := about{Name: "source", pattern: p, ID: fmt.Sprint("slow-down ", p.Seed)}
		call, err := ask(ctx, d.Session, a)
		if err != nil {
			return err
		}
		c := p.counter()
		if err := c.read(ctx, call.In, taken); err != nil {
			return err
		}
		err = d.stuck(ctx, p, func() (uint64, error) {
			t, err := last(ctx, d.Session, a.ID, false)
			return t.Items, err
		})
		if err != nil {
			return err
		}
		if err := c.read(ctx, call.In, -1); err != nil {
			return err
		}
		if err := d.saw(ctx, a.ID, c.tally()); err != nil {
			return err
		}
	}
	return nil
}

// stuck waits until a writer has used up the least window that there may be,
// and moves no more during ten calls that go to and fro. It is an error if
// more was written than the greatest window allows.
func (d *drive) stuck(ctx context.Context, p pattern, written func() (uint64, error)) error {
	least := min(prefetch, uint64(maxItem/p.Size))
	most := taken + min(prefetch, uint64(window/p.Size))
	var before uint64
	for same := 0; same < 10; {
		if err := d.small(ctx); err != nil {
			return err
		}
		now, err := written()
		if err != nil {
			return err
		}
		if now > most {
			return fmt.Errorf("%d items of %d bytes are written though the reader took %d: at most %d should be", now, p.Size, taken, most)
		}
		if same++; now < least || now != before {
			same = 0
		}
		before = now
	}
	return nil
}
