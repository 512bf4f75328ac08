package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// victimEnv makes a process of this program a victim: name/attack/grace.
const victimEnv = "OMNI_HOSTILE_VICTIM"

// settings are how long things take. Honest items are sent one a tick.
type settings struct {
	duration time.Duration // of the attack
	grace    time.Duration // how long what was sent honestly may take
}

func (s settings) tickLength() time.Duration { return s.duration / honestItems }

// A run is one attack on one victim.
type run struct {
	settings
	victim victim
	attack attack
	addr   string
	tick   time.Duration

	main     *attacker // on whose connection the honest stream is
	all      []*attacker
	sessions int    // made by once, not by dial
	note     string // what the attacker saw

	honestDue             int // items, while the attack lasted
	canary                session
	canarySent, canaryDue int
	report                report
	crash                 string // why the victim's process died
}

// dial connects to the victim. The connection is closed after the run.
func (r *run) dial(honest, read bool) (*attacker, error) {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		return nil, err
	}
	a := &attacker{wire: r.victim.wire(), conn: c, tick: r.tick, deadline: time.Now().Add(r.duration)}
	r.all = append(r.all, a)
	c.SetDeadline(time.Now().Add(2 * time.Second))
	if err := a.wire.greet(c); err != nil {
		return nil, err
	}
	c.SetDeadline(time.Time{})
	c.SetWriteDeadline(a.deadline)
	if read {
		a.gone = make(chan struct{})
		go a.read()
	}
	if honest {
		r.main = a
		return a, a.begin()
	}
	return a, nil
}

// attackOne starts a victim, attacks it and returns what became of it.
func attackOne(v victim, a attack, s settings) (*run, error) {
	r := &run{settings: s, victim: v, attack: a, tick: s.tickLength()}
	ctx, cancel := context.WithTimeout(context.Background(), 5*s.duration+s.grace+10*time.Second)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s/%s/%s", victimEnv, v.name, a.name, s.grace))
	errs := &head{}
	cmd.Stderr = errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer in.Close() // once more does no harm
	err = r.against(bufio.NewReader(out), in)
	in.Close()
	died := cmd.Wait()
	if r.canary != nil {
		r.canary.close()
	}
	if died != nil && !r.report.Limit {
		r.crash = firstCrash(errs.String(), died)
	} else if err != nil && !r.report.Limit {
		return nil, fmt.Errorf("%s, %s: %w", v.name, a.name, err)
	}
	if strings.Contains(errs.String(), "caught panic") {
		r.note = strings.TrimPrefix(r.note+"; it recovers from a panic", "; ")
	}
	return r, nil
}

// against runs the attack beside a canary, and reads the victim's two reports.
func (r *run) against(out *bufio.Reader, in interface{ Write([]byte) (int, error) }) error {
	addr, err := out.ReadString('\n')
	if err != nil {
		return err
	}
	r.addr = strings.TrimSpace(addr)
	stop := make(chan struct{})
	canary, err := r.startCanary(stop)
	if err != nil {
		return err
	}
	err = r.attack.run(r)
	if r.main != nil {
		r.honestDue = min(int(time.Since(r.main.start)/r.tick), honestItems)
	}
	close(stop)
	<-canary
	if err != nil && r.main == nil {
		return err // no attack took place
	}
	gone := r.sessions
	for _, a := range r.all {
		if a.ended() {
			gone++
		}
	}
	honest := 0
	if r.main != nil {
		honest = r.main.sent
	}
	fmt.Fprintf(in, "over %d %d %d\n", honest*itemSize, r.canarySent*itemSize, gone)
	reports := json.NewDecoder(out)
	if err := reports.Decode(&r.report); err != nil || r.report.Limit {
		r.hangUp()
		return err
	}
	r.hangUp()
	first := r.report
	fmt.Fprintln(in, "closed")
	err = reports.Decode(&r.report)
	first.Reasons, first.Left = r.report.Reasons, r.report.Left // what was not known before
	first.CleanEnds, first.BrokenEnds = r.report.CleanEnds, r.report.BrokenEnds
	r.report = first
	return err
}

// hangUp closes the attackers' connections and waits for those that read.
func (r *run) hangUp() {
	for _, a := range r.all {
		a.conn.Close()
		if a.gone != nil {
			<-a.gone
		}
	}
}

// startCanary begins an honest session of the victim's own library, which
// sends an item each tick until stop is closed, but ten at least. What it
// returns is closed when it has; the session is the
// caller's to close.
func (r *run) startCanary(stop <-chan struct{}) (<-chan struct{}, error) {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		return nil, err
	}
	if r.canary, err = r.victim.session(c, false); err != nil {
		return nil, err
	}
	st, err := r.canary.open()
	if err != nil {
		return nil, err
	}
	if _, err := st.Write(honestItem()); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	r.canarySent, r.canaryDue = 1, 1
	c.SetWriteDeadline(time.Now().Add(5*r.duration + 5*time.Second))
	go func() {
		defer close(done)
		r.sing(st, stop)
	}()
	return done, nil
}

func (r *run) sing(st stream, stop <-chan struct{}) {
	ticker := time.NewTicker(r.tick)
	defer ticker.Stop()
	start := time.Now()
	for {
		r.canaryDue = int(time.Since(start)/r.tick) + 1
		select {
		case <-stop:
			if r.canaryDue > 10 {
				return
			}
		default:
		}
		for ; r.canarySent < r.canaryDue; r.canarySent++ {
			if _, err := st.Write(honestItem()); err != nil {
				return
			}
		}
		<-ticker.C
	}
}

// head keeps the first 64 KiB that are written to it.
type head struct{ strings.Builder }

func (h *head) Write(b []byte) (int, error) {
	h.Builder.Write(b[:min(len(b), 64<<10-h.Len())])
	return len(b), nil
}

// firstCrash is the line that says why a Go program died.
func firstCrash(stderr string, died error) string {
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return strings.TrimSpace(line)
		}
	}
	return died.Error()
}
