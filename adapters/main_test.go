package adapters_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"omnistreams.dev/omni"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // the fuzzing engine leaves goroutines of its own
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

// check is must for goroutines besides the test's own.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
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

// items returns the stream of byte slices that ss are.
func items(ss ...string) *omni.Producer[[]byte] {
	var bs [][]byte
	for _, s := range ss {
		bs = append(bs, []byte(s))
	}
	return omni.FromSlice(bg, bs)
}

// collect returns a stream's items as strings.
func collect(t *testing.T, p *omni.Producer[[]byte]) []string {
	t.Helper()
	var ss []string
	for b, err := range p.All(bg) {
		must(t, err)
		ss = append(ss, string(b))
	}
	return ss
}

// closed reports whether done is.
func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
