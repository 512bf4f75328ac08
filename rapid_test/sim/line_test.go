package sim

import (
	"errors"
	"io"
	"sync"
	"time"
)

var (
	errReset = errors.New("sim: connection reset")
	errGone  = errors.New("sim: this end was closed")
)

// A line carries bytes one way, in virtual time. One goroutine writes and one
// reads; what goes wrong does so at a byte of the plan, once.
type line struct {
	plan lineFaults
	hit  func(path)   // notes a fault that struck
	harm func(string) // and that it may cost something

	mu      sync.Mutex
	seed    uint64
	queue   []burst
	queued  int       // bytes in queue
	written int       // bytes taken from the writer, ever
	read    int       // and given to the reader
	last    time.Time // when the newest burst arrives
	fin     bool      // nothing comes after queue
	dead    bool      // nobody reads any more
	closed  [2]bool   // by its own writer, its own reader
	flipped bool
	stuck   bool // a Write waits

	readable, writable chan struct{} // one slot each: look again
	cutOther           func()        // cuts the line of the other direction
}

// burst is some bytes with the time of their arrival.
type burst struct {
	at   time.Time
	data []byte
}

// lineFaults is the plan of one line. Offsets are counted from the first
// byte; -1 is never.
type lineFaults struct {
	Latency, Jitter time.Duration
	Slice           int // the most bytes that a Read returns; 0 is any number
	Room            int // bytes that fit between the ends

	CutAt    int
	CutBoth  bool // the other direction too
	CutReset bool // the reader gets an error instead of an end
	FlipAt   int
	FlipBit  int
	StallAt  int
	StallFor time.Duration
	HoleAt   int
	HoleFull bool // writes block, instead of going nowhere
	ShortAt  int
}

func newLine(plan lineFaults, seed, n uint64, hit func(path), harm func(string)) *line {
	return &line{
		plan: plan, hit: hit, harm: harm, seed: seed<<8 + n,
		readable: make(chan struct{}, 1),
		writable: make(chan struct{}, 1),
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Write waits for room, as a socket does. It returns fewer bytes than it was
// given, and no error, only as the plan's short write.
func (l *line) Write(p []byte) (n int, err error) {
	for n < len(p) {
		l.mu.Lock()
		room, err := l.room(len(p) - n)
		if err != nil {
			l.mu.Unlock()
			return n, err
		}
		short := false
		if room > 0 {
			var took int
			took, short = l.takeLocked(p[n : n+room])
			n += took
		}
		l.stuck = room == 0
		l.mu.Unlock()
		if short {
			return n, nil
		}
		if room == 0 {
			<-l.writable
		}
	}
	return n, nil
}

// room is how many of n bytes can be taken now.
func (l *line) room(n int) (int, error) {
	switch {
	case l.closed[0]:
		return 0, errGone
	case l.dead:
		return 0, errReset
	}
	n = min(n, l.plan.Room-l.queued)
	if f := l.plan; f.HoleFull && f.HoleAt >= 0 && l.written+n > f.HoleAt {
		if n = max(0, f.HoleAt-l.written); n == 0 {
			l.hole()
		}
	}
	return n, nil
}

// hole notes that from here on nothing arrives.
func (l *line) hole() {
	l.hit(blackholed)
	l.harm("blackhole")
}

// within says whether the byte at offset at is one of the next n.
func (l *line) within(at, n int) bool { return at >= l.written && at < l.written+n }

// takeLocked takes p, and does to it what the plan says.
func (l *line) takeLocked(p []byte) (n int, short bool) {
	f, n := &l.plan, len(p)
	if l.within(f.StallAt, n) {
		l.hit(stalled)
		if l.plan.StallFor >= time.Second*2 {
			l.harm("stall")
		}
		l.last = time.Now().Add(f.StallFor)
	}
	if f.HoleAt >= 0 && !f.HoleFull && l.written+n > f.HoleAt {
		l.hole()
		l.written += n
		return n, false
	}
	if l.within(f.CutAt, n) {
		l.put(p[:f.CutAt-l.written])
		l.written += n
		l.hit(wasCut)
		l.harm("cut")
		l.cutLocked()
		if f.CutBoth {
			go l.cutOther() // it has a lock of its own
		}
		return n, false
	}
	if l.within(f.ShortAt, n) {
		n, short = f.ShortAt-l.written, true
		l.hit(shortWrite)
		l.harm("short write")
	}
	l.put(p[:n])
	if l.within(f.FlipAt, n) {
		b := l.queue[len(l.queue)-1].data
		b[f.FlipAt-l.written] ^= 1 << f.FlipBit
		l.flipped = true
	}
	l.written += n
	return n, short
}

// noise is a number below n that depends on a place in the stream alone, so
// that it is the same whatever came before.
func (l *line) noise(at, n int) int {
	x := l.seed + uint64(at)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) % uint64(n))
}

