package broken

// waitingFlaws break rules 3, 4 and 9: what waits, and how much of it.
var waitingFlaws = []Flaw{
	{"items are taken that nobody reads", "R3.5", "law L8: the echo took", func(t *tamper) {
		got := map[uint32]uint64{}
		more := func(f frame) {
			r := frame{request, f.stream, make([]byte, 16)}
			r.put64(0, got[f.stream]+8)
			r.put64(8, 1<<53-1)
			t.inject(r)
		}
		t.in = func(f frame) []frame {
			switch f.typ {
			case open:
				more(f)
			case data:
				got[f.stream]++
				more(f)
				return nil
			}
			return []frame{f}
		}
	}},
	{"an item that is too long waits for credit", "R4.9", "want FAIL of the answer", func(t *tamper) {
		var maxItem, first uint64
		granted := map[uint32]uint64{}
		t.in = func(f frame) []frame {
			switch f.typ {
			case hello:
				maxItem, first = uint64(f.u32(5)), uint64(f.u32(17))
			case request:
				granted[f.stream] = max(granted[f.stream], f.u64(8))
			}
			return []frame{f}
		}
		t.out = only(fail, onStream(func(f frame) []frame {
			if f.u32(0) == 4 && max(first, granted[f.stream]) <= maxItem {
				return nil
			}
			return []frame{f}
		}))
	}},
	{"all that waits is sent as one message", "R9.8", "65536 are the most", func(t *tamper) { t.joining = true }},
	{"a reason is cut inside a rune", "R9.9", "not UTF-8", out(fail, onStream(edit(func(f *frame) {
		if len(f.payload) == 4+1022 {
			f.payload = append(f.payload, 0xef, 0xbf)
		}
	})))},
}

// partingFlaws break rules 10 and 12: how a session ends.
var partingFlaws = []Flaw{
	{"the transport is ended at once after a fault", "R10.10", "the transport has ended within", func(t *tamper) { t.hasty = true }},
	{"the goodbye only answers that of the peer", "R12.17", "want the goodbye", func(t *tamper) {
		var held []frame
		heard := false
		t.out = only(fail, onSession(func(f frame) []frame {
			if f.u32(0) == 0 && !heard {
				held = append(held, f)
				return nil
			}
			return []frame{f}
		}))
		t.in = only(fail, onSession(func(f frame) []frame {
			if heard = true; len(held) > 0 {
				t.inject(held...)
			}
			return []frame{f}
		}))
	}},
	{"END on 0 waits until no stream lives", "R12.18", "want END on 0 while an answered call lives", func(t *tamper) {
		var held []frame
		alive := 0 // answers
		t.out = func(f frame) []frame {
			switch {
			case f.typ == open:
				alive++
			case f.typ == end && f.stream == 0 && alive > 0:
				held = append(held, f)
				return nil
			}
			return []frame{f}
		}
		t.in = only(closing, onStream(func(f frame) []frame {
			if alive--; alive == 0 && len(held) > 0 {
				t.inject(held...)
			}
			return []frame{f}
		}))
	}},
}
