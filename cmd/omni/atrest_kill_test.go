package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listeningJSON is how a command says with --json where it listens.
var listeningJSON = regexp.MustCompile(`\{"event":"listening","url":"([^"]+)"\}`)

// killing is a transfer that is killed over and over, at moments that nobody
// chose: first into an empty directory, then over an older version of all of
// it, then from the beginning again.
type killing struct {
	t        *testing.T
	moments  *rand.Rand
	from     [2]string             // two versions of a tree
	versions [2]map[string]content // what is in them
	to       string
	round    int           // whole transfers so far
	took     time.Duration // of the first, which nobody killed
	killed   int
}

// startKilling makes the trees and finds out how long a transfer takes.
func startKilling(t *testing.T) *killing {
	t.Helper()
	seed := uint64(setting(t, "OMNI_SEED", 1+int(time.Now().UnixNano()%1e9)))
	t.Logf("OMNI_SEED=%d", seed)
	k := &killing{t: t, moments: rand.New(rand.NewPCG(seed, 2))}
	for i := range k.from {
		k.from[i] = filepath.Join(t.TempDir(), "from")
		k.versions[i] = mixed(t, k.from[i], i+1)
	}
	k.fresh()
	began := time.Now()
	completes(t, k.from[0], k.to)
	k.took = time.Since(began)
	k.fresh()
	return k
}

// fresh is for what has no directory yet.
func (k *killing) fresh() {
	k.to = filepath.Join(k.t.TempDir(), "to")
	to := k.to
	k.t.Cleanup(func() { _ = removeTree(to) }) // some of it is read-only
}

// source is what is to be sent in this round.
func (k *killing) source() string { return k.from[k.round%2] }

// check fails if something wrong is under a name.
func (k *killing) check() {
	k.t.Helper()
	allowed := k.versions[:1]
	if k.round%2 == 1 {
		allowed = k.versions[:]
	}
	n := only(k.t, k.to, allowed...)
	if k.round%2 == 1 && n != len(k.versions[0]) {
		k.t.Errorf("%d names are there, of %d that were: a name went while what it stands for was replaced", n, len(k.versions[0]))
	}
	if k.t.Failed() {
		k.t.FailNow()
	}
}

// arrived checks what a side relies on that said all is well, and begins the
// next round.
func (k *killing) arrived() {
	k.t.Helper()
	if n := only(k.t, k.to, k.versions[k.round%2]); n != len(k.versions[0]) {
		k.t.Fatalf("all is well, it said, with %d names of %d", n, len(k.versions[0]))
	}
	if k.round++; k.round%2 == 0 {
		k.fresh()
	}
}

// kill kills a process at a random moment, and reports whether it was alive.
func (k *killing) kill(p *process, most time.Duration) bool {
	timer := time.NewTimer(time.Duration(k.moments.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.exited:
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	if p.cmd.ProcessState.ExitCode() >= 0 {
		return false // it was faster
	}
	k.killed++
	return true
}

// told fails if a process ended as if it had been a bug.
func (k *killing) told(p *process) {
	k.t.Helper()
	if text := p.stderr.String(); !strings.Contains(text, "omni ") || strings.Contains(text, "goroutine ") {
		k.t.Fatalf("it says %q", text)
	}
}

// finish runs it to its end.
func (k *killing) finish() {
	k.t.Helper()
	sent, _ := completes(k.t, k.source(), k.to)
	k.t.Logf("killed %d times in %d whole transfers of %v; at last %d files were there and %d came",
		k.killed, k.round, k.took.Round(time.Millisecond), sent.Had, sent.Files)
}

func TestReceiverKilledAtAnyMoment(t *testing.T) {
	if !onUnix() {
		return // there a killed process cannot be told from a living one
	}
	k := startKilling(t)
	kills := setting(t, "OMNI_KILLS", 20)
	for tries := 0; k.killed < kills; tries++ {
		if tries > 20*kills {
			t.Fatal("it is too fast to be killed")
		}
		rx := start(t, "recv", "--dir", k.to, "--once", "--quiet")
		if tries%6 == 5 { // before anybody connects, when it makes its directories
			k.kill(rx, 100*time.Millisecond)
			k.check()
			continue
		}
		tx := start(t, "send", "--quiet", "-c", rx.url(), k.source()+"/")
		k.kill(rx, k.took)
		code := tx.code()
		k.check()
		if code == exitOK {
			k.arrived()
		} else {
			k.told(tx)
		}
	}
	k.finish()
}

func TestSenderKilledAtAnyMoment(t *testing.T) {
	if !onUnix() {
		return // nothing stops a receiver in order there
	}
	k := startKilling(t)
	kills := setting(t, "OMNI_KILLS", 20)
	var rx *process
	for tries := 0; k.killed < kills; tries++ {
		if tries > 20*kills {
			t.Fatal("it is too fast to be killed")
		}
		// One receiver sees many senders die, and has to forget them all.
		if rx == nil {
			rx = start(t, "recv", "--dir", k.to, "--quiet")
		}
		tx := start(t, "send", "--quiet", "-c", rx.url(), k.source()+"/")
		killed := k.kill(tx, k.took)
		k.check()
		if !killed && tx.code() == exitOK {
			to := k.to
			k.arrived()
			if to != k.to {
				k.end(rx, to)
				rx = nil
			}
		}
	}
	if rx != nil {
		k.end(rx, k.to)
	}
	k.finish()
}

// end stops a receiver that senders were killed under.
func (k *killing) end(rx *process, to string) {
	k.t.Helper()
	rx.signal(syscall.SIGTERM)
	if code := rx.code(); code != exitOK && code != exitFailure && code != exitInterrupted {
		k.t.Errorf("the receiver exited with %d", code)
	}
	noStaging(k.t, to)
}

// A receiver that is killed while it removes what another one left.
func TestKilledWhileItCleansUp(t *testing.T) {
	if !onUnix() {
		return
	}
	seed := uint64(setting(t, "OMNI_SEED", 1+int(time.Now().UnixNano()%1e9)))
	t.Logf("OMNI_SEED=%d", seed)
	moments := rand.New(rand.NewPCG(seed, 3))
	to := t.TempDir()
	cut := 0
	for range 4 {
		left := filepath.Join(to, ".omni-0123abcd.tmp")
		files := spec{stagingMark: ""}
		for i := range 2000 {
			files[strconv.Itoa(i)] = ""
		}
		files.build(t, left)
		for try := 0; ; try++ {
			rx := start(t, "recv", "--dir", to, "--quiet")
			// The moment is chosen by how much is gone, for no two
			// machines start a process equally fast.
			gone := 1 + moments.IntN(1900)
			deadline := time.Now().Add(patience)
			for len(names(left)) > 2001-gone {
				if time.Now().After(deadline) {
					t.Fatal("what a dead process left stays")
				}
			}
			_ = rx.cmd.Process.Kill()
			<-rx.exited
			if n := len(names(left)); n > 0 && try < 3 {
				cut++
				continue
			}
			break
		}
		completes(t, spec{"a": "x"}.build(t, t.TempDir()), to)
		if err := os.Remove(filepath.Join(to, "a")); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("it was killed in the middle of it %d times", cut)
}

// names is what is in a directory.
func names(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	all, _ := f.Readdirnames(-1)
	return all
}
