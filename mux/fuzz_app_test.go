package mux

import (
	"context"
	"fmt"
	"sync"
	"time"

	"omnistreams.dev/omni"
)

// app is the application of a player's session. A call that may wait has a
// goroutine; of each kind, and for each stream, one waits at a time.
type app struct {
	calls     sync.WaitGroup
	closed    bool // Close was called
	shutdowns bool // Shutdown was called, for a while

	books   sync.Mutex // guards what calls change
	waits   map[string]bool
	writers []*played
	readers []*played
	opened  int
}

// played is an end of a stream that the application holds.
type played struct {
	tag     string // metadata of the stream; of a call's In, of the call
	in      *Incoming
	c       *omni.Consumer[[]byte]
	p       *omni.Producer[[]byte]
	busy    bool
	items   []string // written, or read; the last may be on its way if busy
	err     error    // of the last read
	quit    bool     // canceled by the application
	ended   bool     // End was called
	ofCall  bool     // p is the answer to the call tag
	handled bool     // of a call: replied to or refused
}

// start runs f on a goroutine unless a call of that name waits already.
func (p *player) start(name string, f func(ctx context.Context)) {
	p.books.Lock()
	defer p.books.Unlock()
	if p.waits[name] {
		return
	}
	if p.waits == nil {
		p.waits = map[string]bool{}
	}
	p.waits[name] = true
	p.calls.Go(func() {
		f(context.Background())
		p.books.Lock()
		p.waits[name] = false
		p.books.Unlock()
	})
}

func (p *player) waiting(name string) bool {
	p.books.Lock()
	defer p.books.Unlock()
	return p.waits[name]
}

// call is one call of the application.
func (p *player) call(op byte) {
	switch op {
	case opAccept:
		p.start("Accept", p.accept)
	case opNext:
		p.next1(p.one(&p.readers))
	case opAsk:
		if r, n := p.one(&p.readers), p.byte(); r != nil {
			r.p.Request(uint32(n % 8))
		}
	case opQuit:
		r, code := p.one(&p.readers), p.byte()
		if r != nil {
			p.mark(func() { r.quit = true })
			r.p.Cancel(&omni.StreamError{Code: omni.Code(code), Reason: "quit"})
		}
	case opDial:
		p.dial(p.byte()%2 != 0)
	case opWrite:
		w, n := p.one(&p.writers), p.byte()
		p.write(w, int(n%24))
	case opFinish, opBreak:
		p.endWriter(op)
	case opReply, opRefuse:
		p.handle(op)
	case opPing:
		p.start("Ping", func(ctx context.Context) { _, _ = p.s.Ping(ctx) })
	case opShutdown:
		p.shutdown()
	case opSleep:
		// In pieces, so that PINGs are answered meanwhile.
		for n := p.byte(); n > 0 && !p.over; n -= min(n, 50) {
			time.Sleep(time.Duration(min(n, 50)) * 100 * time.Millisecond)
			p.settle()
		}
	}
}

// one chooses an end; nil if there is none.
func (p *player) one(ends *[]*played) *played {
	x := p.byte()
	p.books.Lock()
	defer p.books.Unlock()
	if len(*ends) == 0 {
		return nil
	}
	return (*ends)[int(x)%len(*ends)]
}

func (p *player) mark(f func()) {
	p.books.Lock()
	defer p.books.Unlock()
	f()
}

func (p *player) accept(ctx context.Context) {
	in, err := p.s.Accept(ctx)
	if err != nil {
		return
	}
	r := &played{tag: string(in.Metadata()), in: in, p: in.Producer()}
	p.mark(func() { p.readers = append(p.readers, r) })
}

// next1 reads an item.
func (p *player) next1(r *played) {
	if r == nil {
		return
	}
	p.start(fmt.Sprintf("Next %p", r), func(ctx context.Context) {
		p.mark(func() { r.busy = true })
		v, err := r.p.Next(ctx)
		p.mark(func() {
			r.busy = false
			if r.err = err; err == nil {
				r.items = append(r.items, string(v))
			}
		})
	})
}

// dial opens a stream; its tag finds it on the wire.
func (p *player) dial(call bool) {
	name, tag := "Open", fmt.Sprint("own ", p.opened)
	if call {
		name = "Call"
	}
	if p.waiting(name) || p.opened > 20 {
		return
	}
	p.opened++
	p.start(name, func(ctx context.Context) {
		w, r := &played{tag: tag}, (*played)(nil)
		if call {
			d, err := p.s.Call(ctx, []byte(tag))
			if err != nil {
				return
			}
			w.c = d.Out
			r = &played{tag: tag, p: d.In, ofCall: true}
		} else if c, err := p.s.Open(ctx, []byte(tag)); err == nil {
			w.c = c
		} else {
			return
		}
		p.mark(func() {
			p.writers = append(p.writers, w)
			if r != nil {
				p.readers = append(p.readers, r)
			}
		})
	})
}

// write writes an item; it may have to wait for credit.
func (p *player) write(w *played, n int) {
	if w == nil {
		return
	}
	p.start(fmt.Sprintf("Write %p", w), func(ctx context.Context) {
		item := fmt.Sprintf("%-*d", n, len(w.items)%10)[:n]
		p.mark(func() { w.items, w.busy = append(w.items, item), true })
		err := w.c.Write(ctx, []byte(item))
		p.mark(func() {
			w.busy = false
			if err != nil {
				w.items = w.items[:len(w.items)-1]
			}
		})
	})
}

func (p *player) endWriter(op byte) {
	w := p.one(&p.writers)
	switch {
	case w == nil:
	case op == opBreak:
		p.mark(func() { w.quit = true })
		w.c.Cancel(&omni.StreamError{Code: omni.Code(p.byte()), Reason: "broken off"})
	case !p.waiting(fmt.Sprintf("Write %p", w)):
		p.mark(func() { w.ended = true })
		_ = w.c.End() // it says if the stream has ended otherwise
	}
}

// handle replies to a call or refuses a stream.
func (p *player) handle(op byte) {
	r := p.one(&p.readers)
	if r == nil || r.in == nil {
		return
	}
	p.mark(func() { r.handled = true })
	if op == opRefuse {
		r.in.Refuse("not wanted")
		return
	}
	tag := "answer to " + r.tag
	c, err := r.in.Reply(context.Background(), []byte(tag))
	if err == nil {
		p.mark(func() { p.writers = append(p.writers, &played{tag: tag, c: c}) })
	}
}

func (p *player) shutdown() {
	p.shutdowns = true
	p.start("Shutdown", func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_ = p.s.Shutdown(ctx) // what it cut, the wire says
	})
}
