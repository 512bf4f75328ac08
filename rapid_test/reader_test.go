package laws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"omnistreams.dev/omni"
)

// reading is a reader at work.
type reading struct {
	x    *runner
	key  int
	half *half
	rec  *record
	p    *omni.Producer[[]byte] // what the script reads from
	err  error                  // what the stream's end looked like to Next, or to a loop
}

// read plays the reader's script of a half.
func (x *runner) read(key int, a *actor, p *omni.Producer[[]byte]) {
	r := &reading{x: x, key: key, half: x.p.half(key), rec: x.h.halves[key]}
	if x.p.Streams[key/2].Stalled {
		p.Request(2)
		r.rec.request(2)
		select {
		case <-x.quiet:
		case <-x.ctx.Done():
		}
	}
	var piping sync.WaitGroup
	defer piping.Wait()
	r.p = omni.NewProducer(&counted{p.Source(), r.rec.account})
	switch r.half.Via {
	case viaMap:
		r.p = omni.Map(x.ctx, r.p, func(v []byte) ([]byte, error) { return v, nil })
	case viaPipe:
		src := r.p
		in, out := omni.NewStream[[]byte](&omni.Options{Prefetch: -1})
		piping.Go(func() { _ = src.Pipe(x.ctx, out) }) // both ends have it
		r.p = in
	}
	for _, op := range r.half.Reads {
		a.step()
		if !r.op(op) {
			break
		}
	}
	a.step()
	if r.err == nil {
		r.leave(p)
	}
	if context.Cause(x.ctx) == errStuck {
		x.h.broke(0, "half %d: the reader is stuck", key)
		return
	}
	r.rec.do(func() { r.rec.stopped = true })
	r.rec.read, r.rec.readOver = endingOf(r.p.Err()), true
	r.insist()
}

// op does one step of the script, and reports whether the script goes on.
func (r *reading) op(op readOp) bool {
	switch op.Kind {
	case readRequest:
		r.p.Request(uint32(op.N))
		return true
	case readPoll:
		if err := r.item(ended); err != errImpatient {
			return err == nil
		}
	case readImpatient:
		for range 3 {
			ctx, cancel := context.WithTimeoutCause(r.x.ctx, time.Millisecond, errImpatient)
			err := r.item(ctx)
			cancel()
			if err != errImpatient {
				return err == nil
			}
		}
	}
	return r.item(r.x.ctx) == nil
}

// item reads the next item with Next.
func (r *reading) item(ctx context.Context) error {
	v, err := r.p.Next(ctx)
	if err == nil {
		r.got(v)
	} else if !errors.Is(err, errImpatient) {
		r.err = err
	}
	return err
}

// got checks that v is what was written at this place.
func (r *reading) got(v []byte) {
	if want := r.half.payload(r.key, r.rec.delivered); !bytes.Equal(v, want) {
		r.x.h.broke(2, "half %d: item %d is %x, not %x", r.key, r.rec.delivered, v, want)
	}
	r.rec.delivered++
}

// leave takes the script's way to the end of the stream; p is the stream
// itself.
func (r *reading) leave(p *omni.Producer[[]byte]) {
	switch r.half.Leave {
	case leaveDrain:
		for r.item(r.x.ctx) == nil {
		}
	case leaveQuiet:
		r.quietly()
	case leaveCancel:
		r.p.Cancel(r.half.By.err())
	default:
		// A stream in process has a loop of its own, which nothing may
		// stand in front of.
		if _, ok := r.x.f.(*local); ok && r.half.Via == direct {
			r.p = p
		}
		r.loop()
	}
}

// quietly requests what is missing and takes it without ever asking for more:
// the end must come all the same.
func (r *reading) quietly() {
	missing := r.half.items() - r.rec.delivered
	r.p.Request(uint32(missing))
	for {
		v, err := r.p.Source().Next(r.x.ctx, false)
		if err != nil {
			r.err = err
			return
		}
		r.got(v)
	}
}

// loop reads with All.
func (r *reading) loop() {
	ctx, cancel := context.WithCancelCause(r.x.ctx)
	defer cancel(nil)
	_, kept := r.p.Source().(*counted)
	own, start := !kept && r.half.Via == direct, 0
	if own {
		start = r.own()
	}
	n := 0
	for v, err := range r.p.All(ctx) {
		if err != nil {
			r.err = err
			break
		}
		r.got(v)
		n++
		if own {
			r.rec.looped(start, n)
		}
		if n != r.half.Loop {
			continue
		}
		if r.half.Leave == leaveBreak {
			break
		}
		if r.half.Leave == leaveCtx {
			cancel(r.half.By.err())
		}
	}
	if r.err == nil && r.half.Leave != leaveBreak {
		r.err = io.EOF
	}
}

// own keeps the account of a loop that asks for itself: each item that is
// delivered gives the writer room for a window of others. It returns what was
// requested before.
func (r *reading) own() (start int) {
	r.rec.do(func() {
		start = r.rec.requested
		r.rec.looping = true
		r.rec.upper = max(r.rec.upper, r.rec.requested+max(r.rec.window, omni.DefaultPrefetch))
	})
	return start
}

// insist looks at the end again, and tries to change it.
func (r *reading) insist() {
	before := r.p.Err()
	if r.err != nil && r.err != io.EOF && r.err != before || r.err == io.EOF && before != nil {
		r.x.h.broke(3, "half %d: the reader was told %v, and Err says %v", r.key, r.err, before)
	}
	r.p.Cancel(&omni.StreamError{Code: 999, Reason: "too late"})
	r.p.Request(3)
	want := before
	if want == nil {
		want = io.EOF
	}
	for range 2 {
		if v, err := r.p.Next(r.x.ctx); err != want {
			r.x.h.broke(3, "half %d: after the end %v there is %x, %v", r.key, want, v, err)
		}
	}
	select {
	case <-r.p.Done():
	default:
		r.x.h.broke(3, "half %d: Done is open after the reader's end", r.key)
	}
	if after := r.p.Err(); after != before {
		r.x.h.broke(3, "half %d: the reader's end was %v and later %v", r.key, before, after)
	}
}
