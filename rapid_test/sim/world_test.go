package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// errOver is the cause of the end of every ctx when the run is over.
var errOver = errors.New("sim: the run is over")

// A world is one run: sessions, their network and the program.
type world struct {
	plan   *plan
	r      *rand.Rand // of this step; only the bubble's first goroutine draws
	step   int        // its number
	ctx    context.Context
	start  time.Time
	links  []*link
	hits   [paths]atomic.Int64
	all    sync.WaitGroup // calls that are under way
	ending atomic.Bool    // the program is over: whoever is free winds up
	live   *live          // on sockets, in real time; nil in a bubble

	mu      sync.Mutex // guards memory: all below, and every flow
	flows   []*flow
	byKey   map[int]*flow
	held    []*flow // calls that were accepted, neither answered nor refused
	running map[*call]struct{}
	log     []entry
	fault   string
}

// entry is a line of the log, made into text only if somebody reads it.
type entry struct {
	at     time.Duration
	format string
	args   []any
}

// A call is one call of the program that is under way.
type call struct {
	name    string
	started time.Duration
}

// A link is one session: two ends and the lines between them.
type link struct {
	w     *world
	n     int
	plan  *linkPlan
	lines [2]*line
	ends  [2]*end

	harmed   atomic.Bool // something may be lost
	draining atomic.Bool // a Shutdown has begun
	spoiled  atomic.Bool // an item was changed
	harmless [2]atomic.Bool
	first    atomic.Pointer[blow]

	mu    sync.Mutex // guards what the taps know
	views [2]*view
	sent  [2][][]byte // messages, where a flip is planned
	blind bool        // a flip lets the wire be misread
}

// A blow is the first thing that happened to a session which may cost
// something.
type blow struct {
	why      string
	at       time.Duration
	draining bool // a Shutdown had begun
}

// An end is one mux.Session.
type end struct {
	l     *link
	side  int
	s     *mux.Session
	next  *end // where streams are piped on to; nil for nowhere
	fresh mux.Stats
	gone  atomic.Bool  // its Close or Shutdown was called
	opens atomic.Int32 // calls of Open and Call under way
}

func newWorld(p *plan) (*world, context.CancelCauseFunc) {
	w, cancel := emptyWorld(p)
	for i := range p.Links {
		w.links = append(w.links, w.newLink(i))
	}
	for i, l := range w.links {
		if l.plan.Chained {
			before, here := w.links[i-1].ends[1], l.ends[0]
			before.next, here.next = here, before
		}
	}
	return w, cancel
}

// emptyWorld has no sessions yet.
func emptyWorld(p *plan) (*world, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &world{
		plan: p, ctx: ctx, start: time.Now(),
		byKey: map[int]*flow{}, running: map[*call]struct{}{},
	}, cancel
}

func (w *world) newLink(n int) *link {
	l := w.bareLink(n)
	for i := range l.ends {
		p := &port{in: l.lines[1-i], out: l.lines[i], closeFor: l.plan.SlowFor[i], late: l.plan.Late[i], hit: w.hit}
		o := l.plan.Options[i]
		if l.plan.Check[i] > 0 {
			o.CheckPeer = func([]byte) error { return l.checkPeer(i) }
		}
		l.attach(i, &tap{Conn: transport.Frame(p), l: l, side: i}, o)
	}
	return l
}

// bareLink is a link without sessions.
func (w *world) bareLink(n int) *link {
	l := &link{w: w, n: n, plan: &w.plan.Links[n]}
	for i := range l.lines {
		l.lines[i] = newLine(l.plan.Lines[i], w.plan.Seed, uint64(2*n+i), w.hit, l.harm)
	}
	l.lines[0].cutOther, l.lines[1].cutOther = l.lines[1].cut, l.lines[0].cut
	for i := range l.ends {
		l.views[i] = &view{l: l, side: i, own: map[uint32]*lane{}, theirs: map[uint32]*lane{}}
	}
	return l
}

// attach starts the session of an end.
func (l *link) attach(side int, c transport.Conn, o mux.Options) {
	s, err := mux.New(c, &o)
	if err != nil {
		panic(fmt.Sprintf("BUG: the plan's options do not work: %v", err))
	}
	l.ends[side] = &end{l: l, side: side, s: s, fresh: s.Stats()}
}

