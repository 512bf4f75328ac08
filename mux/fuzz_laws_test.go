package mux

import (
	"context"
	"errors"
	"io"
	"slices"

	"omnistreams.dev/omni"
)

// judge holds a frame of the session to the rules, and books it.
func (p *player) judge(f rawFrame) {
	l := &p.ledger
	if p.over {
		p.t.Fatalf("%v came after the last word", f)
	}
	if code := l.check(theSession, f); code != 0 {
		p.t.Fatalf("the session sent %v, which is code %d", f, code)
	}
	first := !l.heard(theSession, frameClose) && !l.heard(thePeer, frameClose)
	switch t := frameType(f.typ); {
	case f.typ >= 128:
		p.t.Fatalf("the session sent %v", f)
	case t == frameFail && f.stream == 0:
		p.over = true
		p.judgeLast(f)
	case l.heard(thePeer, frameFail):
		p.t.Fatalf("%v came after the peer's FAIL on 0", f)
	case t == frameOpen && f.payload[0] != kindAnswer && l.heard(theSession, frameClose):
		p.t.Fatalf("%v came after the session's CLOSE on 0", f)
	case t == frameEnd && f.stream == 0 && first:
		p.t.Fatalf("%v came before any CLOSE on 0", f)
	}
	p.judgeApp(f)
	l.book(theSession, f)
}

// judgeLast holds FAIL on stream 0 to what the peer and the application did.
func (p *player) judgeLast(f rawFrame) {
	code := f.code()
	ok := code == p.expect
	switch {
	case p.expect != 0:
		// a breach, or the session had ended by itself at the same time
	case code == omni.CodeDone:
		ok = p.ledger.drained()
	case code == omni.CodeCanceled:
		ok = p.closed
	case code == omni.CodeShuttingDown:
		ok = p.shutdowns
	case code == omni.CodeTimeout:
		ok = p.mute
	default:
		ok = false
	}
	if !ok {
		p.t.Fatalf("the session said %v, the peer has earned %d", f, p.expect)
	}
	if code != 0 && len(f.payload) == 4 {
		p.t.Fatalf("%v gives no reason", f)
	}
}

// judgeApp holds a frame of the session to what the application did.
func (p *player) judgeApp(f rawFrame) {
	p.books.Lock()
	defer p.books.Unlock()
	switch frameType(f.typ) {
	case frameData, frameEnd:
		e := p.ledger[theSession].open[f.stream]
		i := slices.IndexFunc(p.writers, func(w *played) bool { return e != nil && w.tag == e.tag })
		if i < 0 {
			break // a word on stream 0; or the call that opened it has not returned
		}
		w, n := p.writers[i], len(e.sent)
		if f.typ == byte(frameData) && (n >= len(w.items) || w.items[n] != f.payload) {
			p.t.Fatalf("%v is not item %d of %q", f, n, w.items)
		}
		if f.typ == byte(frameEnd) && (!w.ended || n < len(w.items)) {
			p.t.Fatalf("%v after %d of %q", f, n, w.items)
		}
	case frameClose:
		e := p.ledger[thePeer].open[f.stream]
		for _, r := range p.readers {
			if e == nil || p.read(r) != e {
				continue
			}
			if promisesRetry(f.code()) && len(r.items) > 0 {
				p.t.Fatalf("%v after %d items were read", f, len(r.items))
			}
			if f.code() == 0 && len(r.items) < len(e.sent) {
				p.t.Fatalf("%v after %d of %d items", f, len(r.items), len(e.sent))
			}
		}
	}
}

