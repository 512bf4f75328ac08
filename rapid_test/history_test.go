package laws

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// A history is what happened when a program ran on a fabric.
type history struct {
	p      *program
	fabric string
	halves []*record
	wire   *wire         // nil in process
	calm   time.Duration // when all streams were over that were not stalled

	mu     sync.Mutex
	broken []violation
}

// A violation is a law that did not hold, and how.
type violation struct {
	law  int // 0 is the trial itself: it did not come to its end
	what string
}

// record is one half of a stream in a history. What is not in the account
// belongs to its actors until they have returned.
type record struct {
	*account
	read, write       ending
	readOver, written bool // read, write are known
	delivered         int  // items that the script got
}

func newHistory(p *program, fabric string) *history {
	h := &history{p: p, fabric: fabric}
	for i := range p.Streams {
		h.halves = append(h.halves, &record{account: newAccount(p, 2*i)}, &record{account: newAccount(p, 2*i+1)})
	}
	return h
}

func (r *record) outcome() outcome { return outcome{r.delivered, r.read, r.write} }

// broke notes that a law did not hold.
func (h *history) broke(law int, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.broken) < 10 {
		h.broken = append(h.broken, violation{law, fmt.Sprintf(format, args...)})
	}
}

// verdict names the violations of one law, or of all if law is 0.
func (h *history) verdict(law int) string {
	var b strings.Builder
	for _, v := range h.broken {
		if v.law == law || v.law == 0 || law == 0 {
			fmt.Fprintf(&b, "L%d %s: %s\n", v.law, h.fabric, v.what)
		}
	}
	return b.String()
}

// judge holds what is left when all is over to the laws.
func (h *history) judge() {
	for key, r := range h.halves {
		if s := h.p.Streams[key/2]; key%2 == 1 && !s.Call {
			continue
		}
		// A receipt: the writer was told that all was taken.
		if r.written && r.write == (ending{}) && !(r.half.Via == viaPipe) && r.delivered != r.account.written {
			h.broke(11, "half %d: of %d items written %d were delivered, and the writer's end is clean", key, r.account.written, r.delivered)
		}
		if r.readOver && r.read == (ending{}) && (r.delivered != r.account.written || !r.saidLast) {
			h.broke(4, "half %d: the end came after %d items of %d", key, r.delivered, r.account.written)
		}
		if r.delivered > r.account.written {
			h.broke(2, "half %d: %d items were written and %d delivered", key, r.account.written, r.delivered)
		}
		if h.p.Cut == 0 {
			h.checkOutcome(key)
			// Nobody stopped, so nothing may have been dropped.
			if r.half.drains() && r.written && h.p.Streams[key/2].Reply != replyNever && r.read == r.write && r.delivered != r.account.written {
				h.broke(11, "half %d: of %d items written %d were delivered", key, r.account.written, r.delivered)
			}
		}
	}
	if h.wire != nil && h.p.Cut == 0 {
		h.wire.sum()
	}
}

// atRest checks what must hold when nothing moves any more until the next
// step of the program.
func (h *history) atRest() {
	for key, r := range h.halves {
		r.do(func() { h.halfAtRest(key, r.account) })
	}
	if h.wire != nil {
		h.wire.atRest()
	}
}

func (h *history) halfAtRest(key int, a *account) {
	asked := a.requested
	if a.looping {
		asked = a.upper
	}
	switch {
	case a.written > asked:
		h.broke(1, "half %d: %d items were written, %d requested", key, a.written, asked)
	case a.stopped && a.writing:
		h.broke(5, "half %d: the reader has left and the writer still waits", key)
	case a.saidLast && a.writing:
		h.broke(5, "half %d: the stream is over and the writer still waits", key)
	case a.reading && a.written > a.taken && !a.stopped:
		h.broke(6, "half %d: the reader waits, %d items were written and %d taken", key, a.written, a.taken)
	case a.reading && a.saidLast:
		h.broke(4, "half %d: the reader waits for the end of a stream that was ended", key)
	case a.looping || !a.writing:
	case h.p.Window == 0 && a.written != asked:
		h.broke(6, "half %d: the writer waits, %d items were written and %d requested", key, a.written, asked)
	case a.written == a.taken && a.written < asked:
		h.broke(6, "half %d: the writer waits, all %d items were taken and %d requested", key, a.written, asked)
	}
}