// checkPeer takes its time, as one that asks a database does.
func (l *link) checkPeer(side int) error {
	time.Sleep(l.plan.Check[side])
	if !l.plan.Unknown[side] {
		return nil
	}
	l.harm("refusal of the peer")
	l.w.hit(peerRefused)
	return errors.New("sim: unknown peer")
}

// harm notes that from now on the session may lose something.
func (l *link) harm(why string) {
	b := &blow{why, time.Since(l.w.start), l.draining.Load()}
	if l.first.CompareAndSwap(nil, b) {
		l.harmed.Store(true)
	}
}

// misled says whether a flip may have told one end what the other never said.
// Until it is known to be harmless it is taken not to be.
func (l *link) misled() bool {
	for i, line := range l.lines {
		if line.wasFlipped() && !l.harmless[i].Load() {
			return true
		}
	}
	return false
}

func (w *world) hit(p path) { w.hits[p].Add(1) }

// blame notes the first thing that went wrong.
func (w *world) blame(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blameLocked(format, args...)
}

func (w *world) blameLocked(format string, args ...any) {
	if w.fault == "" {
		w.fault = fmt.Sprintf(format, args...)
		w.noteLocked("FAULT: "+format, args...)
	}
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(format, args...)
}

func (w *world) noteLocked(format string, args ...any) {
	w.log = append(w.log, entry{time.Since(w.start), format, args})
	if n := len(w.log); w.live != nil && n > 2*liveLog {
		w.log = append([]entry(nil), w.log[n-liveLog:]...)
	}
}

// tail is the end of the log, as text.
func (w *world) tail(n int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, e := range w.log[max(0, len(w.log)-n):] {
		fmt.Fprintf(&b, "  %12v  %s\n", e.at, fmt.Sprintf(e.format, e.args...))
	}
	return b.String()
}

// forever is the limit of a call that has none.
const forever = time.Duration(-1)

// do makes a call on a goroutine of its own, with a ctx that ends after d.
// slack is how long the call may take beyond that: nothing, but for what
// closes a connection.
func (w *world) do(d, slack time.Duration, name string, f func(ctx context.Context) error) {
	c := &call{name: name, started: time.Since(w.start)}
	w.mu.Lock()
	w.running[c] = struct{}{}
	w.noteLocked("%s (limit %v)", name, d)
	w.mu.Unlock()
	ctx, cancel := w.ctx, context.CancelFunc(func() {})
	if d != forever {
		ctx, cancel = context.WithTimeout(w.ctx, d)
	}
	w.all.Go(func() {
		defer cancel()
		err := f(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.running, c)
		if err != nil {
			w.noteLocked("  %s: %v", name, err)
		}
		if took := time.Since(w.start) - c.started; d != forever && took > d+slack+w.grace() {
			w.blameLocked("%s took %v with a limit of %v", name, took, d)
		}
	})
}

// calls lists what is under way.
func (w *world) calls() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.running {
		names = append(names, fmt.Sprintf("%s, since %v", c.name, c.started))
	}
	return names
}

// rest waits until everything has happened that can at this moment, and looks
// at it.
func (w *world) rest() {
	if w.live == nil {
		synctest.Wait()
	}
	for _, l := range w.links {
		if w.live == nil {
			l.atRest()
		}
		l.onTime()
	}
}

// onTime checks that a session that a fault has struck dies when it must.
func (l *link) onTime() {
	b := l.first.Load()
	if b == nil || b.why == "flip" || b.why == "stall" || b.why == "shutdown" {
		return // it may live on
	}
	bound := 20 * time.Second // HELLO, the times to linger and to close
	for _, o := range l.plan.Options {
		bound += keepalive(o)
	}
	if time.Since(l.w.start)-b.at < bound {
		return
	}
	for _, e := range l.ends {
		if !isDone(e.s.Done()) {
			l.w.blame("session %d end %d lives %v after a %s", l.n, e.side, bound, b.why)
		}
	}
}

func keepalive(o mux.Options) time.Duration {
	const usual = 15 * time.Second
	sum := o.KeepAlive + o.KeepAliveTimeout
	if o.KeepAlive == 0 {
		sum += usual
	}
	if o.KeepAliveTimeout == 0 {
		sum += usual
	}
	return sum
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
