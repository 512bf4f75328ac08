package jsgi_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/adapters/jsgi"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // fuzzing has goroutines of its own
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		fmt.Fprintf(os.Stderr, "%d goroutines are left, %d were there before:\n%s", n, before, stacks)
		code = max(code, 1)
	}
	os.Exit(code)
}

var errTest = errors.New("test: broken")

// bg is the ctx of calls that are not about their ctx.
var bg = context.Background()

// must fails the test if err is not nil.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails the test if err is not target.
func wantErr(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
}

// wantPanic fails the test if f does not panic.
func wantPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not panic", name)
		}
	}()
	f()
}

// wantLog fails the test if got is not the events of want, which are separated
// by ", ".
func wantLog(t *testing.T, got []string, want string) {
	t.Helper()
	if s := strings.Join(got, ", "); s != want {
		t.Fatalf("got  %s\nwant %s", s, want)
	}
}

// script drives a stream of ints: each turn runs on the stream's queue as a
// script's run does in a browser, and what the stream fires is in log.
type script struct {
	t   *testing.T
	q   *jsgi.Queue
	s   *jsgi.Stream[int]
	log []string
	// on is called in every event, after it was logged; nil for nothing.
	on func(event string)
}

// run runs f in a bubble with a script whose stream has a listener to all.
func run(t *testing.T, f func(x *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &jsgi.Queue{}
		x := &script{t: t, q: q, s: jsgi.NewStream[int](&jsgi.Options{Queue: q})}
		x.s.AddListener(x.listener(""))
		f(x)
	})
}

// listener returns one that logs every event behind prefix.
func (x *script) listener(prefix string) jsgi.Listener[int] {
	event := func(name string) func() { return func() { x.add(prefix + name) } }
	return jsgi.Listener[int]{
		Data:   func(v int) { x.add(fmt.Sprint(prefix, "data ", v)) },
		End:    event("end"),
		Drain:  event("drain"),
		Pause:  event("pause"),
		Resume: event("resume"),
		Error:  func(err error) { x.add(fmt.Sprint(prefix, "error ", err)) },
	}
}

func (x *script) add(event string) {
	x.log = append(x.log, event)
	if x.on != nil {
		x.on(event)
	}
}

// turn runs f as one turn, checks that nothing was fired inside it, and waits
// until nothing happens any more.
func (x *script) turn(f func()) {
	x.t.Helper()
	fired := false
	x.q.Go(func() {
		before := slices.Clone(x.log)
		f()
		fired = !slices.Equal(before, x.log)
	})
	synctest.Wait()
	if fired {
		x.t.Fatalf("something was fired inside the turn: %v", x.log)
	}
}

// write writes v and fails the test if the answer is not want.
func (x *script) write(v int, want bool) {
	x.t.Helper()
	on, err := x.s.Write(v)
	if err != nil || on != want {
		x.t.Errorf("Write(%d) = %v, %v, want %v", v, on, err, want)
	}
}

// want fails the test if the log is not what want says.
func (x *script) want(want string) {
	x.t.Helper()
	wantLog(x.t, x.log, want)
}
