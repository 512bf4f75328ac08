package broken

// byCall gives each answer the number of its call, to the suite alone: the
// session below numbers them as it should.
func byCall(t *tamper) {
	call, answer := map[uint32]uint32{}, map[uint32]uint32{} // the other of each number
	t.out = func(f frame) []frame {
		switch {
		case f.typ == open:
			call[f.stream] = f.u32(1)
			answer[f.u32(1)] = f.stream
			f.stream = f.u32(1)
		case f.stream != 0 && (f.typ == data || f.typ == end || f.typ == fail):
			f.stream = call[f.stream]
		}
		return []frame{f}
	}
	t.in = func(f frame) []frame {
		if n, is := answer[f.stream]; is && (f.typ == request || f.typ == closing) {
			f.stream = n
		}
		return []frame{f}
	}
}

// signed takes a number as a language without unsigned ones does.
func signed(n uint32) uint32 {
	if n >= 1<<31 {
		return 0
	}
	return n
}
