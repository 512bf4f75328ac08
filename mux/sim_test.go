package mux

import (
	"fmt"
	"io"
	"time"

	"omnistreams.dev/omni"
)

// world is two engines joined by two queues of messages, and the applications
// on top of them. Nothing in it runs by itself: everything that may happen
// next is a move, so the order of things can be searched or drawn.
//
// The sides share nothing but the messages: a move changes one of them and, if
// it packs, puts a message into the inbox of the other. The search relies on
// that. A world finds fault with itself: after every move check says what is
// wrong.
type world struct {
	sides    [2]*simSide
	mischief int    // cancels, refusals and shutdowns that may still happen, on any side
	fault    string // the first thing that went wrong
}

type simSide struct {
	e       *engine
	m       message
	inbox   [][]byte // on their way to this side
	plan    []simPlan
	writers []*simWriter // in the order of their opens
	readers []*simReader
	waiting int       // items of the answers that this side gives
	may     allowance // mischief of its own, beyond the world's
	drained bool      // a shutdown was asked for here
	closed  bool      // this side was closed at once
}

// allowance is how often the application of one side may still end something
// before its time.
type allowance struct {
	cancels, refusals, shutdowns, closes int
}

// simPlan is a stream to be opened.
type simPlan struct {
	call  bool
	items int
}

type simWriter struct {
	side    int
	tag     byte // its place in writers, its metadata, and the first byte of its items
	o       *outgoing
	left    int // items to write
	wrote   int
	ended   bool
	stopped bool // by its own application
}

type simReader struct {
	side    int
	in      *incoming
	got     int
	over    error // how it ended; nil if it has not
	stopped bool  // by its own application
	mayCall bool  // a call that is neither answered nor refused
}

// simConfig is the part of a side that scenarios vary.
type simConfig struct {
	streams, items, maxItem, bytes uint32
	prefetch                       uint64
	lastID                         uint32 // 0 is the usual
}

func (c simConfig) config() *config {
	cfg, err := newConfig(&Options{Prefetch: -1, KeepAlive: time.Hour})
	if err != nil {
		panic(err)
	}
	cfg.streams, cfg.items, cfg.maxItem, cfg.bytes = c.streams, c.items, c.maxItem, c.bytes
	cfg.prefetch, cfg.window = c.prefetch, int64(c.maxItem)*2
	if c.lastID > 0 {
		cfg.lastID = c.lastID
	}
	return cfg
}

func newWorld(cfg simConfig, mischief int, answers int, plans [2][]simPlan) *world {
	w := &world{mischief: mischief}
	for i := range w.sides {
		w.sides[i] = &simSide{e: newEngine(cfg.config()), plan: plans[i], waiting: answers}
	}
	// The handshake has one order that matters: none.
	for i := range w.sides {
		w.pack(i)
	}
	for i := range w.sides {
		w.deliver(i)
	}
	return w
}

// move is one thing that may happen.
type move struct {
	what byte // see do
	side int
	n    int // which writer or reader
}

func (m move) String() string {
	names := map[byte]string{'d': "deliver to", 'p': "pack at", 'o': "open at", 'w': "write", 'e': "end",
		'c': "cancel the writer", 'a': "accept at", 't': "take", 'k': "cancel the reader", 'r': "reply",
		'f': "refuse", 's': "shut down", 'x': "close"}
	return fmt.Sprintf("%s %d.%d", names[m.what], m.side, m.n)
}

// isMischief says whether an application might as well never do it.
func (m move) isMischief() bool {
	switch m.what {
	case 's', 'c', 'k', 'f', 'x':
		return true
	}
	return false
}

// moves lists what may happen now.
func (w *world) moves() []move {
	var ms []move
	for i, s := range w.sides {
		if len(s.inbox) > 0 {
			ms = append(ms, move{'d', i, 0})
		}
		ms = w.ownMoves(ms, i)
	}
	return ms
}

