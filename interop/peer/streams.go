package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

type (
	call   = mux.Duplex[[]byte, []byte]
	reader = omni.Producer[[]byte]
	writer = omni.Consumer[[]byte]
)

// up sends a pattern to the other side's sink, and checks what that says.
func up(ctx context.Context, s *mux.Session, p pattern) error {
	c, err := s.Call(ctx, about{Name: "sink", pattern: p}.metadata())
	if err != nil {
		return err
	}
	return fill(ctx, c, p)
}

// fill writes a pattern to a sink that was called.
func fill(ctx context.Context, c *call, p pattern) error {
	sent, err := pour(ctx, c.Out, p, nil)
	if err != nil {
		return err
	}
	if err := wait(ctx, c.Out.Done()); err != nil {
		return err
	}
	return errors.Join(c.Out.Err(), expect(ctx, c.In, sent))
}

// down reads a pattern from the other side's source.
func down(ctx context.Context, s *mux.Session, p pattern) error {
	c, err := ask(ctx, s, about{Name: "source", pattern: p})
	if err != nil {
		return err
	}
	_, err = drain(ctx, c.In, p)
	return err
}

// echo sends a pattern and reads it again.
func echo(ctx context.Context, s *mux.Session, metadata []byte, p pattern) error {
	c, err := s.Call(ctx, metadata)
	if err != nil {
		return err
	}
	writing := make(chan error, 1)
	go func() {
		_, err := pour(ctx, c.Out, p, nil)
		writing <- err
	}()
	got, err := c.Metadata(ctx)
	if err == nil && string(got) != string(metadata) {
		err = errors.New("the answer has other metadata than the call")
	}
	_, wrong := drain(ctx, c.In, p)
	return errors.Join(err, wrong, <-writing)
}

// each runs f for 0 to n-1 at once, and returns the first error when all are
// through.
func each(n int, f func(int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- f(i) }()
	}
	var first error
	for range n {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// ask calls without items.
func ask(ctx context.Context, s *mux.Session, a about) (*call, error) {
	c, err := s.Call(ctx, a.metadata())
	if err != nil {
		return nil, err
	}
	return c, c.Out.End()
}

// pour writes all items of a pattern and the end. Unless it is nil, written is
// how many.
func pour(ctx context.Context, out *writer, p pattern, written *atomic.Uint64) (tally, error) {
	c := p.counter()
	for item, more := c.want.next(); more; item, more = c.want.next() {
		if err := out.Write(ctx, item); err != nil {
			return c.tally(), err
		}
		c.add(item)
		if written != nil {
			written.Store(c.count)
		}
	}
	return c.tally(), out.End()
}

// drain reads a pattern to the end.
func drain(ctx context.Context, in *reader, p pattern) (tally, error) {
	c := p.counter()
	err := c.read(ctx, in, -1)
	return c.tally(), err
}

// read reads n items, or with -1 all and the end.
func (c *counter) read(ctx context.Context, in *reader, n int) error {
	for ; n != 0; n-- {
		item, err := in.Next(ctx)
		if err == io.EOF && n < 0 {
			return c.complete()
		}
		if err != nil {
			return err
		}
		if err := c.take(item); err != nil {
			in.Cancel(err)
			return err
		}
	}
	return nil
}

// expect reads one tally and the end.
func expect(ctx context.Context, in *reader, want tally) error {
	got, err := readTally(ctx, in)
	if err == nil && got != want {
		err = fmt.Errorf("the other side saw %+v instead of %+v", got, want)
	}
	return err
}

func readTally(ctx context.Context, in *reader) (t tally, err error) {
	item, err := in.Next(ctx)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(item, &t); err != nil {
		return t, err
	}
	if item, err = in.Next(ctx); err != io.EOF {
		return t, fmt.Errorf("instead of the end: %q, %w", item, err)
	}
	return t, nil
}

// last asks what the other side saw of a stream, with over once that is over.
func last(ctx context.Context, s *mux.Session, id string, over bool) (t tally, err error) {
	c, err := ask(ctx, s, about{Name: "last", ID: id, Wait: over})
	if err != nil {
		return t, err
	}
	return readTally(ctx, c.In)
}

// broken is an error unless err is one of the other side with code and reason.
func broken(err error, code uint32, reason string) error {
	var e *omni.StreamError
	if !errors.As(err, &e) || !e.Remote || uint32(e.Code) != code || e.Reason != reason {
		return fmt.Errorf("instead of code %d, %q of the other side: %w", code, reason, err)
	}
	return nil
}
