package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The first byte of a stream tells the application what to do with it.
const (
	asHonest = 'h' // read and count
	asUnread = 'u' // leave it alone
	asWrite  = 'w' // write on it
	asOther  = 'o' // read to the end
)

const (
	itemSize    = 64      // of the honest streams
	bufferSize  = 4 << 10 // with which the application reads and writes
	mostWritten = 8 << 20 // on a stream that is to be written
	slowWork    = 50 * time.Millisecond
	patience    = 2 * time.Second // until what an attack left is called a leak
)

// A report is what a victim's process says of itself: as the attack ends, and
// once more when the attacker has gone.
type report struct {
	Limit      bool // it stopped itself for its memory
	Sessions   int  // that the attacker began
	Ended      int  // of these
	Reasons    map[string]int
	Honest     int64 // bytes read on the attacker's honest stream
	Canary     int64
	CleanEnds  int // streams of the attacker that ended as if complete
	BrokenEnds int
	Peak, Left int // goroutines
	Memory     uint64
}

// victimProcess is the program under attack: a server whose first connection
// is the canary's and all others the attacker's.
type victimProcess struct {
	victim victim
	attack attack
	meter  *meter
	over   chan struct{} // closed when the attack is

	honest, canary atomic.Int64
	serving        sync.WaitGroup

	mu   sync.Mutex
	rep  report
	live map[session]bool // with the attacker; those that ended are not kept
}

// beVictim runs the process's whole life. It is told on in when the attack is
// over, and ends with in.
func beVictim(v victim, a attack, grace time.Duration, in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	p := &victimProcess{victim: v, attack: a, over: make(chan struct{}), live: map[session]bool{}}
	p.rep.Reasons = map[string]int{}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	s, err := v.session(c, true)
	if err != nil {
		return err
	}
	go p.serve(s, &p.canary, false)
	for p.canary.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	p.meter = newMeter(2)
	go p.meter.watch(func() { p.print(out, true); os.Exit(3) })
	go p.acceptAll(l)

	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var honest, canary int64
		var gone int
		if _, err := fmt.Sscanf(lines.Text(), "over %d %d %d", &honest, &canary, &gone); err == nil {
			p.settle(honest, canary, gone, grace)
			p.print(out, false)
			close(p.over)
			continue
		}
		p.serving.Wait() // the attacker has closed its connections
		p.rep.Left = p.meter.left(patience)
		p.print(out, false)
	}
	return nil
}

func (p *victimProcess) acceptAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if p.attack.deaf {
			c.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
		s, err := p.victim.session(c, true)
		if err != nil {
			c.Close()
			continue
		}
		p.mu.Lock()
		p.live[s] = true
		p.rep.Sessions++
		p.mu.Unlock()
		p.serving.Add(1)
		go func() {
			defer p.serving.Done()
			p.serve(s, &p.honest, p.attack.unaccepted)
			p.mu.Lock()
			delete(p.live, s)
			p.mu.Unlock()
		}()
	}
}

// settle waits until what was sent honestly has come and as many sessions have
// ended as the attacker has seen end, or for so long.
func (p *victimProcess) settle(honest, canary int64, gone int, grace time.Duration) {
	for start := time.Now(); time.Since(start) < grace; time.Sleep(time.Millisecond) {
		sessions, ended := p.ended()
		if p.canary.Load() >= canary && ended >= gone && (p.honest.Load() >= honest || sessions == ended) {
			return
		}
	}
}

func (p *victimProcess) ended() (sessions, ended int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended = p.rep.Sessions
	for s := range p.live {
		if !s.dead() {
			ended--
		}
	}
	return p.rep.Sessions, ended
}

func (p *victimProcess) print(out io.Writer, limit bool) {
	_, ended := p.ended()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.rep
	r.Limit, r.Ended = limit, ended
	r.Honest, r.Canary = p.honest.Load(), p.canary.Load()
	r.Peak, r.Memory = p.meter.peak()
	if b, err := json.Marshal(r); err == nil {
		out.Write(append(b, '\n'))
	}
}

// serve is the application: a goroutine for each stream.
func (p *victimProcess) serve(s session, count *atomic.Int64, unaccepted bool) {
	var handlers sync.WaitGroup
	for first := true; ; first = false {
		if unaccepted && !first {
			<-p.over
			s.close() // accept goes on, to say why it had ended
		}
		st, err := s.accept()
		if err != nil {
			p.mu.Lock()
			p.rep.Reasons[err.Error()]++
			p.mu.Unlock()
			break
		}
		if unaccepted && !first {
			st.Close()
			continue
		}
		slow := p.attack.slow && !first
		handlers.Go(func() {
			if slow {
				time.Sleep(slowWork)
			}
			p.handle(st, count)
		})
	}
	s.close()
	handlers.Wait()
}

func (p *victimProcess) handle(st stream, count *atomic.Int64) {
	defer st.Close()
	buf := make([]byte, bufferSize)
	n, err := st.Read(buf)
	if p.attack.lingers && err != nil {
		time.Sleep(slowWork)
	}
	switch {
	case err != nil:
	case buf[0] == asUnread:
		<-p.over
		return
	case buf[0] == asWrite:
		for sent := 0; sent < mostWritten && err == nil; sent += len(buf) {
			_, err = st.Write(buf)
		}
		return
	case buf[0] == asHonest:
		for ; err == nil; n, err = st.Read(buf) {
			count.Add(int64(n))
		}
	default:
		for err == nil {
			_, err = st.Read(buf)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(err, io.EOF) {
		p.rep.CleanEnds++
	} else {
		p.rep.BrokenEnds++
	}
}
