package mux

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
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
	may     [2]allowance // each side's mischief
	always  bool         // it is small: searched to the end in every run
}

var (
	oneWay = simPlan{items: 2}
	short  = simPlan{items: 1}
	ask    = simPlan{call: true, items: 2}
	poke   = simPlan{call: true}

	// Credit for one item at a time: asked for by the reader (pull), given
	// with HELLO at first (tight), kept up for it by a window.
	pull     = simConfig{streams: 1, items: 0, maxItem: 4}
	tight    = simConfig{streams: 1, items: 1, maxItem: 4, bytes: 4}
	windowed = simConfig{streams: 2, items: 2, maxItem: 4, bytes: 4, prefetch: 2}
	last     = simConfig{streams: 2, items: 1, maxItem: 4, bytes: 4, lastID: 1}

	peace   = [2]allowance{}
	cancels = both(allowance{cancels: 1})
	refuses = both(allowance{cancels: 1, refusals: 1})
	drains  = both(allowance{cancels: 1, shutdowns: 1})
	closes  = both(allowance{cancels: 1, closes: 1})
)

func both(may allowance) [2]allowance { return [2]allowance{may, may} }

// The scenarios have two streams of two items and one cancel a side, and what
// is about as much.
var scenarios = []scenario{
	{"one way", tight, 0, [2][]simPlan{{oneWay}, nil}, cancels, true},
	{"one way, pure pull", pull, 0, [2][]simPlan{{oneWay}, nil}, cancels, true},
	{"one way, a window", windowed, 0, [2][]simPlan{{{items: 3}}, nil}, cancels, true},
	{"a call without items", tight, 0, [2][]simPlan{{poke}, nil}, cancels, true},
	{"both ways", tight, 0, [2][]simPlan{{oneWay}, {oneWay}}, cancels, true},
	{"one way, all mischief", tight, 0, [2][]simPlan{{oneWay}, nil}, both(allowance{1, 1, 1, 1}), false},
	{"pure pull, a shutdown", pull, 0, [2][]simPlan{{oneWay}, nil}, both(allowance{1, 1, 1, 0}), false},
	{"a window, a shutdown", windowed, 0, [2][]simPlan{{{items: 3}}, nil}, drains, false},
	{"one after the other", tight, 0, [2][]simPlan{{oneWay, oneWay}, nil}, both(allowance{1, 1, 1, 0}), false},
	{"two at a time", windowed, 0, [2][]simPlan{{oneWay, oneWay}, nil}, cancels, false},
	{"both ways, pure pull", pull, 0, [2][]simPlan{{oneWay}, {oneWay}}, cancels, false},
	{"both ways, a window", windowed, 0, [2][]simPlan{{oneWay}, {oneWay}}, cancels, false},
	{"both ways and a refusal", tight, 0, [2][]simPlan{{oneWay}, {oneWay}}, refuses, false},
	{"both ways and a shutdown", tight, 0, [2][]simPlan{{oneWay}, {oneWay}}, drains, false},
	{"both ways and a close", tight, 0, [2][]simPlan{{oneWay}, {oneWay}}, closes, false},
	{"a call", tight, 2, [2][]simPlan{{ask}, nil}, cancels, false},
	{"a call and a refusal", tight, 2, [2][]simPlan{{ask}, nil}, refuses, false},
	{"a call and a shutdown", tight, 1, [2][]simPlan{{ask}, nil}, drains, false},
	{"two calls, one slot", tight, 1, [2][]simPlan{{poke, poke}, nil}, refuses, false},
	{"a call against a stream", pull, 1, [2][]simPlan{{poke}, {short}}, cancels, false},
	{"numbers run out", last, 0, [2][]simPlan{{short, short}, {poke}}, refuses, false},
	{"calls both ways, in peace", tight, 1, [2][]simPlan{{poke}, {poke}}, peace, false},
	{"calls both ways", tight, 1, [2][]simPlan{{poke}, {poke}}, cancels, false},
}

// world is the scenario's beginning: both know each other.
func (sc scenario) world() *world {
	w := newWorld(sc.cfg, 0, sc.answers, sc.plans)
	for i, s := range w.sides {
		s.may = sc.may[i]
	}
	return w
}

// TestModel searches small worlds: every order of opens, items, ends, answers,
// messages packed and delivered, with each side's mischief at any point. By
// default a search stops after some thousand states, and TestModelWalks draws
// courses of what is left. With OMNI_MODEL=full it goes on until nothing is
// new, or to the depth that fullLimit states reach; that takes minutes and
// some gigabytes. OMNI_MODEL=n stops after n states.
func TestModel(t *testing.T) {
	const defaultLimit, fullLimit = 2_000, 30_000_000
	limit := defaultLimit
	if env := os.Getenv("OMNI_MODEL"); env == "full" {
		limit = fullLimit
	} else if env != "" {
		n, err := strconv.Atoi(env)
		if err != nil {
			t.Fatalf("OMNI_MODEL is neither full nor a number: %v", err)
		}
		limit = n
	}
	var states, transitions int
	for _, sc := range scenarios {
		t.Run(strings.ReplaceAll(sc.name, " ", "_"), func(t *testing.T) {
			limit := limit
			if sc.always {
				limit = max(limit, fullLimit)
			}
			s := newSearch(sc, limit)
			s.run()
			t.Log(s.result())
			states += s.states.len()
			transitions += s.transitions
			if s.fault != "" {
				t.Fatal(s.fault)
			}
		})
		runtime.GC() // a large search is not to be there beside the next
	}
	t.Logf("%d states, %d transitions in all", states, transitions)
}

// result is a line of the table.
func (s *search) result() string {
	how := "complete: yes"
	if !s.complete {
		how = fmt.Sprintf("complete: no, only all courses of up to %d moves", s.depth)
	}
	return fmt.Sprintf("%-26s %8d states %9d transitions %6d final, depth %d, %s", s.sc.name, s.states.len(), s.transitions, s.finals, s.depth, how)
}

// blame is what went wrong with a course that was drawn.
func blame(w *world, course []move) string {
	var b strings.Builder
	b.WriteString(w.fault + "\nafter")
	for _, m := range course {
		b.WriteString("\n\t" + m.String())
	}
	return b.String()
}

// onlyWaiting says whether nothing can happen but mischief.
func onlyWaiting(w *world, moves []move) bool {
	for _, m := range moves {
		if !m.isMischief() {
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
	w := newWorld(sc.cfg, mischief, sc.answers, sc.plans)
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
	if w.fault == "" {
		return ""
	}
	return blame(w, course)
}
