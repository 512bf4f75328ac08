package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	soakShort = 8 * time.Second // without SOAK
	soakAtOne = 8               // sessions at a time
	soakPhase = 5 * time.Minute // then everything must be gone

	// soakGrowth is how much more of the heap may be in use at the end than
	// when nothing had run yet: what the runtime, crypto/tls and net/http keep
	// for a process is below that, and a session that leaked is not.
	soakGrowth = 4 << 20
)

// A soak is a long run on sockets.
type soak struct {
	base    uint64
	longest time.Duration // of a session's program
	holes   bool
	began   time.Time
	next    atomic.Uint64 // sessions begun
	failed  atomic.Int32

	mu      sync.Mutex // guards memory: all below
	live    map[*world]struct{}
	ended   [endings]int
	schemes map[string]int
	steps   int
	sum     sums
	report  []string
}

// sums are counted over both ends of many sessions.
type sums struct{ streams, items, bytes uint64 }

func (s *sums) add(w *world) {
	for _, e := range w.links[0].ends {
		if e != nil {
			st := e.s.Stats()
			s.streams += st.StreamsAccepted
			s.items += st.ItemsReceived
			s.bytes += st.BytesReceived
		}
	}
}

// TestSoak runs sessions on real sockets for as long as SOAK says, in phases:
// after each nothing may be left.
func TestSoak(t *testing.T) {
	length := soakShort
	if text := os.Getenv("SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SOAK is no duration: %q", text)
		}
		length = d
	}
	s := &soak{
		base:    number(t, "SEED", uint64(time.Now().Unix())*1_000_000),
		longest: min(time.Minute, length/4),
		holes:   length >= time.Minute,
		began:   time.Now(),
		live:    map[*world]struct{}{}, schemes: map[string]int{},
	}
	fmt.Printf("soak: %v from SEED=%d on, %d sessions at a time\n", length, s.base, soakAtOne)
	defer func() { // also if a phase has left something
		for _, text := range s.report {
			t.Error(text)
		}
	}()
	s.warmUp(t)
	before := measure()
	fmt.Println("soak: start", before)
	minutes := time.NewTicker(time.Minute)
	defer minutes.Stop()
	phases := max(2, int((length+soakPhase-1)/soakPhase))
	for i := range phases {
		until := s.began.Add(length * time.Duration(i+1) / time.Duration(phases))
		s.phase(t, until, minutes.C)
		s.gone(t, before)
		if s.failed.Load() > 0 {
			break
		}
	}
	after := measure()
	s.line("end", after)
	s.summary()
	if after.heap > before.heap+soakGrowth {
		t.Errorf("SEED=%d: the heap was %d bytes at the start and is %d at the end", s.base, before.heap, after.heap)
	}
}

// warmUp makes the process what it is with sockets: the poller, for one, is
// never given back.
func (s *soak) warmUp(t *testing.T) {
	f, err := newFabric(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}

// phase runs sessions until then and lets the last ones finish. Its goroutines
// end with it.
func (s *soak) phase(t *testing.T, until time.Time, tick <-chan time.Time) {
	f, err := newFabric(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for range soakAtOne {
		all.Go(func() {
			for s.failed.Load() == 0 && time.Now().Before(until) {
				s.session(f, s.next.Add(1)-1, until)
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	for {
		select {
		case <-tick:
			s.line(time.Since(s.began).Round(time.Second).String(), measure())
		case <-done:
			if err := f.close(); err != nil {
				t.Error(err)
			}
			return
		}
	}
}

// session runs one, of a seed of its own.
func (s *soak) session(f *fabric, n uint64, until time.Time) {
	seed := s.base + n
	r := rand.New(rand.NewPCG(seed, 2))
	kinds := schemes[n%2]
	scheme := kinds[r.IntN(len(kinds))]
	p, v := drawLive(r, seed, scheme, s.longest, s.holes)
	if left := time.Until(until); v.life > left {
		v.life, v.cutAt = left, min(v.cutAt, left)
	}
	if r.IntN(6) == 0 {
		f.knock(r, scheme)
	}
	stuck := time.AfterFunc(v.life+10*time.Minute, func() {
		panic(fmt.Sprintf("soak: SEED=%d: stuck\n%v\n%v", seed, v, p))
	})
	defer stuck.Stop()
	w, cancel, err := newLive(p, v, f)
	defer cancel(errOver)
	defer v.relay.close()
	if err != nil {
		w.blame("no connection: %v", err)
	} else {
		s.begins(w)
		w.runLive()
		w.finish(cancel)
	}
	s.ends(w, seed)
}

func (s *soak) begins(w *world) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[w] = struct{}{}
}

func (s *soak) ends(w *world, seed uint64) {
	w.mu.Lock()
	fault := w.fault
	w.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, w)
	s.sum.add(w)
	s.steps += w.plan.Steps
	s.schemes[w.live.scheme]++
	end := w.live.end
	if end > stopped && !w.links[0].harmed.Load() {
		end = graceful // it was over before
	}
	s.ended[end]++
	if fault != "" {
		s.failed.Add(1)
		s.report = append(s.report, fmt.Sprintf("SEED=%d: %s\n%v\n%v\nthe last steps:\n%s", seed, fault, w.live, w.plan, w.tail(60)))
	}
}

// line prints where the run is.
func (s *soak) line(when string, m measured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.sum
	for w := range s.live {
		sum.add(w)
	}
	fmt.Printf("soak: %s: sessions %d (%d now), streams %d, items %d, bytes %d, %v\n",
		when, s.next.Load(), len(s.live), sum.streams, sum.items, sum.bytes, m)
}

func (s *soak) summary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for i, n := range s.ended {
		fmt.Fprintf(&b, " %s %d,", endingNames[i], n)
	}
	fmt.Printf("soak: ends:%s over %v; steps %d\n", b.String(), s.schemes, s.steps)
}

// gone checks that a phase has left nothing.
func (s *soak) gone(t *testing.T, before measured) {
	var now measured
	for range 500 {
		now = measured{goroutines: runtime.NumGoroutine(), fds: countFiles()}
		if now.goroutines <= before.goroutines && now.fds <= before.fds {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	t.Fatalf("SEED=%d: no session lives and there are %d goroutines and %d fds, at the start %d and %d\n%s",
		s.base, now.goroutines, now.fds, before.goroutines, before.fds, stacks)
}

// measured is what the process holds.
type measured struct {
	heap, rss       uint64 // bytes
	goroutines, fds int
}

func (m measured) String() string {
	return fmt.Sprintf("heap %.1f MiB, rss %.1f MiB, goroutines %d, fds %d",
		float64(m.heap)/(1<<20), float64(m.rss)/(1<<20), m.goroutines, m.fds)
}

// measure collects garbage first, twice: what a sync.Pool holds goes with the
// second.
func measure() measured {
	runtime.GC()
	debug.FreeOSMemory()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return measured{ms.HeapAlloc, residentSet(), runtime.NumGoroutine(), countFiles()}
}

// countFiles is the number of open files, 0 where nobody tells.
func countFiles() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(names)
}

// residentSet is the process's memory, 0 where nobody tells.
func residentSet() uint64 {
	text, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}
