package conform

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"omnistreams.dev/transport"
)

// Case is one case of the suite.
type Case struct {
	ID    string `json:"id"`    // "R5.3" is the third of rule 5, "S7" the random program of seed 7
	Rule  string `json:"rule"`  // of SPEC.md: "5", or the laws "L1" to "L11"
	Title string `json:"title"` // what is done
	Must  string `json:"must"`  // what must hold
	Slow  bool   `json:"slow,omitempty"`

	me   *hello      // nil for roomy
	bare bool        // the case sends HELLO itself
	run  func(*peer) // leads the case
}

// Options say what to run, and against whom.
type Options struct {
	// Connect is the URL at which the echo listens, Listen the URL at which
	// to wait for the echo, which connects once for each case and again. One
	// of them is given.
	Connect, Listen *url.URL
	// TLS is for URLs of wss and tls.
	TLS *tls.Config
	// Run selects cases by "ID title". Nil means all.
	Run *regexp.Regexp
	// Seed is that of the first random program, Seeds how many there are.
	// Zero Seeds means 8, a negative number none.
	Seed  uint64
	Seeds int
	// Parallel is how many cases are at work at a time. Zero means 8. Four
	// times as many connections may be open: most wait for the echo to end
	// the transport, as it must a second after it found an error.
	Parallel int
	// Timeout is how long a case waits for anything that must come. Zero
	// means 2 s.
	Timeout time.Duration
	// Slow adds the cases that take longer than a few seconds.
	Slow bool
	// Trace keeps the frames of every case, not of failed ones alone.
	Trace bool
	// Listening, if not nil, is told the URL for the echo to connect to.
	Listening func(url string)
	// Progress, if not nil, is called with every result, in the order of the
	// cases, one at a time.
	Progress func(Result)
}

// select is the cases that the options ask for.
func (o *Options) choose() (chosen []Case) {
	for _, c := range Cases(o.Seed, o.Seeds) {
		if (o.Run == nil || o.Run.MatchString(c.ID+" "+c.Title)) && (o.Slow || !c.Slow) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// runner runs the cases of one suite.
type runner struct {
	opt    Options
	at     endpoint
	active chan struct{} // a token for each case at work
	open   chan struct{} // a token for each case that is not over

	mu      sync.Mutex
	reached bool      // there was a connection
	lost    error     // why there never was one, or why it is no use to go on
	absent  int       // cases in a row in which nobody was there
	results []*Result // nil while a case is not over
	told    int       // results that Progress has seen
}

// mostAbsent is how many cases in a row are enough to see that the echo is gone.
const mostAbsent = 10

// Run runs the suite. It returns an error only if there is nobody to test: the
// echo was never there, or is there no more. If ctx ends first, the error is
// the cause. In each case the report has what was done.
func Run(ctx context.Context, opt Options) (*Report, error) {
	if opt.Parallel <= 0 {
		opt.Parallel = 8
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 2 * time.Second
	}
	r := &runner{opt: opt, at: endpoint{url: opt.Connect, tls: opt.TLS}}
	r.active, r.open = make(chan struct{}, opt.Parallel), make(chan struct{}, 4*opt.Parallel)
	if opt.Listen != nil {
		l, err := transport.Listen(ctx, opt.Listen.String(), &transport.Options{TLS: opt.TLS})
		if err != nil {
			return nil, err
		}
		defer l.Close()
		r.at.listener = l
		if opt.Listening != nil {
			opt.Listening(l.URL())
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cases := opt.choose()
	r.results = make([]*Result, len(cases))
	began := time.Now()
	var running sync.WaitGroup
	for i, c := range cases {
		r.open <- struct{}{} // every case gives its token back
		r.active <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-r.open }()
			result, o := r.one(ctx, c)
			if ctx.Err() != nil && o.fault != nil {
				return // it says nothing: the suite was stopped
			}
			if err := r.keep(i, result, o); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	if ctx.Err() != nil {
		r.tell(true)
		return r.report(began, context.Cause(ctx)), context.Cause(ctx)
	}
	return r.report(began, nil), nil
}

// keep keeps a result and tells of those whose turn has come. It returns an
// error if there is nobody to test.
func (r *runner) keep(i int, result *Result, o *outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[i] = result
	switch {
	case o.heard:
		r.absent = 0
	case o.absent:
		if r.absent++; r.absent == mostAbsent && r.lost == nil {
			r.lost = fmt.Errorf("in %d cases in a row there was no connection, or no HELLO within %v: does the echo still run, and does it serve %d connections at a time?",
				mostAbsent, r.opt.Timeout, cap(r.open))
		}
	}
	if r.reached {
		r.tell(false)
	}
	return r.lost
}

// tell passes on the results whose turn has come, or all that are left.
func (r *runner) tell(all bool) {
	for ; r.told < len(r.results) && (all || r.results[r.told] != nil); r.told++ {
		if result := r.results[r.told]; result != nil && r.opt.Progress != nil && r.reached {
			r.opt.Progress(*result)
		}
	}
}

// one runs one case to its end.
func (r *runner) one(ctx context.Context, c Case) (*Result, *outcome) {
	began := time.Now()
	most := 20 * r.opt.Timeout
	if c.Slow {
		most += 2 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("the case took longer than %v, and the suite gives it up", most))
	defer cancel()
	o := &outcome{}
	linger := sync.OnceFunc(func() { <-r.active })
	var peers []*peer
	again := func(o *outcome) (*peer, error) {
		p, err := r.connect(ctx, o)
		if err == nil {
			p.linger = linger
			peers = append(peers, p)
		}
		return p, err
	}
	done := make(chan struct{})
	go func() { // ends with the case, or when the case gives up
		defer close(done)
		p, err := again(o)
		if err != nil {
			o.fault, o.absent = fmt.Errorf("no connection: %w", err), true
			return
		}
		p.again = again
		p.lead(c)
	}()
	<-done
	linger()
	for _, p := range peers {
		_ = p.conn.Close() // the case is over, whatever the transport says
		p.in.goOn()
		<-p.in.done
	}
	return newResult(c, o, time.Since(began), r.opt.Trace), o
}

// connect makes a connection for a case.
func (r *runner) connect(ctx context.Context, o *outcome) (*peer, error) {
	conn, raw, err := r.at.open(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if !r.reached && r.lost == nil {
			r.lost = err
		}
		return nil, err
	}
	r.reached = true
	p := &peer{ledger: newLedger(), ctx: ctx, conn: conn, at: &r.at, raw: raw, in: newInbox(conn), wait: r.opt.Timeout, outcome: o}
	p.web = strings.HasPrefix(r.at.scheme(), "ws")
	return p, nil
}

// lead leads a case on its goroutine, which any fault ends.
func (p *peer) lead(c Case) {
	me := roomy
	if c.me != nil {
		me = *c.me
	}
	if !c.bare {
		p.greet(me)
	}
	c.run(p)
	if p.failed == nil && !p.over && !p.silent {
		p.held, p.hoped = true, "the case itself held; at its end: "
		p.bye() // a session that lived through a case must end well, too
	}
}

// another makes a second connection, with a HELLO of both sides.
func (p *peer) another() *peer {
	q, err := p.again(p.outcome)
	if err != nil {
		p.fail("", "there is no second connection: %v", err)
	}
	p.note("   another connection")
	q.again = p.again
	q.greet(roomy)
	return q
}
