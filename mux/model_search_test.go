package mux

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// search goes through all states that a world can come to, breadth first, so
// that the course to a fault is as short as any.
//
// It takes the engine at its word that it is pure. What one side does next is
// a function of what it is and of what it is told, so it is computed once, on
// a copy: side × move -> side × message. A state of the world is then four
// numbers, its sides and what is on the wire each way, and two states are one
// only if all that matters in them is the same, byte for byte: they are not
// told apart by a hash, which could be wrong.
type search struct {
	sc    scenario
	limit int

	// Sides and messages, numbered by what they are.
	sides   []*local
	sideNum map[string]int32
	heard   map[[2]int32]edge // what becomes of a side that takes a message
	msgs    [][]byte
	msgNum  map[string]int32
	wires   []wire
	wireNum map[string]int32

	// States of the world, in the order in which they were found. index has
	// the place + 1 of each, found by its hash.
	states  chunks[state]
	from    chunks[uint32] // which state led to it first
	by      chunks[uint8]  // by which of its moves
	parents chunks[uint8]  // how many transitions lead to it
	index   []uint32

	transitions, finals, depth int
	complete                   bool
	fault                      string
}

// state is two sides, and what is on its way to each.
type state struct {
	side, wire [2]int32
}

// local is what one side can be.
type local struct {
	side  *simSide
	kick  bool
	edges []edge // what it may do by itself; nil until it is asked
}

// edge is a move of one side.
type edge struct {
	m      move // without its side
	to     int32
	out    int32 // the message that it packs, -1 for none
	ending bool  // a reader came to the clean end
	fault  string
}

// wire is the messages on their way to one side. 0 is the empty one.
type wire struct {
	msgs []int32
	rest int32 // without the first
}

func newSearch(sc scenario, limit int) *search {
	return &search{
		sc: sc, limit: limit, index: make([]uint32, 1<<12), wires: []wire{{}},
		sideNum: map[string]int32{}, heard: map[[2]int32]edge{}, msgNum: map[string]int32{}, wireNum: map[string]int32{"": 0},
	}
}

// run searches until nothing is new, or the limit is met.
func (s *search) run() {
	w := s.sc.world()
	first := state{side: [2]int32{s.sideOf(w.sides[0]), s.sideOf(w.sides[1])}}
	s.find(first, 0, 0)
	level := 1 // where the states of the next depth begin
	for n := 0; n < s.states.len() && s.fault == ""; n++ {
		if n == level {
			s.depth, level = s.depth+1, s.states.len()
		}
		if s.states.len() >= s.limit {
			return // all states of a lesser depth were gone into
		}
		s.expand(n)
	}
	s.complete = s.fault == ""
	if s.complete {
		s.checkEnds()
	}
}

// expand finds what follows a state.
func (s *search) expand(n int) {
	st := s.states.at(n)
	waiting := true // nothing can happen but mischief
	s.each(st, func(k int, i int, e edge, next state) bool {
		waiting = waiting && e.m.isMischief()
		s.transitions++
		if e.fault == "" && e.ending {
			// The one check of a move that looks at the other side.
			w := s.world(st)
			r := *w.sides[i].readers[e.m.n]
			r.over = io.EOF
			w.checkEnd(i, &r)
			e.fault = w.fault
		}
		if e.fault != "" {
			s.blame(n, &e.m, i, e.fault)
			return false
		}
		s.find(next, n, k)
		return true
	})
	quiet := st.wire == [2]int32{} && !s.sides[st.side[0]].kick && !s.sides[st.side[1]].kick
	if s.fault != "" || !quiet {
		return
	}
	w := s.world(st)
	w.checkQuiet()
	if waiting {
		s.finals++
		w.checkFinal()
	}
	if w.fault != "" {
		s.blame(n, nil, 0, w.fault)
	}
}

// each calls f for all that can happen next, in an order that never changes,
// until it returns false: the k-th is edge e of side i.
func (s *search) each(st state, f func(k, i int, e edge, next state) bool) {
	k := 0
	for i := range 2 {
		if wire := s.wires[st.wire[i]]; len(wire.msgs) > 0 {
			e, next := s.hear(st.side[i], wire.msgs[0]), st
			next.side[i], next.wire[i] = e.to, wire.rest
			if !f(k, i, e, next) {
				return
			}
			k++
		}
		for _, e := range s.edges(st.side[i]) {
			next := st
			next.side[i] = e.to
			if e.out >= 0 {
				ahead := s.wires[st.wire[1-i]].msgs
				next.wire[1-i] = s.wireOf(append(ahead[:len(ahead):len(ahead)], e.out))
			}
			if !f(k, i, e, next) {
				return
			}
			k++
		}
	}
}

// edges are what a side may do by itself.
func (s *search) edges(side int32) []edge {
	l := s.sides[side]
	if l.edges == nil {
		w := &world{sides: [2]*simSide{l.side, {}}}
		l.edges = []edge{}
		for _, m := range w.ownMoves(nil, 0) {
			l.edges = append(l.edges, s.step(l.side, m, nil))
		}
	}
	return l.edges
}

// hear is what becomes of a side that takes a message.
func (s *search) hear(side, msg int32) edge {
	key := [2]int32{side, msg}
	e, ok := s.heard[key]
	if !ok {
		e = s.step(s.sides[side].side, move{'d', 0, 0}, s.msgs[msg])
		s.heard[key] = e
	}
	return e
}