// put queues a copy of p for its time of arrival.
func (l *line) put(p []byte) {
	if len(p) == 0 {
		return
	}
	at := time.Now().Add(l.plan.Latency)
	if l.plan.Jitter > 0 {
		at = at.Add(time.Duration(l.noise(l.written, int(l.plan.Jitter))))
	}
	if at.Before(l.last) {
		at = l.last // in order
	}
	l.last = at
	l.queue = append(l.queue, burst{at, append([]byte(nil), p...)})
	l.queued += len(p)
	wake(l.readable)
}

// cutLocked ends the line: what is on its way still arrives.
func (l *line) cutLocked() {
	l.fin, l.dead = true, true
	wake(l.readable)
	wake(l.writable)
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutLocked()
}

// Read waits until bytes have arrived, and returns as many as the plan lets.
func (l *line) Read(p []byte) (int, error) {
	for {
		l.mu.Lock()
		n, wait, err := l.nextLocked(p)
		l.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		if wait == 0 {
			<-l.readable
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.readable:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// nextLocked reads what is here. If nothing is it says how long to wait for
// it, zero for as long as it takes.
func (l *line) nextLocked(p []byte) (n int, wait time.Duration, err error) {
	switch {
	case l.closed[1]:
		return 0, 0, errGone
	case len(l.queue) > 0:
		if wait := time.Until(l.queue[0].at); wait > 0 {
			return 0, wait, nil
		}
		if s := l.plan.Slice; s > 0 && len(p) > s {
			p = p[:1+l.noise(l.read, s)]
		}
		b := &l.queue[0]
		n = copy(p, b.data)
		if b.data = b.data[n:]; len(b.data) == 0 {
			l.queue = l.queue[1:]
		}
		l.queued -= n
		l.read += n
		wake(l.writable)
		return n, 0, nil
	case l.fin && l.plan.CutReset:
		return 0, 0, errReset
	case l.fin:
		return 0, 0, io.EOF
	}
	return 0, 0, nil
}

// close ends the line from its writing side (0) or its reading side (1).
func (l *line) close(side int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed[side] = true
	if side == 0 {
		l.fin = true
	} else {
		l.dead, l.queue, l.queued = true, nil, 0
	}
	wake(l.readable)
	wake(l.writable)
}

// idle says whether nothing is on its way.
func (l *line) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0 && !l.stuck
}

// wasShort says whether the short write of the plan has happened.
func (l *line) wasShort() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plan.ShortAt >= 0 && l.written >= l.plan.ShortAt
}

// wasFlipped says whether a bit was flipped.
func (l *line) wasFlipped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flipped
}

// A port is one end of two lines: an io.ReadWriteCloser.
type port struct {
	in, out  *line
	closeFor time.Duration
	late     bool // Close unblocks the others only when it returns
	hit      func(path)
}

func (p *port) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *port) Write(b []byte) (int, error) { return p.out.Write(b) }

// Close may take long, with the pending calls unblocked before or after that.
func (p *port) Close() error {
	if p.closeFor > 0 {
		p.hit(slowClose)
	}
	if p.late {
		time.Sleep(p.closeFor)
	}
	p.in.close(1)
	p.out.close(0)
	if !p.late {
		time.Sleep(p.closeFor)
	}
	return nil
}
