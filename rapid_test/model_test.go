package laws

import (
	"fmt"
	"io"
	"slices"

	"omnistreams.dev/omni"
)

// ending is how one end of a stream ended, as far as it is the same on every
// fabric: not whether the error came from a peer, nor what caused it there.
type ending struct {
	Code   omni.Code // 0 is the clean end
	Reason string
}

func (e ending) String() string { return fmt.Sprintf("(%v, %q)", e.Code, e.Reason) }

// endingOf is the ending that an error stands for.
func endingOf(err error) ending {
	if err == nil || err == io.EOF {
		return ending{}
	}
	se := omni.AsStreamError(err)
	return ending{se.Code, se.Reason}
}

// byCancel is the ending after a Cancel with that cause.
func byCancel(c cause) ending {
	if c.err() == io.EOF { // which would pass for a clean end
		return ending{Code: omni.CodeInternal}
	}
	if c.err() == nil {
		return ending{Code: omni.CodeCanceled}
	}
	return endingOf(c.err())
}

// outcome is what is seen of a half in the end.
type outcome struct {
	Items int    // that the reader got
	Read  ending // as the reader sees it
	Write ending // as the writer sees it
}

// allowed lists the outcomes that a half may have. It is more than one where
// the two ends race: then no fabric can promise which is first.
func (p *program) allowed(key int) []outcome {
	h, s := p.half(key), p.Streams[key/2]
	refused := ending{omni.CodeRefused, refusal}
	said := ending{}
	if h.Last == endCancel {
		said = byCancel(h.LastBy)
	}
	if s.Call && s.Reply == replyNever {
		return p.refusedOutcomes(key, said, refused)
	}
	if h.drains() {
		return []outcome{{h.items(), said, said}}
	}
	left := byCancel(h.By)
	if h.Leave == leaveBreak {
		left = byCancel(0)
	}
	os := []outcome{{h.takes(), left, left}}
	if h.Last == endCancel {
		os = append(os, outcome{h.takes(), left, said})
	}
	if h.Via == viaPipe && h.Last == endClean {
		os = append(os, outcome{h.takes(), left, ending{}}) // the pipe took the end
	}
	if h.Leave == leaveCtx && h.takes() == h.items() && h.Last <= endCancel {
		os = append(os, outcome{h.takes(), said, said}) // the end was here already
	}
	return os
}

// refusedOutcomes are those of a refused call's halves.
func (p *program) refusedOutcomes(key int, said, refused ending) []outcome {
	h := p.half(key)
	if key%2 == 1 {
		// Nobody writes the answer, so its writer's side counts as refused.
		if h.Leave == leaveCancel && h.takes() == 0 {
			return []outcome{{0, byCancel(h.By), refused}}
		}
		return []outcome{{0, refused, refused}}
	}
	os := []outcome{{0, refused, refused}}
	if h.Last == endCancel {
		os = append(os, outcome{0, refused, said})
	}
	return os
}

// checkOutcome says whether a half's outcome is one of those allowed.
func (h *history) checkOutcome(key int) {
	got := h.halves[key].outcome()
	want := h.p.allowed(key)
	if !slices.Contains(want, got) {
		h.broke(9, "half %d: %d items, reader %v, writer %v; allowed: %v", key, got.Items, got.Read, got.Write, want)
	}
}
