package sim

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// A relay is a process between the two ends of a connection: it passes bytes
// on, in slices and with pauses, until it cuts.
type relay struct {
	Slice    int           // how long the short pieces are
	Pause    time.Duration // how long bytes wait now and then
	PauseAt  int           // after so many bytes, 0 for never
	end      ending
	harm     func(string)
	ln       net.Listener
	network  string
	target   string
	wg       sync.WaitGroup
	gone     chan struct{} // closed by cut and by close
	goneOnce sync.Once

	mu    sync.Mutex
	r     *rand.Rand
	conns []net.Conn // who dialed, whom it wanted
	armed bool       // cut inside of what comes next
	soon  *time.Timer
	late  *time.Timer
	cut   bool // it was
	shut  bool // closed
}

func (y *relay) String() string {
	if y == nil {
		return "nothing"
	}
	s := fmt.Sprintf("a relay in slices of %d", y.Slice)
	if y.PauseAt > 0 {
		s += fmt.Sprintf(" with pauses of %v", y.Pause)
	}
	return s
}

// drawRelay draws one. Its pauses are shorter than any keepalive's patience:
// nothing is lost of them.
func drawRelay(r *rand.Rand, end ending, long bool) *relay {
	y := &relay{end: end, Slice: pick(r, 1, 7, 100, 1000), gone: make(chan struct{}), r: rand.New(rand.NewPCG(r.Uint64(), 3))}
	if r.IntN(3) == 0 {
		y.PauseAt, y.Pause = 1+r.IntN(100_000), time.Duration(r.IntN(200))*time.Millisecond
		if long && r.IntN(4) == 0 {
			y.Pause = 2 * time.Second
		}
	}
	return y
}

// listen starts the relay to that address; it takes one connection.
func (y *relay) listen(network, target, dir string, harm func(string)) error {
	y.network, y.target, y.harm = network, target, harm
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(dir, strconv.FormatUint(y.r.Uint64(), 36))
	}
	var err error
	if y.ln, err = net.Listen(network, at); err == nil {
		y.wg.Go(y.serve)
	}
	return err
}

// serve joins the two connections. It ends when both have, or with close.
func (y *relay) serve() {
	from, err := y.ln.Accept()
	if err != nil {
		return
	}
	if !y.keep(from) {
		return
	}
	to, err := net.Dial(y.network, y.target)
	if err != nil {
		_ = from.Close()
		return
	}
	if !y.keep(to) {
		return
	}
	y.wg.Go(func() { y.pump(from, to) })
	y.pump(to, from)
}

// keep notes a connection, or closes it if it comes too late.
func (y *relay) keep(c net.Conn) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.shut || y.cut {
		_ = c.Close()
		return false
	}
	y.conns = append(y.conns, c)
	return true
}

// pump moves bytes one way until their source ends, and then says so to the
// other side. If that is gone, the rest goes nowhere: the source will hear.
func (y *relay) pump(src, dst net.Conn) {
	buf, moved, deaf := make([]byte, 32<<10), 0, false
	for {
		size, pause := y.next(moved)
		if pause > 0 {
			y.wait(pause)
		}
		n, err := src.Read(buf[:size])
		n, cut := y.allow(n)
		if !deaf && n > 0 {
			_, e := dst.Write(buf[:n])
			deaf = e != nil
		}
		if cut {
			y.strike()
			deaf = true
		}
		moved += n
		if err != nil {
			break
		}
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if !y.cut {
		_ = dst.(interface{ CloseWrite() error }).CloseWrite()
	}
}

// next is the most to read, and how long to wait before it.
func (y *relay) next(moved int) (size int, pause time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	size = 32 << 10
	if moved < 300 || y.r.IntN(16) == 0 {
		size = y.Slice
	}
	if y.PauseAt > 0 && moved > y.PauseAt {
		y.PauseAt += 1 + y.r.IntN(4_000_000)
		pause = y.Pause
	}
	return size, pause
}

func (y *relay) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-y.gone:
	}
}

// allow is how many of n bytes still get through, and whether this is where
// the connection is cut.
func (y *relay) allow(n int) (int, bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	switch {
	case y.cut:
		return 0, false
	case y.armed && n > 0:
		return y.r.IntN(n + 1), true
	}
	return n, false
}

// armIn lets d pass first.
func (y *relay) armIn(d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.soon = time.AfterFunc(d, y.arm)
}

// arm makes the next bytes, either way, be the last. If none come soon, the
// cut is between two messages.
func (y *relay) arm() {
	y.mu.Lock()
	defer y.mu.Unlock()
	if !y.armed && !y.shut {
		y.armed = true
		y.late = time.AfterFunc(100*time.Millisecond, y.strike)
	}
}

// strike cuts.
func (y *relay) strike() {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.cut || y.shut {
		return
	}
	y.cut = true
	y.harm(endingNames[y.end]) // before anybody can notice
	y.goneOnce.Do(func() { close(y.gone) })
	conns := y.conns
	if y.end == half {
		// One end hears nothing any more, and what it says goes nowhere.
		conns = conns[:1]
		if y.r.IntN(2) == 0 {
			conns = y.conns[1:]
		}
	}
	for _, c := range conns {
		if t, ok := c.(*net.TCPConn); ok && y.end != fin {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}

// close ends the relay and waits for it.
func (y *relay) close() {
	if y == nil || y.ln == nil {
		return
	}
	_ = y.ln.Close()
	y.mu.Lock()
	y.shut = true
	y.goneOnce.Do(func() { close(y.gone) })
	for _, timer := range []*time.Timer{y.soon, y.late} {
		if timer != nil {
			timer.Stop()
		}
	}
	for _, c := range y.conns {
		_ = c.Close()
	}
	y.mu.Unlock()
	y.wg.Wait()
}