// ownMoves appends what may happen at one side without a message.
func (w *world) ownMoves(ms []move, i int) []move {
	s := w.sides[i]
	if s.e.kick() {
		ms = append(ms, move{'p', i, 0})
	}
	if !s.e.over { // else its application has learned of it by readers and writers
		if w.canOpen(s) {
			ms = append(ms, move{'o', i, 0})
		}
		if len(s.e.accepts) > 0 && s.e.held < int(s.e.cfg.streams) {
			ms = append(ms, move{'a', i, 0})
		}
		if !s.drained && w.mischief+s.may.shutdowns > 0 {
			ms = append(ms, move{'s', i, 0})
		}
		if s.may.closes > 0 {
			ms = append(ms, move{'x', i, 0})
		}
	}
	for n, wr := range s.writers {
		if wr.ended || wr.stopped || wr.o.finished {
			continue
		}
		if wr.left == 0 {
			ms = append(ms, move{'e', i, n})
		} else if ok, _ := wr.o.writeState(2); ok {
			ms = append(ms, move{'w', i, n})
		}
		if w.mischief+s.may.cancels > 0 {
			ms = append(ms, move{'c', i, n})
		}
	}
	for n, r := range s.readers {
		ms = w.readerMoves(ms, i, n, r)
	}
	return ms
}

func (w *world) readerMoves(ms []move, i, n int, r *simReader) []move {
	s := w.sides[i]
	if r.over == nil && (r.in.next < len(r.in.items) || r.in.peerLast != noWord || r.wants()) {
		ms = append(ms, move{'t', i, n})
	}
	if r.over == nil && w.mischief+s.may.cancels > 0 {
		ms = append(ms, move{'k', i, n})
	}
	if s.e.over {
		return ms
	}
	if r.mayCall {
		ms = append(ms, move{'r', i, n})
	}
	unwanted := r.in.kind == kindOneWay && r.over == nil && !r.in.closeWant
	if (r.mayCall || unwanted) && w.mischief+s.may.refusals > 0 {
		ms = append(ms, move{'f', i, n})
	}
	return ms
}

// spend takes one from what the side may do, or else from what anybody may.
func (w *world) spend(own *int) {
	if *own > 0 {
		*own--
	} else {
		w.mischief--
	}
}

// canOpen says whether the next open of the plan would not wait.
func (w *world) canOpen(s *simSide) bool {
	e := s.e
	return len(s.plan) > 0 && (e.openError() != nil || e.numbersLeft() == 0 ||
		e.ownSlots < int(e.peer.streams) && (!s.plan[0].call || e.budget.answers >= e.budget.share))
}

// wants says whether the reader would ask for an item.
func (r *simReader) wants() bool { return r.in.wantItems == r.in.tookItems && !r.in.finished }

func (w *world) do(m move) {
	s := w.sides[m.side]
	switch m.what {
	case 'd':
		w.deliver(m.side)
	case 'p':
		w.pack(m.side)
	case 'o':
		w.open(m.side)
	case 'w':
		wr := s.writers[m.n]
		wr.o.write([]byte{wr.tag, byte(wr.wrote)})
		wr.wrote, wr.left = wr.wrote+1, wr.left-1
	case 'e':
		wr := s.writers[m.n]
		if err := wr.o.end(); err != nil {
			w.blame("end: %v", err)
		}
		wr.o.cancel(omni.ErrCanceled) // after the last word nothing changes any more
		_ = wr.o.end()
		wr.ended = true
	case 'a':
		in := s.e.accepts[0]
		s.e.accepts = s.e.accepts[1:]
		in.accept()
		s.readers = append(s.readers, &simReader{side: m.side, in: in, mayCall: in.kind == kindCall})
	case 't':
		w.take(m.side, s.readers[m.n])
	case 'r':
		w.reply(m.side, s.readers[m.n])
	default:
		w.mischiefOf(s, m)
	}
	w.check()
}

