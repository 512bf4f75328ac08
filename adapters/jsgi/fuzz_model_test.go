package jsgi_test

import (
	"slices"
	"strconv"

	"omnistreams.dev/adapters/jsgi"
)

// streamModel is an evented stream as doc.go states it, and its queue. Nothing
// in it runs by itself: it says what must be heard next.
type streamModel struct {
	bound     int
	listeners []*modelListener
	late      []*modelListener // who must still be told of the end or of a drain

	items   []int // written, and not heard yet
	passed  bool  // the first of them was answered with true (S09)
	owed    bool  // a drain (S02, S22, S31)
	drained bool  // there was one
	firing  bool  // data is being heard (S23)
	paused  bool
	moves   int // pause and resume events to come (S07)
	closed  bool
	over    bool
	err     error

	queue     []turnKind // turns to come
	scheduled bool       // one of them, or this one, is the stream's
	calls     []heard    // what this turn still has to tell
	inTurn    bool
	program   bool // the turn that advance has come to is the program's
}

type turnKind int

const (
	aTurn   turnKind = iota // of the program
	itsTurn                 // of the stream, one event each (S04)
)

type modelListener struct {
	id    int
	hears byte
}

// heard is a listener with an event.
type heard struct {
	id    int
	event string
}

func (m *streamModel) readers() bool {
	return slices.ContainsFunc(m.listeners, func(l *modelListener) bool { return l.hears&hearsData != 0 })
}

// idle says whether a Write goes on at once (S01).
func (m *streamModel) idle() bool {
	return len(m.items) == 0 && !m.firing && !m.owed && !m.paused && m.readers()
}

func (m *streamModel) write(v int) (bool, error) {
	waiting := len(m.items)
	if m.passed {
		waiting--
	}
	on := m.idle()
	switch {
	case m.over && m.err != nil:
		return false, m.err
	case m.closed:
		return false, jsgi.ErrClosed
	case on:
		m.passed = true
	case waiting >= m.bound:
		return false, jsgi.ErrFull
	default:
		m.owed = true
	}
	m.items = append(m.items, v)
	m.schedule()
	return on, nil
}

func (m *streamModel) ready() error {
	switch {
	case m.over && m.err != nil:
		return m.err
	case m.closed:
		return jsgi.ErrClosed
	case m.idle():
		return nil
	}
	return errOver
}

func (m *streamModel) close(err error) {
	if !m.closed {
		m.closed, m.err = true, err
		m.schedule()
	}
}

func (m *streamModel) cancel(err error) {
	if m.over {
		return
	}
	m.closed, m.err = true, err
	m.items, m.passed, m.owed = nil, false, false
	m.end()
}

// end is when nothing comes any more but the news of it, one listener a turn.
func (m *streamModel) end() {
	m.over, m.moves, m.late = true, 0, nil
	for _, l := range m.listeners {
		m.missed(l)
	}
}

// missed has l told of what was before it came (S25), or of the end.
func (m *streamModel) missed(l *modelListener) {
	if m.over && l.hears&hearsEnd != 0 || !m.over && m.drained && !m.owed && l.hears&hearsDrain != 0 {
		m.late = append(m.late, l)
		m.schedule()
	}
}

func (m *streamModel) move(pause bool) {
	if m.over || m.paused == pause {
		return // S11, S38
	}
	m.paused = pause
	if slices.ContainsFunc(m.listeners, func(l *modelListener) bool { return l.hears&hearsPause != 0 }) {
		m.moves++
	}
	m.schedule()
}

func (m *streamModel) listen(l *modelListener) {
	m.listeners = append(slices.Clone(m.listeners), l)
	m.missed(l)
	m.schedule()
}

func (m *streamModel) remove(id int) {
	is := func(l *modelListener) bool { return l.id == id }
	m.listeners = slices.DeleteFunc(slices.Clone(m.listeners), is)
	m.late = slices.DeleteFunc(slices.Clone(m.late), is)
}

// due says whether the stream has an event to fire.
func (m *streamModel) due() bool {
	switch {
	case m.over:
		return len(m.late) > 0
	case m.moves > 0:
		return true
	case len(m.items) > 0:
		return m.readers() && (m.passed || !m.paused)
	}
	return m.owed || len(m.late) > 0 || m.closed
}

func (m *streamModel) schedule() {
	if !m.scheduled && m.due() {
		m.scheduled = true
		m.queue = append(m.queue, itsTurn)
	}
}

// advance goes to the next thing that somebody notices: what a listener must
// hear, or a turn of the program, of which turnDue tells.
func (m *streamModel) advance() (heard, bool) {
	for len(m.calls) == 0 {
		if len(m.queue) == 0 {
			return heard{}, false
		}
		kind := m.queue[0]
		m.queue = m.queue[1:]
		if kind == aTurn {
			m.program = true
			return heard{}, false
		}
		m.inTurn = true
		m.fire()
		m.endTurn()
	}
	return m.calls[0], true
}

// turnDue takes back that advance has come to a turn of the program.
func (m *streamModel) turnDue() (due bool) {
	due, m.program = m.program, false
	return due
}

// endTurn ends the stream's turn when all have heard of its event.
func (m *streamModel) endTurn() {
	if m.inTurn && len(m.calls) == 0 {
		m.firing, m.scheduled, m.inTurn = false, false, false
		m.schedule()
	}
}

// tell has the event told to all that hear such.
func (m *streamModel) tell(hears byte, event string) {
	for _, l := range m.listeners {
		if l.hears&hears != 0 {
			m.calls = append(m.calls, heard{l.id, event})
		}
	}
}

// fire is one event.
func (m *streamModel) fire() {
	if !m.over && m.moves == 0 && len(m.items) == 0 && !m.owed && len(m.late) == 0 && m.closed {
		m.end()
	}
	switch {
	case !m.due():
		// it was canceled meanwhile, or paused
	case m.over, m.moves == 0 && len(m.items) == 0 && !m.owed:
		m.tellLate()
	case m.moves > 0:
		event := "resume"
		if m.paused == (m.moves%2 == 1) {
			event = "pause"
		}
		m.moves--
		m.tell(hearsPause, event)
	case len(m.items) > 0:
		m.firing, m.passed = true, false
		m.tell(hearsData, "data "+strconv.Itoa(m.items[0]))
		m.items = m.items[1:]
	default:
		m.owed, m.drained, m.late = false, true, nil
		m.tell(hearsDrain, "drain")
	}
}

// tellLate tells the first of those that have missed something.
func (m *streamModel) tellLate() {
	event := "drain"
	if m.over {
		if event = "end"; m.err != nil {
			event = "error " + m.err.Error()
		}
	}
	m.calls = append(m.calls, heard{m.late[0].id, event})
	m.late = m.late[1:]
}