// step is the pure function: a copy of side makes the move.
func (s *search) step(side *simSide, m move, msg []byte) edge {
	w := &world{sides: [2]*simSide{copySide(side), {}}}
	if msg != nil {
		w.sides[0].inbox = [][]byte{msg}
	}
	w.do(m)
	e := edge{m: m, out: -1, fault: w.fault}
	if out := w.sides[1].inbox; len(out) > 0 {
		e.out = intern(s.msgNum, &s.msgs, out[0], out[0])
	}
	w.sides[0].inbox = nil
	e.ending = m.what == 't' && w.sides[0].readers[m.n].over == io.EOF
	e.to = s.sideOf(w.sides[0])
	return e
}

func (s *search) sideOf(side *simSide) int32 {
	return intern(s.sideNum, &s.sides, canonical(side), &local{side: side, kick: side.e.kick()})
}

func (s *search) wireOf(msgs []int32) int32 {
	var text []byte
	for _, m := range msgs {
		text = binary.LittleEndian.AppendUint32(text, uint32(m))
	}
	if n, ok := s.wireNum[string(text)]; ok {
		return n
	}
	rest := int32(0)
	if len(msgs) > 1 {
		rest = s.wireOf(msgs[1:])
	}
	return intern(s.wireNum, &s.wires, text, wire{msgs, rest})
}

// intern returns the number of what has that text, a new one for the first.
func intern[T any](nums map[string]int32, all *[]T, text []byte, made T) int32 {
	n, ok := nums[string(text)]
	if !ok {
		n = int32(len(*all))
		nums[string(text)] = n
		*all = append(*all, made)
	}
	return n
}

// world is a state as a world that can be looked at.
func (s *search) world(st state) *world {
	return &world{sides: [2]*simSide{s.sides[st.side[0]].side, s.sides[st.side[1]].side}}
}

// find notes that a transition leads to a state.
func (s *search) find(st state, from, by int) {
	if 2*s.states.len() >= len(s.index) {
		s.grow()
	}
	at := s.slot(st)
	if n := s.index[at]; n > 0 {
		p := s.parents.ref(int(n - 1))
		if *p++; *p == 0 {
			panic("BUG: more than 255 ways to one state")
		}
		return
	}
	s.states.add(st)
	s.from.add(uint32(from))
	s.by.add(uint8(by))
	s.parents.add(1)
	s.index[at] = uint32(s.states.len())
}

// slot is where a state is in index, or where it has to go.
func (s *search) slot(st state) int {
	const odd = 0x9e3779b97f4a7c15
	h := uint64(uint32(st.side[0]))<<32 | uint64(uint32(st.side[1]))
	h = h*odd ^ h>>29
	h = (h ^ (uint64(uint32(st.wire[0]))<<32 | uint64(uint32(st.wire[1])))) * odd
	h = (h ^ h>>32) * odd
	mask := len(s.index) - 1
	at := int(h>>20) & mask
	for s.index[at] > 0 && s.states.at(int(s.index[at]-1)) != st {
		at = (at + 1) & mask
	}
	return at
}

func (s *search) grow() {
	s.index = make([]uint32, 2*len(s.index))
	for n := range s.states.len() {
		s.index[s.slot(s.states.at(n))] = uint32(n + 1)
	}
}

// checkEnds sees that every course comes to an end, whatever the order: that
// there is no way back to any state. States are taken away from the beginning
// on, each when all transitions to it have been.
func (s *search) checkEnds() {
	ready := []uint32{0}
	gone := 0
	for len(ready) > 0 {
		n := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		gone++
		s.each(s.states.at(int(n)), func(_, _ int, _ edge, next state) bool {
			to := s.index[s.slot(next)] - 1
			p := s.parents.ref(int(to))
			if *p--; *p == 0 {
				ready = append(ready, to)
			}
			return true
		})
	}
	if gone == s.states.len() {
		return
	}
	for n := range s.states.len() {
		if *s.parents.ref(n) > 0 {
			s.blame(n, nil, 0, "L6: from here a course can go round for ever")
			return
		}
	}
}

// blame tells of a fault after a state, and perhaps one move more, by the
// course that leads there.
func (s *search) blame(n int, m *move, side int, fault string) {
	var course []move
	if m != nil {
		course = append(course, move{m.what, side, m.n})
	}
	for n > 0 {
		from, by := int(*s.from.ref(n)), int(*s.by.ref(n))
		s.each(s.states.at(from), func(k, i int, e edge, _ state) bool {
			if k == by {
				course = append(course, move{e.m.what, i, e.m.n})
			}
			return k < by
		})
		n = from
	}
	w := s.sc.world()
	var b strings.Builder
	b.WriteString(fault + "\nafter")
	for i := len(course) - 1; i >= 0; i-- {
		b.WriteString("\n\t" + w.tell(course[i]))
		w.do(course[i])
	}
	s.fault = b.String()
}

// tell is a move for people: with the frames of the message, if it takes one.
func (w *world) tell(m move) string {
	text := m.String()
	if inbox := w.sides[m.side].inbox; m.what == 'd' && len(inbox) > 0 {
		for msg := inbox[0]; len(msg) > 0; {
			f, rest, bad := cutFrame(msg)
			if bad != nil {
				break
			}
			text += fmt.Sprintf(", %v %d %x", f.typ, f.stream, f.payload)
			msg = rest
		}
	}
	return text
}

// chunks is a list that grows without being moved.
type chunks[T any] struct {
	parts [][]T
	n     int
}

const chunkLen = 1 << 16

func (c *chunks[T]) len() int { return c.n }

func (c *chunks[T]) add(v T) {
	if c.n%chunkLen == 0 {
		c.parts = append(c.parts, make([]T, chunkLen))
	}
	c.parts[c.n/chunkLen][c.n%chunkLen] = v
	c.n++
}

func (c *chunks[T]) ref(n int) *T { return &c.parts[n/chunkLen][n%chunkLen] }
func (c *chunks[T]) at(n int) T   { return *c.ref(n) }
