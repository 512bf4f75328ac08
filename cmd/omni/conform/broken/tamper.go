package broken

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// The types of frames that flaws look for.
const (
	hello = iota
	open
	data
	end
	fail
	request
	closing
	ping
	pong
)

const headerLen = 9

// frame is a frame on its way.
type frame struct {
	typ     byte
	stream  uint32
	payload []byte
}

// has reports whether the payload goes so far: wrong frames come, too.
func (f frame) has(to int) bool { return len(f.payload) >= to }

// u32 and u64 are fields of the payload, 0 beyond its end.
func (f frame) u32(at int) uint32 {
	if !f.has(at + 4) {
		return 0
	}
	return binary.BigEndian.Uint32(f.payload[at:])
}

func (f frame) u64(at int) uint64 {
	if !f.has(at + 8) {
		return 0
	}
	return binary.BigEndian.Uint64(f.payload[at:])
}

// put32 and put64 change fields of the payload that are there.
func (f frame) put32(at int, n uint32) {
	if f.has(at + 4) {
		binary.BigEndian.PutUint32(f.payload[at:], n)
	}
}

func (f frame) put64(at int, n uint64) {
	if f.has(at + 8) {
		binary.BigEndian.PutUint64(f.payload[at:], n)
	}
}

// split takes a message apart; ok is false if it is not well formed.
func split(msg []byte) (frames []frame, ok bool) {
	for len(msg) > 0 {
		if len(msg) < headerLen {
			return nil, false
		}
		n := uint64(binary.BigEndian.Uint32(msg[5:]))
		if uint64(len(msg)-headerLen) < n {
			return nil, false
		}
		last := headerLen + int(n)
		frames = append(frames, frame{msg[0], binary.BigEndian.Uint32(msg[1:]), slices.Clone(msg[headerLen:last])})
		msg = msg[last:]
	}
	return frames, true
}

// join makes a message.
func join(frames []frame) (msg []byte) {
	for _, f := range frames {
		msg = binary.BigEndian.AppendUint32(append(msg, f.typ), f.stream)
		msg = append(binary.BigEndian.AppendUint32(msg, uint32(len(f.payload))), f.payload...)
	}
	return msg
}

// tamper is the transport that an echo with a flaw has. The fields are set by
// the flaw before the session begins; nil leaves frames as they are.
type tamper struct {
	transport.Conn
	out func(frame) []frame // what the suite gets for a frame of the echo
	in  func(frame) []frame // what the echo gets for a frame of the suite

	limitless bool // the echo reads whatever is announced
	halfDeaf  bool // the echo does not read while it cannot send
	clinging  bool // the echo does not end the transport after FAIL
	hasty     bool // the echo ends the transport right after FAIL
	joining   bool // the echo sends as one message what has come while it sent another

	state   sync.Mutex    // of the flaw, held by out and in
	sending sync.Mutex    // one message at a time
	reading sync.Mutex    // the same
	failed  bool          // FAIL on 0 was sent
	waiting []byte        // to be sent, if joining
	joined  chan struct{} // closed when that is sent, nil if nothing waits
}

// SetReadLimit implements transport.Limiter.
func (t *tamper) SetReadLimit(n int) {
	if !t.limitless {
		t.Conn.(transport.Limiter).SetReadLimit(n)
	}
}

// pass runs frames through a hook.
func (t *tamper) pass(hook func(frame) []frame, frames []frame) (passed []frame) {
	t.state.Lock()
	defer t.state.Unlock()
	for _, f := range frames {
		passed = append(passed, hook(f)...)
	}
	return passed
}

// Send implements transport.Conn.
func (t *tamper) Send(ctx context.Context, msg []byte) error {
	fault := false
	frames, _ := split(msg) // the session sends whole ones
	for _, f := range frames {
		if f.typ == fail && f.stream == 0 {
			fault = f.u32(0) != 0
			t.state.Lock()
			t.failed = true
			t.state.Unlock()
		}
	}
	if t.out != nil {
		msg = join(t.pass(t.out, frames))
	}
	switch {
	case len(msg) == 0:
		return nil
	case t.joining:
		t.join(msg)
		return nil
	}
	err := t.write(ctx, msg)
	if t.hasty && fault {
		_ = t.Conn.Close() // how it ends is the suite's to judge
	}
	return err
}

// join leaves a message to a goroutine, which ends when nothing more waits.
func (t *tamper) join(msg []byte) {
	t.state.Lock()
	defer t.state.Unlock()
	t.waiting = append(t.waiting, msg...)
	if t.joined != nil {
		return
	}
	joined := make(chan struct{})
	t.joined = joined
	go func() {
		defer close(joined)
		for msg := t.next(); msg != nil; msg = t.next() {
			_ = t.write(context.Background(), msg) // the suite sees what is missing
		}
	}()
}

// next is what waits to be sent as one message, nil if nothing does: the next
// join needs another goroutine then.
func (t *tamper) next() (msg []byte) {
	t.state.Lock()
	defer t.state.Unlock()
	if msg, t.waiting = t.waiting, nil; msg == nil {
		t.joined = nil
	}
	return msg
}

// write sends a message as it is.
func (t *tamper) write(ctx context.Context, msg []byte) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	return t.Conn.Send(ctx, msg)
}

// inject sends frames of the flaw's own.
func (t *tamper) inject(frames ...frame) {
	_ = t.write(context.Background(), join(frames)) // the suite sees what is missing
}

// read receives a message as it is: the session does, and Close may.
func (t *tamper) read(ctx context.Context) ([]byte, error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	return t.Conn.Recv(ctx)
}

// sent waits until nothing is being sent.
func (t *tamper) sent() {
	t.sending.Lock()
	defer t.sending.Unlock()
}

// Recv implements transport.Conn.
func (t *tamper) Recv(ctx context.Context) ([]byte, error) {
	for {
		msg, err := t.read(ctx)
		if err != nil {
			return nil, err
		}
		if t.halfDeaf {
			t.sent()
		}
		frames, ok := split(msg)
		if t.in == nil || !ok {
			return msg, nil
		}
		if msg = join(t.pass(t.in, frames)); len(msg) > 0 {
			return msg, nil
		}
	}
}

// Close implements transport.Conn.
func (t *tamper) Close() error {
	t.state.Lock()
	cling, joined := t.clinging && t.failed, t.joined
	t.state.Unlock()
	if joined != nil {
		<-joined
	}
	for cling { // until the suite has had enough of it
		if _, err := t.read(context.Background()); err != nil {
			break
		}
	}
	return t.Conn.Close()
}

// Serve echoes on one connection until it ends, with a flaw; nil means none.
// If ctx ends first, it drains the session and returns.
func Serve(ctx context.Context, conn transport.Conn, flaw *Flaw) error {
	t := &tamper{Conn: conn}
	if flaw != nil {
		flaw.set(t)
	}
	s, err := mux.New(t, &mux.Options{Prefetch: -1, Window: 1 << 20})
	if err != nil {
		return err
	}
	return s.Serve(ctx, func(ctx context.Context, in *mux.Incoming) error {
		if !in.IsCall() {
			in.Refuse("an echo answers calls, and this is a one-way stream")
			return nil
		}
		out, err := in.Reply(ctx, in.Metadata())
		if err != nil {
			return err
		}
		return in.Producer().Pipe(ctx, out)
	})
}
