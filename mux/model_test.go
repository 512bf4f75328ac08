package mux

import (
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// scenario is a small world whose every course is searched.
type scenario struct {
	name    string
	cfg     simConfig
	answers int // items of each answer
	plans   [2][]simPlan
}

var (
	oneWay = simPlan{items: 2}
	short  = simPlan{items: 1}
	ask    = simPlan{call: true, items: 1}
	poke   = simPlan{call: true}

	pull     = simConfig{streams: 1, items: 0, maxItem: 4}
	tight    = simConfig{streams: 1, items: 1, maxItem: 4, bytes: 4}
	windowed = simConfig{streams: 2, items: 2, maxItem: 4, bytes: 4, prefetch: 2}
)

var scenarios = []scenario{
	{"one way", tight, 0, [2][]simPlan{{oneWay}, nil}},
	{"one way, pure pull", pull, 0, [2][]simPlan{{oneWay}, nil}},
	{"one way, a window", windowed, 0, [2][]simPlan{{{items: 3}}, nil}},
	{"one after the other", tight, 0, [2][]simPlan{{short, short}, nil}},
	{"two at a time", windowed, 0, [2][]simPlan{{short, short}, nil}},
	{"both ways", tight, 0, [2][]simPlan{{short}, {short}}},
	{"a call", tight, 1, [2][]simPlan{{ask}, nil}},
	{"a call and an answer of two", tight, 2, [2][]simPlan{{poke}, nil}},
	{"two calls, one slot", tight, 0, [2][]simPlan{{poke, poke}, nil}},
	{"calls both ways", tight, 1, [2][]simPlan{{poke}, {poke}}},
	{"a call against a stream", pull, 1, [2][]simPlan{{poke}, {short}}},
	{"numbers run out", simConfig{streams: 2, items: 1, maxItem: 4, bytes: 4, lastID: 1}, 0, [2][]simPlan{{short, short}, {poke}}},
}

// TestModel searches the courses of small worlds to the end: every order of
// opens, items, ends, answers, messages packed and delivered, with a cancel,
// refusal or shutdown at any point. OMNI_MODEL_DEPTH is how many of the
// latter one course may have (1 by default); it grows steeply.
//
// Engines are not copied: a course is played again from its beginning, and
// states that were met before, told apart by a hash of everything in them,
// are not gone into a second time. By default a search stops after some
// thousand states, and TestModelWalks draws courses of what is left.
func TestModel(t *testing.T) {
	depth, limit := 1, 2_000
	if s := os.Getenv("OMNI_MODEL_DEPTH"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("OMNI_MODEL_DEPTH: %v", err)
		}
		depth, limit = n, math.MaxInt
	}
	for _, sc := range scenarios {
		t.Run(strings.ReplaceAll(sc.name, " ", "_"), func(t *testing.T) {
			s := search{sc: sc, mischief: depth, limit: limit, met: map[uint64]bool{}}
			s.from(nil, s.start())
			if s.fault != "" {
				t.Fatal(s.fault)
			}
			t.Logf("%d states, %d final, complete: %v", len(s.met), s.finals, len(s.met) < limit)
		})
	}
}

type search struct {
	sc              scenario
	mischief, limit int
	met             map[uint64]bool
	finals          int
	fault           string
}

func (s *search) start() *world {
	return newWorld(s.sc.cfg, s.mischief, s.sc.answers, s.sc.plans)
}

// replay plays a course from its beginning.
func (s *search) replay(course []move) *world {
	w := s.start()
	for _, m := range course {
		w.do(m)
	}
	return w
}

// from goes into every course that continues this one. w is its world, which
// is used up.
func (s *search) from(course []move, w *world) {
	if s.fault != "" || len(s.met) >= s.limit {
		return
	}
	state := w.hash()
	if s.met[state] {
		return
	}
	s.met[state] = true
	moves := w.moves()
	if w.quiet() {
		w.checkQuiet()
	}
	if stuck := w.quiet() && onlyWaiting(w, moves); stuck {
		s.finals++
		w.checkFinal()
	}
	if w.fault != "" {
		s.blame(course, w)
		return
	}
	for i, m := range moves {
		next := w
		if i < len(moves)-1 { // the last one has this world for itself
			next = s.replay(course)
		}
		next.do(m)
		s.from(append(course[:len(course):len(course)], m), next)
	}
}

func (s *search) blame(course []move, w *world) {
	var b strings.Builder
	b.WriteString(w.fault + "\nafter")
	for _, m := range course {
		b.WriteString("\n\t" + m.String())
	}
	s.fault = b.String()
}

// onlyWaiting says whether nothing can happen but mischief.
func onlyWaiting(w *world, moves []move) bool {
	for _, m := range moves {
		switch m.what {
		case 's', 'c', 'k', 'f':
		default:
			return false
		}
	}
	return true
}

// TestModelWalks draws courses of the same worlds, with more mischief and some
// with a side that closes at once, and courses of worlds that are drawn too.
func TestModelWalks(t *testing.T) {
	const walks = 400
	for i, sc := range scenarios {
		for n := range walks {
			r := rand.New(rand.NewPCG(uint64(i), uint64(n)))
			if fault := walk(r, sc, n%5, n%4 == 0); fault != "" {
				t.Fatalf("%s, walk %d: %s", sc.name, n, fault)
			}
		}
	}
	for n := range 5 * walks {
		r := rand.New(rand.NewPCG(1000, uint64(n)))
		sc := drawScenario(r)
		if fault := walk(r, sc, n%7, n%4 == 0); fault != "" {
			t.Fatalf("world %d, %+v: %s", n, sc, fault)
		}
	}
}

// drawScenario draws a world larger than those that are searched.
func drawScenario(r *rand.Rand) scenario {
	sc := scenario{answers: r.IntN(4), cfg: simConfig{
		streams: 1 + r.Uint32N(3), items: r.Uint32N(4), maxItem: 2 + r.Uint32N(3), prefetch: r.Uint64N(4),
	}}
	if sc.cfg.items > 0 {
		sc.cfg.bytes = sc.cfg.maxItem + r.Uint32N(4)
	}
	if r.IntN(8) == 0 {
		sc.cfg.lastID = 1 + r.Uint32N(3)
	}
	for i := range sc.plans {
		for range r.IntN(5) {
			sc.plans[i] = append(sc.plans[i], simPlan{call: r.IntN(2) == 0, items: r.IntN(6)})
		}
	}
	return sc
}

// walk draws one course to its end and returns what went wrong. With closes,
// one side is closed at once somewhere on the way.
func walk(r *rand.Rand, sc scenario, mischief int, closes bool) string {
	s := search{sc: sc, mischief: mischief}
	w := s.start()
	var course []move
	closeAt := -1
	if closes {
		closeAt = r.IntN(60)
	}
	for w.fault == "" {
		moves := w.moves()
		if w.quiet() {
			w.checkQuiet()
			if onlyWaiting(w, moves) && r.IntN(2) == 0 || len(moves) == 0 {
				w.checkFinal()
				break
			}
		}
		m := moves[r.IntN(len(moves))]
		if len(course) == closeAt {
			m = move{'x', r.IntN(2), 0}
		}
		w.do(m)
		course = append(course, m)
	}
	if w.fault != "" {
		s.blame(course, w)
	}
	return s.fault
}
