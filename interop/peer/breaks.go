package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// endless is what nobody reads to the end.
var endless = pattern{Seed: 400, Bytes: 50_000_000}

const because = "genug – もう十分 ✋"

// The reasons of a writer that breaks off: the first passes as it is, the
// second is cut after the last whole rune within 1,024 bytes.
var reasons = []struct {
	code     uint32
	reason   string
	received string
}{
	{1<<32 - 1, "kaputt – 壊れた ✗", "kaputt – 壊れた ✗"},
	{256, "x" + strings.Repeat("ü", 600), "x" + strings.Repeat("ü", 511)},
}

// cancelUp: the server cancels what it reads, of a call and of a one-way
// stream, and the writer here is told why.
func (d *drive) cancelUp(ctx context.Context) error {
	a := about{Name: "sink", pattern: endless, Cancel: taken, Code: 300, Reason: because}
	c, err := d.Call(ctx, a.metadata())
	if err != nil {
		return err
	}
	if err := canceled(ctx, c.Out, a); err != nil {
		return err
	}
	saw, err := readTally(ctx, c.In)
	if err != nil {
		return err
	}
	if err := a.stopped(saw); err != nil {
		return err
	}

	a.ID = "cancel-up"
	out, err := d.Open(ctx, a.metadata())
	if err != nil {
		return err
	}
	if err := canceled(ctx, out, a); err != nil {
		return err
	}
	if saw, err = last(ctx, d.Session, a.ID, true); err != nil {
		return err
	}
	return a.stopped(saw)
}

// canceled writes until the stream is canceled as a says.
func canceled(ctx context.Context, out *writer, a about) error {
	sent, err := pour(ctx, out, a.pattern, nil)
	if err := broken(err, a.Code, a.Reason); err != nil {
		return err
	}
	if sent.Items < taken || sent.Items > taken+prefetch {
		return fmt.Errorf("%d items were written to a reader that took %d", sent.Items, taken)
	}
	if err := wait(ctx, out.Done()); err != nil {
		return err
	}
	return broken(out.Err(), a.Code, a.Reason)
}

// stopped checks what a reader saw that canceled.
func (a about) stopped(saw tally) error {
	if saw.Items != taken || saw.Code != a.Code || saw.Reason != a.Reason {
		return fmt.Errorf("the reader that canceled saw %+v", saw)
	}
	return nil
}

// cancelDown: this side cancels an answer, and the server's writer is told
// why.
func (d *drive) cancelDown(ctx context.Context) error {
	a := about{Name: "source", pattern: endless, ID: "cancel-down"}
	call, err := ask(ctx, d.Session, a)
	if err != nil {
		return err
	}
	c := a.counter()
	if err := c.read(ctx, call.In, taken); err != nil {
		return err
	}
	call.In.Cancel(&omni.StreamError{Code: 301, Reason: because})
	saw, err := last(ctx, d.Session, a.ID, true)
	if err != nil {
		return err
	}
	if saw.Items < taken || saw.Items > taken+prefetch || saw.Code != 301 || saw.Reason != because {
		return fmt.Errorf("the writer whose reader canceled saw %+v", saw)
	}
	return nil
}

// giveUp: this side gives up a call that has no answer yet.
func (d *drive) giveUp(ctx context.Context) error {
	a := about{Name: "source", pattern: endless, ID: "give-up"}
	c, err := d.Call(ctx, a.metadata())
	if err != nil {
		return err
	}
	why := &omni.StreamError{Code: 302, Reason: because}
	c.Out.Cancel(why)
	c.In.Cancel(why)
	return d.sawEnd(ctx, a.ID, 0, 302, because)
}

// sawEnd checks how a stream ended for the server.
func (d *drive) sawEnd(ctx context.Context, id string, items uint64, code uint32, reason string) error {
	saw, err := last(ctx, d.Session, id, true)
	if err == nil && (saw.Items != items || saw.Code != code || saw.Reason != reason) {
		err = fmt.Errorf("the server saw %+v instead of %d items, code %d, %q", saw, items, code, reason)
	}
	return err
}

