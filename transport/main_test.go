package transport_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"omnistreams.dev/transport"
)

// TestMain fails if a goroutine is left after all tests.
func TestMain(m *testing.M) {
	transport.SetHandshakeTimeout(time.Hour)
	before := runtime.NumGoroutine()
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // the fuzzer leaves goroutines of its own
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "%d goroutines, %d before:\n%s\n", runtime.NumGoroutine(), before,
				stacks[:runtime.Stack(stacks, true)])
			code = 1
			break
		}
	}
	os.Exit(code)
}
