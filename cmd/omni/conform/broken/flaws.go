package broken

import "slices"

// Flaw is a way to be wrong.
type Flaw struct {
	Name string
	Case string // of the suite, meant for it
	Why  string // what the case must say, a part of it
	set  func(*tamper)
}

// Flaws is all flaws.
func Flaws() []Flaw {
	return slices.Concat(helloFlaws, creditFlaws, waitingFlaws, streamFlaws, endFlaws, sessionFlaws, partingFlaws)
}

// out makes a flaw of a change to frames of one type that the echo sends.
func out(typ byte, change func(frame) []frame) func(*tamper) {
	return func(t *tamper) { t.out = only(typ, change) }
}

// in is out for what it receives.
func in(typ byte, change func(frame) []frame) func(*tamper) {
	return func(t *tamper) { t.in = only(typ, change) }
}

// only limits a change to one type.
func only(typ byte, change func(frame) []frame) func(frame) []frame {
	return func(f frame) []frame {
		if f.typ != typ {
			return []frame{f}
		}
		return change(f)
	}
}

// drop is a change.
func drop(frame) []frame { return nil }

// edit is a change of the payload.
func edit(change func(f *frame)) func(frame) []frame {
	return func(f frame) []frame { change(&f); return []frame{f} }
}

// onStream limits a change to streams, onSession to stream 0.
func onStream(change func(frame) []frame) func(frame) []frame {
	return func(f frame) []frame {
		if f.stream == 0 {
			return []frame{f}
		}
		return change(f)
	}
}

func onSession(change func(frame) []frame) func(frame) []frame {
	return func(f frame) []frame {
		if f.stream != 0 {
			return []frame{f}
		}
		return change(f)
	}
}

// helloFlaws break rules 0 and 1.
var helloFlaws = []Flaw{
	{"HELLO waits for that of the peer", "R1.1", "want HELLO", func(t *tamper) {
		var held []frame
		heard := false
		t.out = func(f frame) []frame {
			if heard {
				return []frame{f}
			}
			held = append(held, f)
			return nil
		}
		t.in = func(f frame) []frame {
			if !heard {
				heard = true
				t.inject(held...)
			}
			return []frame{f}
		}
	}},
	{"HELLO twice", "R1.2", "rule 1: the echo sends a second HELLO", out(hello, func(f frame) []frame { return []frame{f, f} })},
	{"the magic is not looked at", "R1.20", "want FAIL on 0 with code 9", in(hello, edit(func(f *frame) { copy(f.payload, "OMNI") }))},
	{"a higher version is refused", "R1.4", "code 9", in(hello, edit(func(f *frame) {
		if f.payload[4] > 1 {
			f.payload[4] = 0
		}
	}))},
	{"unknown types are ignored", "R0.40", "want FAIL on 0 with code 2", func(t *tamper) {
		t.in = func(f frame) []frame {
			if f.typ >= 9 && f.typ < 128 {
				return nil
			}
			return []frame{f}
		}
	}},
	{"ignored types are refused", "R0.4", "ends the session with code 2", func(t *tamper) {
		t.in = edit(func(f *frame) {
			if f.typ >= 128 {
				f.typ = 9
			}
		})
	}},
	{"an answer has the number of its call", "R0.11", "rule 0: the echo sends OPEN 2", byCall},
	{"numbers from 2^31 on are negative", "R1.16", "want credit for item 1", in(hello, edit(func(f *frame) {
		for _, at := range []int{9, 13, 17} {
			f.put32(at, signed(f.u32(at)))
		}
	}))},
	{"numbers are used again", "R0.7", "rule 0: the echo sends OPEN 1", out(open, edit(func(f *frame) { f.stream = 1 }))},
	{"the answer has no metadata", "R0.6", "metadata", out(open, edit(func(f *frame) { f.payload = f.payload[:5] }))},
	{"empty items are lost", "R0.8", "law L2", out(data, func(f frame) []frame {
		if len(f.payload) == 0 {
			return nil
		}
		return []frame{f}
	})},
	{"messages are read however long they are", "R9.27", "want FAIL on 0 with code 4", func(t *tamper) { t.limitless = true }},
}

// creditFlaws break rules 2 to 5.
var creditFlaws = []Flaw{
	{"one item beyond credit", "R2.1", "beyond credit", in(hello, edit(func(f *frame) {
		if n := f.u32(13); n > 0 {
			f.put32(13, n+1)
		}
	}))},
	{"bytes are not counted", "R2.10", "beyond credit", in(request, edit(func(f *frame) { f.put64(8, 1<<53-1) }))},
	{"totals are added up", "R2.3", "beyond credit", func(t *tamper) {
		sum := map[uint32]uint64{}
		t.in = only(request, edit(func(f *frame) {
			sum[f.stream] += f.u64(0)
			f.put64(0, sum[f.stream])
		}))
	}},
	{"max_item of the peer is not kept", "R4.8", "max_item is 10", in(hello, edit(func(f *frame) {
		f.put32(5, 1<<20)
		f.put32(17, 1<<26)
	}))},
	{"what is beyond credit is dropped", "R4.1", "want FAIL on 0 with code 3", func(t *tamper) {
		may, got := map[uint32]uint64{}, map[uint32]uint64{}
		t.out = only(request, edit(func(f *frame) { may[f.stream] = max(may[f.stream], f.u64(0)) }))
		t.in = only(data, func(f frame) []frame {
			if got[f.stream]++; got[f.stream] > may[f.stream] {
				return nil
			}
			return []frame{f}
		})
	}},
	{"bytes are granted for one half of what was taken", "R3.4", "rule 3", out(request, edit(func(f *frame) { f.put64(8, f.u64(8)/2) }))},
	{"a total above 2^53-1", "R7.1", "rule 2", out(request, edit(func(f *frame) { f.put64(8, 1<<53) }))},
	{"slots are not counted", "R5.3", ": it serves OPEN 5, which is wrong", out(hello, edit(func(f *frame) { f.put32(9, 4) }))},
}

