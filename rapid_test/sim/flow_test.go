package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// A flow is items on their way from one writer to one reader: a stream, or
// several with pipes between them. Guarded by the world's mu, but for what is
// said to be set once.
type flow struct {
	w       *world
	key     int     // set once
	sizes   int     // no item is longer; set once
	links   []*link // those it crosses
	from    *end    // set once
	isCall  bool    // set once
	partner *flow   // of a call its answer, of an answer its call; set once

	// The writer's end. out is set once, by the call that opens it.
	out     *omni.Consumer[[]byte]
	tried   int  // items given to Write
	wrote   int  // and accepted
	writing bool // a call uses it
	ended   bool
	broke   *omni.StreamError // the writer's cause to cancel

	// The reader's end.
	in       *omni.Producer[[]byte]
	incoming *mux.Incoming // nil for an answer
	got      int
	reading  bool
	over     error             // what the reader got last
	left     *omni.StreamError // the reader's cause to cancel
	refused  bool
	answered bool // of a call
	piped    int  // pipes that move it
	void     bool // it will never have a writer

	// named is an answer's metadata, as its reader gets it.
	named func(context.Context) ([]byte, error)
}

// newFlow adds a flow that begins at e. Its number, that of the step twice and
// one more for an answer, does not depend on what other steps did.
func (w *world) newFlow(e *end, answer int) *flow {
	sizes := 1 << 20
	for _, l := range w.links {
		for _, o := range l.plan.Options {
			sizes = min(sizes, o.MaxItem)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &flow{w: w, key: 2*w.step + answer, sizes: sizes, from: e, links: []*link{e.l}}
	w.flows = append(w.flows, f)
	w.byKey[f.key] = f
	return f
}

// metadata names the flow twice, so that a flip in it is noticed. Some is long.
func (f *flow) metadata() []byte { return metadataOf(f.key) }

func metadataOf(key int) []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(key)), ^uint32(key))
	if key%7 == 3 {
		b = append(b, bytes.Repeat([]byte{byte(key)}, key%900)...)
	}
	return b
}

// keyOf is the flow's number in metadata; -1 for none.
func keyOf(metadata []byte) int {
	if len(metadata) < 8 {
		return -1
	}
	key := int(binary.BigEndian.Uint32(metadata))
	if !bytes.Equal(metadata, metadataOf(key)) {
		return -1
	}
	return key
}

// flowOf is the flow that an incoming stream says it is.
func (w *world) flowOf(metadata []byte) *flow {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byKey[keyOf(metadata)]
}

// trait is what a flow's habits are drawn from.
func (f *flow) trait() int { return f.key/2 + f.key%2 }

// bulky flows have many small items: their windows grow.
func (f *flow) bulky() bool { return f.trait()%5 == 1 }

// item is the i-th item. It says which it is: no two are the same, of this
// flow or another or of another session, if they are not very short.
func (f *flow) item(i int) []byte {
	n := (f.key*7 + i*i*13) % 40
	switch {
	case f.bulky():
		n = i % 12
	case i%11 == 3:
		n = f.sizes // as long as may be
	case i%7 == 5:
		n = 0
	}
	b := make([]byte, min(n, f.sizes))
	key, seed := f.key, f.w.plan.Seed
	name := [...]byte{
		byte(key*53 + i), byte(i >> 8), byte(key), byte(seed), byte(i), byte(seed >> 8),
		byte(key >> 8), byte(i >> 16), byte(seed >> 16), byte(key >> 16), byte(seed >> 24), byte(i >> 24),
	}
	for j := copy(b, name[:]); j < len(b); j++ {
		b[j] = b[j-len(name)] + 11
	}
	return b
}

// took checks an item that the reader got.
func (f *flow) took(v []byte) {
	w := f.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.over != nil {
		w.blameLocked("flow %d: an item after the end (%v)", f.key, f.over)
	}
	if f.got >= f.tried && !f.anyMisled() {
		w.blameLocked("flow %d: item %d came and only %d were written", f.key, f.got, f.tried)
	}
	if want := f.item(f.got); string(v) != string(want) && !f.spoiled() {
		w.blameLocked("flow %d: item %d is %x, not %x", f.key, f.got, v, want)
	}
	f.got++
	if isDone(f.readersSession().Done()) {
		w.hit(itemsAfterLoss)
	}
}

// readersSession is that of the reader, which there is.
func (f *flow) readersSession() *mux.Session {
	if f.incoming == nil { // an answer: its reader made the call
		return f.partner.from.s
	}
	return f.incoming.Session()
}

// spoiled says whether an item of the flow may have been changed.
func (f *flow) spoiled() bool {
	for _, l := range f.links {
		if l.spoiled.Load() {
			return true
		}
	}
	return f.anyMisled()
}

// anyMisled says whether a flip may have told one end of the flow what the
// other never said.
func (f *flow) anyMisled() bool {
	for _, l := range f.links {
		if l.misled() {
			return true
		}
	}
	return false
}

// harmed says whether the flow crosses a session that may lose something.
func (f *flow) harmed() bool {
	for _, l := range f.links {
		if l.harmed.Load() || l.misled() {
			return true
		}
	}
	return false
}

// finished takes the error that the reader got. It returns an error that is
// that of the call alone.
func (f *flow) finished(ctx context.Context, err error) error {
	w := f.w
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.left != nil || f.refused {
		return err
	}
	if f.over != nil && f.over.Error() != err.Error() {
		w.blameLocked("flow %d: two ends, %v and %v", f.key, f.over, err)
	}
	f.over = err
	if isLost(err) && !f.harmed() {
		w.blameLocked("flow %d: lost without a fault: %v", f.key, err)
	}
	// The writer may still be returning from its last Write: what was
	// accepted is compared when the run is over.
	if err == io.EOF && !f.anyMisled() && (!f.ended || f.broke != nil) {
		w.blameLocked("flow %d: io.EOF, and the writer has not ended (canceled: %v)", f.key, f.broke)
	}
	return err
}

// leave notes that the reader cancels with that code. It does not count if it
// has the end already.
func (f *flow) leave(se *omni.StreamError) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if f.over == nil && f.left == nil {
		f.left = se
	}
}

// isLost says whether err is the session's end.
func isLost(err error) bool {
	return errors.Is(err, mux.ErrSessionLost) || errors.Is(err, mux.ErrClosed)
}

// remote is what the peer said, nil if err is not its word.
func remote(err error) *omni.StreamError {
	var se *omni.StreamError
	if errors.As(err, &se) && se.Remote {
		return se
	}
	return nil
}

// hasLeft says whether the reader of that flow, an answer, has canceled.
func (w *world) hasLeft(key int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.byKey[key]
	return f != nil && f.left != nil
}

// gotOn is how many items of that flow were taken from the link, as far as
// the reader knows; 0 where a pipe reads.
func (w *world) gotOn(l *link, key int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.byKey[key]
	if f == nil || f.links[len(f.links)-1] != l {
		return 0
	}
	return f.got
}
