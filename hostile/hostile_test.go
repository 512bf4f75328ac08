package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// TestMain makes this program a victim when it is started as one. After the
// tests it checks that no goroutine is left.
func TestMain(m *testing.M) {
	if err := victimMain(); !errors.Is(err, errNoVictim) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	for start := time.Now(); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			os.Exit(1)
		}
	}
	os.Exit(code)
}

// ends are the rules that the session of an attack ends by; the session of
// every other attack lives.
var ends = map[string]string{
	"opens beyond it": "rule 5",
	"open and kill":   "rule 5",
	"credit overrun":  "rule 4",
	"wrapped credit":  "rule 2",
	"late frames":     "rule 8",
}

// Every attack on this project: the right outcome, a canary that lives, no
// goroutine left and no more memory than the budget and its bookkeeping.
func TestAttacks(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each victim
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			r, err := attackOne(victims[0], a, settings{duration: 200 * time.Millisecond, grace: 20 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			p := r.report
			if r.crash != "" || p.Limit {
				t.Fatalf("process died: %q, beyond its memory: %v", r.crash, p.Limit)
			}
			if p.Canary < int64(r.canarySent*itemSize) || r.canarySent < 10 {
				t.Errorf("canary: %d bytes arrived of %d items", p.Canary, r.canarySent)
			}
			if p.Left != 0 {
				t.Errorf("%d goroutines left", p.Left)
			}
			if p.Memory > 100<<20 {
				t.Errorf("%d bytes of memory", p.Memory)
			}
			checkOutcome(t, r)
		})
	}
}

func checkOutcome(t *testing.T, r *run) {
	t.Helper()
	p := r.report
	rule, all := ends[r.attack.name], fmt.Sprint(p.Reasons)
	switch {
	case r.attack.lingers: // whether the victim's slots hold out is a matter of speed
	case rule != "":
		if p.Ended != p.Sessions || !strings.Contains(all, rule) {
			t.Errorf("%d of %d sessions ended, reasons %s, want all, by %s", p.Ended, p.Sessions, all, rule)
		}
	case r.main == nil:
		if p.Ended != r.sessions || r.sessions < 50 {
			t.Errorf("%d sessions ended of %d", p.Ended, r.sessions)
		}
	default:
		if p.Ended != 0 || p.Honest < int64(r.main.sent*itemSize) || r.main.sent < 2 {
			t.Errorf("%d sessions ended (%s); %d bytes arrived of %d items", p.Ended, all, p.Honest, r.main.sent)
		}
	}
	if r.attack.incomplete && (p.CleanEnds != 0 || p.BrokenEnds == 0) {
		t.Errorf("%d streams ended as if complete, %d with an error", p.CleanEnds, p.BrokenEnds)
	}
	if r.attack.slow && p.Peak > 128+20 {
		t.Errorf("%d goroutines: more handlers than streams may live", p.Peak)
	}
}

// An honest exchange by the attacker's frames with each library: what it sends
// is understood, and what the library sends too.
func TestWires(t *testing.T) {
	for _, v := range victims {
		t.Run(v.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			r := &run{settings: settings{duration: 30 * time.Second}, victim: v, addr: l.Addr().String(), tick: time.Hour}
			served := make(chan error, 1)
			go func() { served <- honestServer(v, l) }()
			a, err := r.dial(true, true)
			if err != nil {
				t.Fatal(err)
			}
			defer r.hangUp()
			w := a.wire
			if err := a.write(w.data(1, []byte("and more")), w.ping(1), w.end(1), w.ask(2), w.data(2, []byte{asWrite})); err != nil {
				t.Fatal(err)
			}
			for a.received.Load() < 1000 && a.running() {
				runtime.Gosched()
			}
			if n := a.received.Load(); n != 1000 {
				t.Errorf("%d bytes received, want 1000", n)
			}
			r.hangUp()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}

// honestServer expects an item and "and more" on the first stream, and writes
// 1000 bytes on the second.
func honestServer(v victim, l net.Listener) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	s, err := v.session(c, true)
	if err != nil {
		return err
	}
	defer s.close()
	first, err := s.accept()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(first)
	if want := string(honestItem()) + "and more"; err != nil || string(b) != want {
		return fmt.Errorf("read %q, %v, want %q", b, err, want)
	}
	second, err := s.accept()
	if err != nil {
		return err
	}
	if _, err := second.Read(make([]byte, 1)); err != nil {
		return err
	}
	if _, err := second.Write(make([]byte, 1000)); err != nil {
		return err
	}
	if _, err := s.accept(); err == nil {
		return errors.New("a third stream")
	}
	return nil
}

// The program prints the table and writes it, also of a part.
func TestReport(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	file := filepath.Join(t.TempDir(), "out.md")
	if err := attackAll([]string{"-run", "^(omnistreams|smux)/credit overrun", "-for", "50ms", "-out", file}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "| credit overrun | session ends: omni: no credit") {
		t.Errorf("no row:\n%s", b)
	}
	for _, args := range [][]string{{"-run", "("}, {"-for", "6s"}, {"x"}} {
		if attackAll(args) == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