// mischiefOf does what ends something before its time.
func (w *world) mischiefOf(s *simSide, m move) {
	switch m.what {
	case 'c':
		wr := s.writers[m.n]
		wr.o.cancel(omni.ErrCanceled)
		_ = wr.o.end() // this is not said after that
		wr.stopped = true
		w.spend(&s.may.cancels)
	case 'k':
		s.readers[m.n].in.cancel(omni.ErrCanceled)
		s.readers[m.n].in.cancel(io.ErrUnexpectedEOF) // the first one counts
		s.readers[m.n].stopped, s.readers[m.n].over = true, omni.ErrCanceled
		w.spend(&s.may.cancels)
	case 'f':
		s.readers[m.n].in.refuse(omni.CodeRefused, "refused")
		s.readers[m.n].mayCall = false
		s.readers[m.n].stopped = true
		w.spend(&s.may.refusals)
	case 's':
		s.e.drain("")
		s.drained = true
		w.spend(&s.may.shutdowns)
	case 'x': // Close does the same
		s.may.closes = 0
		if !s.e.over {
			s.closed = true
			s.e.farewell = &omni.StreamError{Code: omni.CodeCanceled, Reason: "closed"}
			s.e.finish(ErrClosed)
		}
	}
}

// blame notes the first thing that went wrong.
func (w *world) blame(format string, args ...any) {
	if w.fault == "" {
		w.fault = fmt.Sprintf(format, args...)
	}
}

func (w *world) pack(side int) {
	s := w.sides[side]
	s.e.pack(&s.m)
	if s.m.size == 0 {
		return
	}
	var msg []byte
	for _, part := range s.m.parts {
		msg = append(msg, part...)
	}
	if len(msg) != s.m.size || len(msg) > max(minMessage, headerSize+int(s.e.peer.maxItem)) {
		w.blame("a message of %d bytes says %d", len(msg), s.m.size)
	}
	to := w.sides[1-side]
	to.inbox = append(to.inbox, msg)
}

func (w *world) deliver(side int) {
	s := w.sides[side]
	msg := s.inbox[0]
	s.inbox = s.inbox[1:]
	s.e.receive(msg)
	if f := s.e.farewell; f != nil && f.Code != omni.CodeDone && s.e.err != ErrClosed {
		w.blame("side %d calls it a fault of the other: %v", side, f)
	}
}

// open opens the next stream of the plan, if there is a slot.
func (w *world) open(side int) {
	s := w.sides[side]
	plan := s.plan[0]
	wait, err := s.e.takeSlot(plan.call)
	if wait != nil {
		w.blame("open waits with a slot at hand")
	}
	s.plan = s.plan[1:]
	if err != nil {
		return
	}
	wr := s.writer(side, plan.items)
	if !plan.call {
		wr.o = s.e.open(kindOneWay, nil, []byte{wr.tag})
		return
	}
	c := s.e.openCall([]byte{wr.tag})
	wr.o = c.out
	s.readers = append(s.readers, &simReader{side: side, in: c.in})
}

func (s *simSide) writer(side, items int) *simWriter {
	wr := &simWriter{side: side, tag: byte(len(s.writers)), left: items}
	s.writers = append(s.writers, wr)
	return wr
}

func (w *world) reply(side int, r *simReader) {
	r.mayCall = false
	s := w.sides[side]
	tag := byte(len(s.writers))
	o, err := r.in.answer([]byte{tag})
	if err != nil {
		if err != ErrExhausted && !s.e.over && s.e.cfg.lastID > 10 {
			w.blame("reply: %v", err)
		}
		return
	}
	s.writer(side, s.waiting).o = o
}

// take reads one item or the end, asking for one if nothing is outstanding.
func (w *world) take(side int, r *simReader) {
	item, ok, err := r.in.take()
	switch {
	case ok:
		if want := string([]byte{r.in.metadata[0], byte(r.got)}); string(item) != want {
			w.blame("L2: item %q came, %q is next", item, want)
		}
		r.got++
	case err != nil:
		r.over = err
		w.checkEnd(side, r)
	case r.wants():
		r.in.request(1)
	}
}

// writerOf is who writes what r of that side reads, nil if nobody is known.
func (w *world) writerOf(side int, r *simReader) *simWriter {
	writers := w.sides[1-side].writers
	if len(r.in.metadata) != 1 || int(r.in.metadata[0]) >= len(writers) {
		return nil
	}
	return writers[r.in.metadata[0]]
}

// checkEnd looks at a reader that has just come to its end.
func (w *world) checkEnd(side int, r *simReader) {
	from := w.writerOf(side, r)
	if r.over == io.EOF && from != nil && (!from.ended || from.stopped || r.got != from.wrote) {
		w.blame("L4: the end came after %d items of %d (ended: %v)", r.got, from.wrote, from.ended)
	}
}
