package wire

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"omnistreams.dev/bench/harness"
)

// work is what is measured on a session that is up. It resets the timer when
// its own preparations are done, and returns when everything has arrived.
// Whatever it starts ends when cut is called, or before.
type work func(b *testing.B, s session) error

// session is both its ends.
type session struct {
	client, server muxer
}

// cut closes both ends and waits until they are gone.
func (s session) cut() {
	s.client.close()
	s.server.close()
}

// does is the case in which p does w. Published is ns per op, elsewhere.
func (p peer) does(l link, set settings, w work) harness.Case {
	return harness.Case{
		Name: p.name, Kind: p.kind, Source: p.source, Module: p.module,
		Bench: func(b *testing.B) {
			s := p.session(b, l, set)
			err := w(b, s)
			b.StopTimer()
			s.cut()
			if err != nil {
				b.Fatalf("%s over %s: %v", p.name, l.name, err)
			}
		},
	}
}

func (p peer) session(tb testing.TB, l link, set settings) session {
	tb.Helper()
	client, server := p.connect(tb, l, set)
	return session{client, server}
}

// together runs fs at once and returns the first error. That cuts the session,
// so that the others end too.
func (s session) together(fs ...func() error) error { return together(s.cut, fs...) }

func together(cut func(), fs ...func() error) error {
	var group sync.WaitGroup
	var once sync.Once
	var first error
	for _, f := range fs {
		group.Go(func() {
			if err := f(); err != nil {
				once.Do(func() {
					first = err
					cut()
				})
			}
		})
	}
	group.Wait()
	return first
}

// stream opens a stream and sees that it exists at both ends: a first message
// goes over it, since some peers tell nobody of a stream until there is one.
func (s session) stream() (out, in conn, err error) {
	if out, err = s.client.open(); err != nil {
		return nil, nil, err
	}
	err = s.together(func() error {
		if err := out.send(make([]byte, 8)); err != nil {
			return err
		}
		return out.flush()
	}, func() (err error) {
		if in, err = s.server.accept(); err == nil {
			_, err = in.recv()
		}
		return err
	})
	return out, in, err
}

// streams opens n of them.
func (s session) streams(n int) (outs, ins []conn, err error) {
	for i := range n {
		out, in, err := s.stream()
		if err != nil {
			return nil, nil, fmt.Errorf("stream %d of %d: %w", i, n, err)
		}
		outs, ins = append(outs, out), append(ins, in)
	}
	return outs, ins, nil
}

// published notes what was measured elsewhere, in ns per op by case.
func published(cases []harness.Case, ns map[string]float64) []harness.Case {
	for name, v := range ns {
		found := false
		for i := range cases {
			if cases[i].Name == name {
				cases[i].Published, found = v, true
			}
		}
		if !found {
			panic("BUG: no case is called " + name)
		}
	}
	return cases
}

// quick has a quick run leave out all cases but ours and those named.
func quick(w *harness.Workload, names ...string) {
	w.Quick = true
	for i, c := range w.Cases {
		w.Cases[i].FullOnly = c.Kind != harness.Ours && !slices.Contains(names, c.Name)
	}
	for _, name := range names {
		if !slices.ContainsFunc(w.Cases, func(c harness.Case) bool { return c.Name == name }) {
			panic("BUG: no case is called " + name)
		}
	}
}

// size is n bytes in words.
func size(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