// laws says what is wrong now that all is quiet: a call that waits for what is
// there (L6), or credit that was not given or given beyond what is set aside
// (rule 3, L8).
func (p *player) laws() {
	p.books.Lock()
	defer p.books.Unlock()
	l := &p.ledger
	for _, w := range p.writers {
		e := l.byTag(theSession, w.tag)
		if w.busy && e != nil && (e.closed || e.last != 0 || e.credit(len(w.items[len(w.items)-1]))) {
			p.t.Fatalf("%s: a Write waits: %+v", w.tag, *e)
		}
	}
	taken := map[*entry]uint64{}
	read := map[*entry]bool{}
	for _, r := range p.readers {
		e := p.read(r)
		if e == nil {
			continue
		}
		read[e] = true
		p.checkRead(r)
		for _, item := range r.items {
			taken[e] += uint64(len(item))
		}
		if r.busy && (len(r.items) < len(e.sent) || e.last != 0) {
			p.t.Fatalf("%s: Next waits after %d items: %+v", r.tag, len(r.items), *e)
		}
		most := uint64(p.s.cfg.maxItem)
		if ahead := e.items > uint64(len(r.items)); e.last == 0 && !e.closed && ahead && e.bytes < taken[e]+most {
			p.t.Fatalf("%s: %d bytes granted, %d taken", r.tag, e.bytes, taken[e])
		}
	}
	accepting, opening := p.waits["Accept"], p.waits["Open"] || p.waits["Call"]
	for _, e := range l[thePeer].open {
		if !e.closed && e.bytes > taken[e]+uint64(p.s.cfg.window) {
			p.t.Fatalf("%s: %d bytes granted, %d taken", e.tag, e.bytes, taken[e])
		}
		if accepting && e.kind != kindAnswer && !e.closed && !read[e] {
			p.t.Fatalf("Accept waits, %s is here", e.tag)
		}
	}
	if p.waits["Call"] && l.heard(thePeer, frameEnd) {
		p.t.Fatal("Call waits, though the peer answers nothing more")
	}
	if opening && (l.stopping() || l.slots(theSession) < l[thePeer].streams) {
		p.t.Fatalf("Open waits, %d of %d slots are taken, stopping is %v", l.slots(theSession), l[thePeer].streams, l.stopping())
	}
}

// byTag finds a stream that a side has opened; nil if it has not.
func (l *ledger) byTag(side int, tag string) *entry {
	for _, e := range l[side].all {
		if e.tag == tag {
			return e
		}
	}
	return nil
}

// read is the stream that a reader reads; nil for an answer that has not come.
func (p *player) read(r *played) *entry {
	if !r.ofCall {
		return p.ledger.byTag(thePeer, r.tag)
	}
	if call := p.ledger.byTag(theSession, r.tag); call != nil {
		return call.answer
	}
	return nil
}

// checkRead compares what was read with what was sent.
func (p *player) checkRead(r *played) {
	e := p.read(r)
	var sent []string
	if e != nil {
		sent = e.sent
	}
	if len(r.items) > len(sent) || !slices.Equal(r.items, sent[:len(r.items)]) {
		p.t.Fatalf("%s: read %q, sent %q", r.tag, r.items, sent)
	}
	if r.quit || r.err == nil || e == nil {
		return
	}
	if r.err == io.EOF && (e.last != byte(frameEnd) || len(r.items) < len(sent)) {
		p.t.Fatalf("%s: a clean end after %d of %d items, last word %d", r.tag, len(r.items), len(sent), e.last)
	}
	var se *omni.StreamError
	if errors.As(r.err, &se) && se.Remote && !errors.Is(r.err, ErrSessionLost) {
		if e.last != byte(frameFail) || se.Code != (rawFrame{payload: e.lastText}).code() {
			p.t.Fatalf("%s: %v, the peer's last word is %d %q", r.tag, r.err, e.last, e.lastText)
		}
	}
}

// readOut reads all streams to their ends, now that the session is over. What
// comes is what was sent; a clean end is one that the peer has said.
func (p *player) readOut() {
	for _, r := range p.readers {
		for r.err == nil {
			v, err := r.p.Next(context.Background())
			if r.err = err; err == nil {
				r.items = append(r.items, string(v))
			}
		}
		p.checkRead(r)
		_, err := r.p.Next(context.Background())
		if (err == io.EOF) != (r.err == io.EOF) {
			p.t.Fatalf("%s: ended with %v, then with %v", r.tag, r.err, err)
		}
	}
	for _, w := range p.writers {
		if err := w.c.Write(context.Background(), nil); err == nil {
			p.t.Fatalf("%s: a Write after the end of the session", w.tag)
		}
	}
}
