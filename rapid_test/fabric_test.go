package laws

import (
	"context"
	"net"
	"sync"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// A fabric carries the streams of a program between two sides.
type fabric interface {
	// open opens a stream from a side; of a call, in is its answer.
	open(ctx context.Context, side, stream int, call bool) (out *omni.Consumer[[]byte], in *omni.Producer[[]byte], err error)
	// accept returns the next stream that the other side opened.
	accept(ctx context.Context, side int) (*arrival, error)
	// end sees that nothing is left when all streams are over.
	end(ctx context.Context)
}

// arrival is a stream that came in.
type arrival struct {
	stream int
	in     *omni.Producer[[]byte]
	reply  func(context.Context) (*omni.Consumer[[]byte], error)
	refuse func()
}

// local carries streams in the process, without a session.
type local struct {
	opt    *omni.Options
	queues [2]chan *arrival // by accepting side
}

func newLocal(p *program) *local {
	l := &local{opt: &omni.Options{Prefetch: p.Prefetch}}
	for i := range l.queues {
		l.queues[i] = make(chan *arrival, len(p.Streams))
	}
	return l
}

func (l *local) open(_ context.Context, side, stream int, call bool) (*omni.Consumer[[]byte], *omni.Producer[[]byte], error) {
	in, out := omni.NewStream[[]byte](l.opt)
	a := &arrival{stream: stream, in: in}
	var back *omni.Producer[[]byte]
	if call {
		answer, answerer := omni.NewStream[[]byte](l.opt)
		back = answer
		a.reply = func(context.Context) (*omni.Consumer[[]byte], error) { return answerer, nil }
		a.refuse = func() {
			err := &omni.StreamError{Code: omni.CodeRefused, Reason: refusal}
			in.Cancel(err)
			answerer.Cancel(err)
		}
	}
	l.queues[1-side] <- a
	return out, back, nil
}

func (l *local) accept(ctx context.Context, side int) (*arrival, error) {
	select {
	case a := <-l.queues[side]:
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *local) end(context.Context) {}

// sessions carries streams over a session at each side of a transport.
type sessions struct {
	h     *history
	sides [2]*mux.Session
	free  [2][2]int64 // of the budgets, before anything began
}

// muxOptions are a session's, as the program has them.
func muxOptions(p *program) *mux.Options {
	o := &mux.Options{Prefetch: p.Prefetch, MaxItem: p.MaxItem, Window: p.Window, MaxStreams: p.MaxStreams, Budget: budget(p)}
	if p.Prefetch == 0 {
		o.Prefetch = -1
	}
	return o
}

// budget is enough for each stream's share and little more, or plenty.
func budget(p *program) int64 {
	if p.Tight {
		return 16 * int64(p.MaxStreams) * int64(p.MaxItem+64*max(p.Prefetch, 1))
	}
	return 64 << 20
}

// newSessions starts a session at each end of a transport, with taps.
func newSessions(h *history, a, b transport.Conn) (*sessions, error) {
	h.wire = newWire(h, a, b)
	s := &sessions{h: h}
	for i := range s.sides {
		session, err := mux.New(h.wire.taps[i], muxOptions(h.p))
		if err != nil {
			s.closeAll()
			return nil, err
		}
		s.sides[i] = session
		st := session.Stats()
		s.free[i] = [2]int64{st.AnswersFree, st.WindowsFree}
	}
	return s, nil
}

func (s *sessions) closeAll() {
	var wg sync.WaitGroup
	for _, side := range s.sides {
		if side != nil {
			wg.Go(func() { side.Close() })
		}
	}
	wg.Wait()
}

func (s *sessions) open(ctx context.Context, side, stream int, call bool) (*omni.Consumer[[]byte], *omni.Producer[[]byte], error) {
	meta := []byte{byte(stream)}
	if call {
		d, err := s.sides[side].Call(ctx, meta)
		if err != nil {
			return nil, nil, err
		}
		return d.Out, d.In, nil
	}
	out, err := s.sides[side].Open(ctx, meta)
	return out, nil, err
}

func (s *sessions) accept(ctx context.Context, side int) (*arrival, error) {
	in, err := s.sides[side].Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &arrival{
		stream: int(in.Metadata()[0]),
		in:     in.Producer(),
		reply: func(ctx context.Context) (*omni.Consumer[[]byte], error) {
			return in.Reply(ctx, in.Metadata())
		},
		refuse: func() { in.Refuse(refusal) },
	}, nil
}

// end shuts both sides down, and looks for what is left.
func (s *sessions) end(ctx context.Context) {
	defer s.closeAll()
	if s.h.p.Cut != 0 {
		return
	}
	var wg sync.WaitGroup
	for i, side := range s.sides {
		wg.Go(func() {
			if err := side.Shutdown(ctx); err != nil {
				s.h.broke(5, "side %d did not shut down in order: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, side := range s.sides {
		st := side.Stats()
		if st.Opened != 0 || st.Accepted != 0 || st.Unaccepted != 0 {
			s.h.broke(5, "side %d: streams are left: %+v", i, st)
		}
		if got := [2]int64{st.AnswersFree, st.WindowsFree}; got != s.free[i] {
			s.h.broke(8, "side %d: of the budget %v were free at first and %v in the end", i, s.free[i], got)
		}
		s.h.wire.stats(i, st)
	}
}

// makeFabric returns the fabric of that name, for a bubble.
func makeFabric(h *history) (fabric, error) {
	switch h.fabric {
	case inProcess:
		return newLocal(h.p), nil
	case overPair:
		a, b := transport.Pair()
		return newSessions(h, a, b)
	case overPipe:
		x, y := net.Pipe()
		return newSessions(h, transport.Frame(x), transport.Frame(y))
	}
	panic("no fabric " + h.fabric)
}

// The fabrics that work in a bubble.
const (
	inProcess = "in process"
	overPair  = "channel pair"
	overPipe  = "net.Pipe"
)

var bubbles = []string{inProcess, overPair, overPipe}
