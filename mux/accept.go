package mux

import (
	"context"
	"io"

	"omnistreams.dev/omni"
)

// Incoming is a stream that the peer opened.
type Incoming struct {
	s        *Session
	in       *incoming
	producer *omni.Producer[[]byte]
}

// Accept returns the next stream that the peer opens. Its items are bounded
// by the session's grants, so a stream may wait to be accepted, or be read
// late, without harm to others. If ctx ends first it returns the cause and no
// stream is lost. When no more can come since the session is shutting down,
// the error is omni.ErrShuttingDown by errors.Is; on a session that is over
// it says why.
func (s *Session) Accept(ctx context.Context) (*Incoming, error) {
	checkContext(ctx, "Accept")
	s.mu.Lock()
	defer s.unlock()
	for {
		switch {
		case s.e.over:
			if in := s.e.nextComplete(); in != nil {
				return &Incoming{s, in, omni.NewProducer(&readEnd{s, in})}, nil
			}
			return nil, s.e.overErr()
		case s.e.admitted && len(s.e.accepts) > 0 && s.e.held < int(s.e.cfg.streams):
			in := s.e.accepts[0]
			s.e.accepts[0] = nil
			s.e.accepts = s.e.accepts[1:]
			in.accept()
			return &Incoming{s, in, omni.NewProducer(&readEnd{s, in})}, nil
		case s.e.shutdown.closeWant || s.e.shutdown.peerEnd:
			return nil, &omni.StreamError{Code: omni.CodeShuttingDown, Reason: "no more streams will come"}
		}
		if err := s.await(ctx, &s.e.acceptable); err != nil {
			return nil, err
		}
	}
}

// accept notes that the application holds the stream. It is when a dialect's
// stream gets credit: there is no HELLO that gives it before.
func (in *incoming) accept() {
	in.accepted = true
	in.e.held++
	if in.e.dialect != nil {
		in.prefetch()
		in.schedule(true)
	}
}

// unhold notes that the application has let go of it, and another may come.
func (in *incoming) unhold() {
	if !in.accepted {
		return
	}
	in.accepted = false
	in.e.held--
	if len(in.e.accepts) > 0 {
		in.e.acceptable.fire()
	}
}

// Session returns the session that the stream came on.
func (in *Incoming) Session() *Session { return in.s }

// Metadata returns what the peer said the stream is. It is not to be changed.
func (in *Incoming) Metadata() []byte { return in.in.metadata }

// IsCall reports whether the peer wants an answer.
func (in *Incoming) IsCall() bool { return in.in.kind == kindCall }

// Producer returns the stream's items; each is the reader's to keep, unless
// Reuse says otherwise. A
// one-way stream is let go, and its writer told, when io.EOF was read from it
// or it was canceled; a call when its answer was opened too.
func (in *Incoming) Producer() *omni.Producer[[]byte] { return in.producer }

// Reuse makes each item of p, a stream of a session, valid only until its
// reader asks for the next, by Next or by the next turn of its loop, and
// returns p: their memory is then used again, which saves most of what long
// items cost. Copy what you keep. It is for one reader that deals with one
// item at a time, not for what holds items: Collect, Batch, Merge, Tee,
// ParallelMap, Pipe within a process, or a Codec that keeps its data. Of any
// other stream the items stay the reader's to keep.
func Reuse(p *omni.Producer[[]byte]) *omni.Producer[[]byte] {
	if r, ok := p.Source().(*readEnd); ok {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.in.reuse()
	}
	return p
}

// Reply opens the answer of a call, once. It needs no slot and waits for
// nothing; ctx is only looked at before. metadata is at most 16 KiB. If the
// caller has given up meanwhile, the answer's Write says so.
func (in *Incoming) Reply(ctx context.Context, metadata []byte) (*omni.Consumer[[]byte], error) {
	checkContext(ctx, "Reply")
	s, i := in.s, in.in
	s.mu.Lock()
	defer s.unlock()
	s.clockLocked()
	switch {
	case ctx.Err() != nil:
		return nil, causeOf(ctx)
	case len(metadata) > maxMetadata:
		return nil, &TooLargeError{Size: len(metadata), Limit: maxMetadata}
	}
	o, err := i.answer(metadata)
	if err != nil {
		return nil, err
	}
	return omni.NewConsumer(&writeEnd{s, o}), nil
}

// answer opens the answer of a call.
func (in *incoming) answer(metadata []byte) (*outgoing, error) {
	e := in.e
	switch {
	case in.kind != kindCall:
		return nil, ErrNotCall
	case in.reply != nil:
		return nil, ErrAnswered
	case e.over:
		return nil, e.overErr()
	case in.refusal && in.err == io.EOF, in.closeGiven:
		return nil, &omni.StreamError{Code: omni.CodeCanceled, Reason: "the call was closed without an answer"}
	case in.refusal:
		return nil, in.err
	case e.numbersLeft() == 0:
		e.exhaust()
		return nil, ErrExhausted
	}
	in.reply = e.open(kindAnswer, in, metadata)
	return in.reply, nil
}

// Refuse closes a stream that is not wanted, with code 5 and the reason, at
// most 1 KiB of it. To the peer that is a promise that nothing was looked at,
// so a stream from which an item was taken is closed with code 1 instead. It
// does nothing to a call that is answered or a stream that is let go.
func (in *Incoming) Refuse(reason string) {
	in.s.mu.Lock()
	defer in.s.unlock()
	if in.in.reply != nil || in.in.closeWant && in.in.kind != kindCall {
		return
	}
	in.in.refuse(omni.CodeRefused, reason)
}

// finish closes what a handler left behind when it returned err.
func (in *Incoming) finish(err error) {
	in.s.mu.Lock()
	defer in.s.unlock()
	i := in.in
	if err == nil && i.finished && i.err != io.EOF {
		err = i.err // what the handler canceled its input with, or the caller
	}
	if err == nil && i.peerLast == wordEnd && i.next == len(i.items) && i.handed.left() == 0 {
		_, _, _ = i.take() // all that is left of it is the end
	}
	if err == nil {
		i.cancel(omni.ErrCanceled)
	} else {
		i.cancel(err)
	}
	if i.kind != kindCall {
		return
	}
	if err == nil {
		err = &omni.StreamError{Code: omni.CodeInternal, Reason: "the handler left it open"}
	}
	if i.reply != nil {
		i.reply.cancel(err)
		return
	}
	if !i.refusal && !i.closeGiven {
		se := omni.AsStreamError(err)
		i.refuse(failCode(se), se.Reason)
	}
}