// streamFlaws break rules 6 and 7.
var streamFlaws = []Flaw{
	{"one-way streams are answered", "R6.2", "rule 6", in(open, edit(func(f *frame) {
		if f.payload[0] == 0 {
			f.payload[0] = 1
		}
	}))},
	{"END comes before the last item", "R7.1", "rule 8", func(t *tamper) {
		held := map[uint32]frame{}
		t.out = func(f frame) []frame {
			last, has := held[f.stream]
			switch {
			case f.typ == data && has:
				held[f.stream] = f
				return []frame{last}
			case f.typ == data:
				held[f.stream] = f
				return nil
			case f.typ == end && has:
				delete(held, f.stream)
				return []frame{f, last}
			}
			return []frame{f}
		}
	}},
	{"calls are not closed", "R7.2", "want CLOSE of stream 1", out(closing, onStream(drop))},
	{"CLOSE with code 0 at the OPEN of the answer", "R6.5", "rule 7", func(t *tamper) {
		t.out = func(f frame) []frame {
			if f.typ == open {
				return []frame{f, {closing, f.u32(1), make([]byte, 4)}}
			}
			if f.typ == closing && f.stream != 0 {
				return nil
			}
			return []frame{f}
		}
	}},
	{"CLOSE has code 1 at a clean end", "R7.8", "not 0", out(closing, onStream(edit(func(f *frame) { f.put32(0, 1) })))},
	{"REQUEST after CLOSE", "R7.9", "rule 8", out(closing, onStream(func(f frame) []frame {
		return []frame{f, {request, f.stream, make([]byte, 16)}}
	}))},
}

// endFlaws break rules 7 and 13.
var endFlaws = []Flaw{
	{"CLOSE of the answer is not heard", "R7.20", "want FAIL of the answer", in(closing, onStream(drop))},
	{"FAIL is told as END", "R7.3", "ends in order", out(fail, onStream(func(f frame) []frame { return []frame{{end, f.stream, nil}} }))},
	{"codes of the application are lost", "R13.3", "rule 13", out(fail, onStream(edit(func(f *frame) { f.put32(0, min(f.u32(0), 255)) })))},
	{"reasons are lost", "R9.2", "rule 9", out(fail, onStream(edit(func(f *frame) { f.payload = f.payload[:4] })))},
}

// sessionFlaws break rules 10 to 12.
var sessionFlaws = []Flaw{
	{"one code for all faults", "R9.20", "with code 4, not 2", out(fail, onSession(edit(func(f *frame) {
		if f.u32(0) != 0 {
			f.put32(0, 2)
		}
	})))},
	{"a fault is not told", "R0.30", "want FAIL on 0 with code 2", out(fail, onSession(drop))},
	{"PING after FAIL on 0", "R10.6", "after FAIL on 0", out(fail, onSession(func(f frame) []frame {
		return []frame{f, {ping, 0, make([]byte, 8)}}
	}))},
	{"FAIL on 0 is answered", "R10.1", "answers FAIL on 0", func(t *tamper) {
		t.in = only(fail, onSession(func(f frame) []frame { t.inject(f); return []frame{f} }))
	}},
	{"the transport is not ended after a fault", "R10.7", "does not end the transport", func(t *tamper) { t.clinging = true }},
	{"PONG has other bytes", "R11.1", "want PONG", out(pong, edit(func(f *frame) { f.payload[7] ^= 1 }))},
	{"nothing is read while nothing can be sent", "R11.6", "rule 11: the echo reads nothing", func(t *tamper) { t.halfDeaf = true }},
	{"END on 0 is not said", "R12.2", "want END on 0", out(end, onSession(drop))},
	{"the goodbye does not wait for streams", "R12.3", "goodbye too early", func(t *tamper) {
		t.in = only(closing, onSession(func(f frame) []frame { t.inject(frame{fail, 0, make([]byte, 4)}); return []frame{f} }))
	}},
	{"a late call is closed with code 1", "R12.6", "not 8", out(closing, onStream(edit(func(f *frame) {
		if f.u32(0) == 8 {
			f.put32(0, 1)
		}
	})))},
	{"END on 0 is not heard", "R12.25", "want FAIL on 0 with code 2", in(end, onSession(drop))},
}
