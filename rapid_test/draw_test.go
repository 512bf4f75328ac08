package laws

import (
	"pgregory.net/rapid"
)

// A shape says which programs to draw. Its zero value is all kinds.
type shape struct {
	pure     bool // no prefetch
	wide     bool // bytes never limit, so that items do exactly
	patient  bool // nobody's ctx ends early
	stepping bool // with steps
	cancels  bool // every reader cancels
	cuts     bool // the transport breaks
	stalled  bool // some readers wait for all others
	oneWay   bool // no calls
}

// programs draws programs of a shape.
func programs(sh shape) *rapid.Generator[program] {
	return rapid.Custom(func(t *rapid.T) program {
		p := program{
			Prefetch:   -1,
			MaxItem:    64,
			MaxStreams: 128,
			Seed:       rapid.Uint64().Draw(t, "seed"),
			Pauses:     !sh.stalled && rapid.Bool().Draw(t, "pauses"),
		}
		if !sh.pure {
			p.Prefetch = rapid.SampledFrom([]int{-1, 1, 2, 5, 64}).Draw(t, "prefetch")
		}
		if !sh.wide {
			p.MaxItem = rapid.SampledFrom([]int{8, 64, 300, 20_000}).Draw(t, "max item")
			p.Window = p.MaxItem * rapid.IntRange(1, 3).Draw(t, "window")
			p.Tight = rapid.Bool().Draw(t, "tight")
		}
		if sh.wide {
			p.MaxItem = 8192 // credit for so many bytes is there from the start
		}
		n := rapid.IntRange(1, 5).Draw(t, "streams")
		if !sh.stalled {
			p.MaxStreams = rapid.SampledFrom([]int{1, 2, 128}).Draw(t, "slots")
		}
		for i := range n {
			p.Streams = append(p.Streams, drawStream(t, sh, p.MaxItem))
			p.Streams[i].Stalled = sh.stalled && i < n/2
		}
		if sh.stepping {
			p.Steps = rapid.SliceOfN(rapid.IntRange(0, 4*n-1), 0, 40).Draw(t, "steps")
		}
		if sh.cuts {
			p.Cut = rapid.IntRange(1, 25).Draw(t, "cut")
		}
		return p
	})
}

func drawStream(t *rapid.T, sh shape, maxItem int) stream {
	s := stream{From: rapid.IntRange(0, 1).Draw(t, "from"), Ask: drawHalf(t, sh, maxItem)}
	if s.Call = !sh.oneWay && rapid.Bool().Draw(t, "call"); s.Call {
		s.Reply = rapid.SampledFrom([]replyMode{replyFirst, replyFirst, replyLast, replyLast, replyNever}).Draw(t, "reply")
		s.Answer = drawHalf(t, sh, maxItem)
	}
	return s
}

// drawHalf draws scripts that come to their ends: a writer that does not end
// its stream has a reader that cancels, having taken no more than comes.
func drawHalf(t *rapid.T, sh shape, maxItem int) half {
	var h half
	if sh.wide {
		maxItem = 64
	}
	size := rapid.OneOf(rapid.IntRange(0, min(maxItem, 9)), rapid.IntRange(0, maxItem))
	kinds := []writeKind{writePlain, writePlain, writePlain, writeImpatient, writeExpired, writeDemand}
	if sh.patient {
		kinds = []writeKind{writePlain, writePlain, writeExpired, writeDemand}
	}
	for range rapid.IntRange(0, 12).Draw(t, "writes") {
		h.Writes = append(h.Writes, writeOp{rapid.SampledFrom(kinds).Draw(t, "write"), size.Draw(t, "size")})
	}
	ends := []writerEnd{endClean, endClean, endCancel, endHold, endFlood}
	h.Last = rapid.SampledFrom(ends).Draw(t, "last")
	if h.Last == endCancel {
		h.LastBy = drawCause(t)
	}
	most := h.items()
	if h.Last == endFlood {
		most += 30
	}
	drawReader(t, sh, &h, rapid.IntRange(0, most).Draw(t, "takes"))
	return h
}

func drawReader(t *rapid.T, sh shape, h *half, takes int) {
	leaves := []readerEnd{leaveDrain, leaveLoop, leaveQuiet, leaveCancel, leaveBreak, leaveCtx}
	if h.Last >= endHold || sh.cancels {
		leaves = leaves[leaveCancel:]
	}
	h.Leave = rapid.SampledFrom(leaves).Draw(t, "leave")
	if !h.drains() && h.Leave != leaveBreak {
		h.By = drawCause(t)
	}
	if h.Leave == leaveBreak || h.Leave == leaveCtx {
		if takes == 0 {
			h.Leave = leaveCancel // a loop begins with an item
			if h.By == 0 {
				h.By = drawCause(t)
			}
		} else {
			h.Loop = rapid.IntRange(1, takes).Draw(t, "loop")
			takes -= h.Loop
		}
	}
	kinds := []readKind{readPlain, readPlain, readPlain, readImpatient, readPoll}
	if sh.patient {
		kinds = []readKind{readPlain, readPlain, readPoll}
	}
	for takes > 0 {
		if rapid.IntRange(0, 3).Draw(t, "request?") == 0 {
			h.Reads = append(h.Reads, readOp{readRequest, rapid.IntRange(0, 6).Draw(t, "request")})
			continue
		}
		h.Reads = append(h.Reads, readOp{Kind: rapid.SampledFrom(kinds).Draw(t, "read")})
		takes--
	}
	if rapid.IntRange(0, 2).Draw(t, "last request?") == 0 {
		h.Reads = append(h.Reads, readOp{readRequest, rapid.IntRange(1, 6).Draw(t, "request")})
	}
	h.Via = rapid.SampledFrom([]via{direct, direct, viaMap, viaPipe}).Draw(t, "via")
}

func drawCause(t *rapid.T) cause {
	return cause(rapid.IntRange(0, len(causes)-1).Draw(t, "cause"))
}