// failUp: this side breaks off what it writes, a call and a one-way stream;
// the server reads what came before, then why.
func (d *drive) failUp(ctx context.Context) error {
	for i, r := range reasons {
		a := about{Name: "sink", pattern: endless, ID: fmt.Sprint("fail-up ", i)}
		c, err := d.Call(ctx, a.metadata())
		if err != nil {
			return err
		}
		if err := breakOff(ctx, c.Out, taken, r.code, r.reason); err != nil {
			return err
		}
		if err := d.sawEnd(ctx, a.ID, taken, r.code, r.received); err != nil {
			return err
		}
		// The sink breaks off its answer with what it saw.
		_, err = c.In.Next(ctx)
		if err := broken(err, r.code, r.received); err != nil {
			return err
		}

		a.ID += " one-way"
		out, err := d.Open(ctx, a.metadata())
		if err != nil {
			return err
		}
		if err := breakOff(ctx, out, taken, r.code, r.reason); err != nil {
			return err
		}
		if err := d.sawEnd(ctx, a.ID, taken, r.code, r.received); err != nil {
			return err
		}
	}
	return nil
}

// breakOff writes so many items, then fails.
func breakOff(ctx context.Context, out *writer, items uint64, code uint32, reason string) error {
	it := endless.items()
	for range items {
		item, _ := it.next()
		if err := out.Write(ctx, item); err != nil {
			return err
		}
	}
	out.Cancel(&omni.StreamError{Code: omni.Code(code), Reason: reason})
	return nil
}

// failDown: the server breaks off what it writes.
func (d *drive) failDown(ctx context.Context) error {
	for i, r := range reasons {
		a := about{Name: "source", pattern: endless, ID: fmt.Sprint("fail-down ", i), Fail: taken, Code: r.code, Reason: r.reason}
		call, err := ask(ctx, d.Session, a)
		if err != nil {
			return err
		}
		c := a.counter()
		if err := c.read(ctx, call.In, taken); err != nil {
			return err
		}
		_, err = call.In.Next(ctx)
		if err := broken(err, r.code, r.received); err != nil {
			return err
		}
	}
	return nil
}

// refuse: names that nobody serves, and metadata without one, are refused.
func (d *drive) refuse(ctx context.Context) error {
	for _, metadata := range []string{`{"name":"nobody"}`, `{"Name":"echo"}`, `{"name":7}`, `["name"]`, "not JSON", ""} {
		c, err := d.Call(ctx, []byte(metadata))
		if err != nil {
			return err
		}
		if _, err := c.In.Next(ctx); !refused(err) {
			return fmt.Errorf("a call of %q: %w", metadata, err)
		}
		if _, err := pour(ctx, c.Out, endless, nil); !refused(err) {
			return fmt.Errorf("the question of %q: %w", metadata, err)
		}
		out, err := d.Open(ctx, []byte(metadata))
		if err != nil {
			return err
		}
		if err := wait(ctx, out.Done()); err != nil {
			return err
		}
		if err := out.Err(); !refused(err) {
			return fmt.Errorf("a stream of %q: %w", metadata, err)
		}
	}
	return nil
}

func refused(err error) bool {
	var e *omni.StreamError
	return errors.As(err, &e) && e.Remote && e.Code == omni.CodeRefused
}

// back: the server opens streams to this side.
func (d *drive) back(ctx context.Context) error {
	c, err := ask(ctx, d.Session, about{Name: "back", pattern: pattern{Seed: 500, Bytes: 1_000_000}})
	if err != nil {
		return err
	}
	return readEnd(ctx, c)
}

