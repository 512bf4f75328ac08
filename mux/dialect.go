package mux

import (
	"errors"
	"io"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// A Dialect lets a session talk with peers of another protocol: npm09 is one.
// The session goes on speaking version 1, whose frames SPEC.md describes, and
// the Dialect translates each as it goes out or comes in. What such a peer
// never says, a receipt or a goodbye, the Dialect says in its name.
//
// One Dialect serves one session. Its methods are called one at a time and
// must not block, nor call the session.
//
// With a Dialect nothing is granted before Accept and bytes are not counted:
// each item granted is charged MaxItem. There are no calls, and a stream whose
// END has come ends cleanly though the connection is lost behind it.
type Dialect interface {
	// Attach is called once, before all else. wake makes the session look
	// at Pending; it may be called at any time and from anywhere but the
	// methods of the Dialect.
	Attach(wake func())
	// Pending reports whether Encode has something of its own to send.
	Pending() bool
	// Encode appends to msgs the messages that stand for frames, whole
	// frames of version 1, and those of its own. They may lie in the
	// memory of frames, which it may change, and are sent before the next
	// call. answer has frames of version 1, those with which the peer
	// would answer at once. An error ends the session.
	Encode(msgs [][]byte, frames []byte) (out [][]byte, answer []byte, err error)
	// Decode returns the frames of version 1 that stand for a message of
	// the peer, valid until the next call; none is in order. An error is a
	// rule that the peer broke, and ends the session.
	Decode(msg []byte) (frames []byte, err error)
}

// ErrNoCalls is returned by Call on a session whose Dialect has none.
var ErrNoCalls = errors.New("mux: the session's dialect has no calls")

// greet has both say HELLO, of which the peer knows nothing.
func (e *engine) greet() {
	e.helloGiven = true
	_, answer, err := e.dialect.Encode(nil, e.cfg.hello.append(nil))
	if err != nil {
		e.fail(dialectFault(err))
		return
	}
	e.receive(answer)
}

// arrived takes one message of the peer.
func (e *engine) arrived(msg []byte) {
	if e.dialect == nil {
		e.receive(msg)
		return
	}
	frames, err := e.dialect.Decode(msg)
	if err != nil {
		e.fail(dialectFault(err))
		return
	}
	if len(frames) > 0 {
		e.receive(frames)
	}
}

// translate turns a message of version 1 into those of the dialect, and packs
// more until there is one to send.
func (e *engine) translate(m *message) {
	for {
		packed := m.size > 0
		if !packed && !e.over && e.dialect.Pending() {
			m.parts = append(m.parts, nil)
		}
		clear(m.msgs)
		m.msgs, m.size = m.msgs[:0], 0
		for _, frames := range m.parts {
			e.encode(m, frames)
		}
		if m.size > 0 {
			return // what the peer would answer, it answers when it was sent
		}
		e.answered(m)
		if !packed {
			return
		}
		e.packFrames(m)
	}
}

// answered takes what the peer would have answered to the messages before.
func (e *engine) answered(m *message) {
	if len(m.answer) > 0 {
		e.receive(m.answer)
		m.answer = m.answer[:0]
	}
}

// encode is translate for one part.
func (e *engine) encode(m *message, frames []byte) {
	before := len(m.msgs)
	msgs, answer, err := e.dialect.Encode(m.msgs, frames)
	m.msgs = msgs
	for _, msg := range msgs[before:] {
		m.size += len(msg)
	}
	m.answer = append(m.answer, answer...)
	if err != nil {
		e.fail(dialectFault(err))
	}
}

// hasLeft says whether a transport ended because the peer closed it, and not
// for an error: a Dialect's peer may give no status, or say that it goes away.
func hasLeft(err error) bool {
	var c *transport.CloseError
	return err == io.EOF || errors.As(err, &c) && (c.Status == 1005 || c.Status == 1001)
}

// nextComplete takes the next stream that came with its end before the session
// was over, nil if there is none: of a Dialect's peer it is none the worse.
func (e *engine) nextComplete() *incoming {
	for e.dialect != nil && len(e.accepts) > 0 {
		in := e.accepts[0]
		e.accepts = e.accepts[1:]
		if in.peerLast == wordEnd && !in.finished {
			return in
		}
	}
	return nil
}

// quiet says whether nobody here has anything to do with a stream any more,
// though a Dialect's peer may not have ended those that were canceled.
func (e *engine) quiet() bool {
	for _, in := range e.theirs {
		if !in.finished {
			return false
		}
	}
	return e.dialect != nil && len(e.own) == 0 && e.unnumbered == 0
}

// atRest says whether a connection that ends now loses nothing: no stream
// lives whose end has not come, unless its reader does not wait for that.
func (e *engine) atRest() bool {
	for _, in := range e.theirs {
		if in.peerLast == noWord && !in.finished {
			return false
		}
	}
	return len(e.own) == 0 && e.unnumbered == 0
}

// dialectFault is why the session ends.
func dialectFault(err error) *omni.StreamError {
	var se *omni.StreamError
	if errors.As(err, &se) {
		return se
	}
	return &omni.StreamError{Code: omni.CodeProtocol, Reason: err.Error(), Cause: err}
}