// readEnd reads the end of an answer without items.
func readEnd(ctx context.Context, c *call) error {
	item, err := c.In.Next(ctx)
	if err == nil {
		return fmt.Errorf("instead of the end: %q", item)
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// churn: streams that break off in all ways and at all times, more than there
// are slots, leave nothing behind.
func (d *drive) churn(ctx context.Context) error {
	ways := []func(*drive, context.Context, uint64) error{
		(*drive).churnCancel, (*drive).churnCanceled, (*drive).churnGiveUp, (*drive).churnFail,
	}
	err := each(400, func(i int) error { return ways[i%len(ways)](d, ctx, uint64(1+i%19)) })
	if err != nil {
		return err
	}
	return d.small(ctx)
}

// churnCancel cancels an answer after so many items.
func (d *drive) churnCancel(ctx context.Context, items uint64) error {
	call, err := ask(ctx, d.Session, about{Name: "source", pattern: endless})
	if err != nil {
		return err
	}
	if err := endless.counter().read(ctx, call.In, int(items)); err != nil {
		return err
	}
	call.In.Cancel(&omni.StreamError{Code: 303, Reason: because})
	return nil
}

// churnCanceled writes until it is canceled after so many items.
func (d *drive) churnCanceled(ctx context.Context, items uint64) error {
	a := about{Name: "sink", pattern: endless, Cancel: items, Code: 304, Reason: because}
	out, err := d.Open(ctx, a.metadata())
	if err != nil {
		return err
	}
	_, err = pour(ctx, out, endless, nil)
	return broken(err, a.Code, a.Reason)
}

// churnGiveUp gives up a call at once.
func (d *drive) churnGiveUp(ctx context.Context, _ uint64) error {
	c, err := d.Call(ctx, about{Name: "source", pattern: endless}.metadata())
	if err != nil {
		return err
	}
	why := &omni.StreamError{Code: 305, Reason: because}
	c.Out.Cancel(why)
	c.In.Cancel(why)
	return nil
}

// churnFail breaks off a question after so many items.
func (d *drive) churnFail(ctx context.Context, items uint64) error {
	c, err := d.Call(ctx, about{Name: "sink", pattern: endless}.metadata())
	if err != nil {
		return err
	}
	if err := breakOff(ctx, c.Out, items, 306, because); err != nil {
		return err
	}
	_, err = c.In.Next(ctx)
	return broken(err, 306, because)
}

// underWay begins to read a pattern: one item was taken.
func (d *drive) underWay(ctx context.Context, p pattern) (*call, *counter, error) {
	asked, err := ask(ctx, d.Session, about{Name: "source", pattern: p})
	if err != nil {
		return nil, nil, err
	}
	c := p.counter()
	return asked, c, c.read(ctx, asked.In, 1)
}

// shutdown: a stream that lives when it begins comes to its end, a new one is
// not opened any more, and both sides say goodbye.
func (d *drive) shutdown(ctx context.Context) error {
	call, c, err := d.underWay(ctx, pattern{Seed: 600, Bytes: 1_000_000})
	if err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() { over <- d.Shutdown(ctx) }()
	if err := d.noMore(ctx); err != nil {
		return err
	}
	if err := c.read(ctx, call.In, -1); err != nil {
		return err
	}
	return <-over
}

// noMore makes calls until one fails since the session is shutting down.
func (d *drive) noMore(ctx context.Context) error {
	for {
		if err := d.small(ctx); errors.Is(err, omni.ErrShuttingDown) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// leave: the same when the server begins it.
func (d *drive) leave(ctx context.Context) error {
	call, c, err := d.underWay(ctx, pattern{Seed: 601, Bytes: 1_000_000})
	if err != nil {
		return err
	}
	l, err := ask(ctx, d.Session, about{Name: "leave"})
	if err != nil {
		return err
	}
	if err := readEnd(ctx, l); err != nil {
		return err
	}
	if err := d.noMore(ctx); err != nil {
		return err
	}
	if err := c.read(ctx, call.In, -1); err != nil {
		return err
	}
	if err := wait(ctx, d.Done()); err != nil {
		return err
	}
	return d.Err()
}

// abrupt: of a session that is broken off the server tells otherwise.
func (d *drive) abrupt(ctx context.Context) error {
	call, c, err := d.underWay(ctx, endless)
	if err != nil {
		return err
	}
	if err := d.Close(); err != nil {
		return err
	}
	if err := c.read(ctx, call.In, -1); !errors.Is(err, mux.ErrSessionLost) {
		return fmt.Errorf("a stream of a session that was closed: %w", err)
	}
	return nil
}
