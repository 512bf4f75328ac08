package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far counts has come while it runs: a bar on a terminal,
// a line now and then elsewhere, events with --json.
type progress struct {
	out  *output
	c    *counts
	verb string // what is being done: "sending"
	from time.Time

	stop chan struct{}
	done chan struct{}
}

const (
	barInterval   = 100 * time.Millisecond
	lineInterval  = 2 * time.Second
	eventInterval = 250 * time.Millisecond
)

// startProgress starts a goroutine that shows c; finish ends it. since is
// when it began, for the mean rate.
func startProgress(out *output, c *counts, verb string, since time.Time) *progress {
	p := &progress{
		out: out, c: c, verb: verb, from: since,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go func() {
		defer close(p.done)
		p.show()
	}()
	return p
}

// finish stops showing. The last state of a bar stays on the terminal.
func (p *progress) finish() {
	close(p.stop)
	<-p.done
}

// show runs on the goroutine of startProgress until stop. It decides once who is
// watching, and stops the tickers that nobody needs.
func (p *progress) show() {
	barTick, lineTick, eventTick := time.NewTicker(barInterval), time.NewTicker(lineInterval), time.NewTicker(eventInterval)
	defer barTick.Stop()
	defer lineTick.Stop()
	defer eventTick.Stop()
	var b *bar
	switch {
	case p.out.quiet:
		barTick.Stop()
		lineTick.Stop()
	case isTerminal(p.out.text):
		lineTick.Stop()
		b = newBar(p.out, p.c, p.verb)
		defer b.finish()
	default:
		barTick.Stop()
	}
	if p.out.events == nil {
		eventTick.Stop()
	}
	for {
		select {
		case <-barTick.C:
			b.update(barInterval)
		case <-lineTick.C:
			p.out.say("%s", p.line())
		case <-eventTick.C:
			p.out.emit(event{Event: "progress", Summary: p.c.summary(p.from)})
		case <-p.stop:
			return
		}
	}
}

// line is the state for people who have no terminal.
func (p *progress) line() string {
	moved, had := p.c.bytes.Load(), p.c.hadBytes.Load()
	done, total := moved+had, p.c.totalBytes.Load()
	rate := float64(moved) / time.Since(p.from).Seconds()
	text := fmt.Sprintf("%s: %d", p.verb, p.c.files.Load()+p.c.had.Load())
	if n := p.c.totalFiles.Load(); n > 0 {
		text += fmt.Sprintf(" of %d", n)
	}
	text += " files, " + formatSize(done)
	if total > 0 {
		text += " of " + formatSize(total)
	}
	text += ", " + formatSize(int64(rate)) + "/s"
	if rate > 0 && total > done {
		eta := time.Duration(float64(total-done) / rate * float64(time.Second))
		text += ", " + eta.Round(time.Second).String() + " left"
	}
	return text
}

// isTerminal reports whether somebody watches w and can see a bar there.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && cwriter.IsTerminal(int(f.Fd())) && hasRoom(cwriter.GetSize(int(f.Fd())))
}

// hasRoom reports whether a bar fits: a terminal that nobody told its size has
// no rows, and nothing of a bar would be seen.
func hasRoom(width, height int, err error) bool { return err == nil && width > 0 && height > 0 }

// bar is the progress bar. Lines of text are written above it.
type bar struct {
	out       *output   // whose text goes above the bar
	below     io.Writer // out.text before
	c         *counts   // what the bar shows
	container *mpb.Progress
	bar       *mpb.Bar
	moved     int64 // bytes that moved, as the bar knows
	had       int64 // bytes that were there already, likewise
}

// newBar draws the bar and puts itself where text is written, until finish.
func newBar(out *output, c *counts, verb string) *bar {
	b := &bar{out: out, c: c}
	out.mu.Lock()
	defer out.mu.Unlock()
	b.below = out.text
	b.container = mpb.New(mpb.WithOutput(out.text), mpb.WithRefreshRate(barInterval), mpb.WithAutoRefresh())
	out.text = b.container
	files := decor.Any(func(decor.Statistics) string {
		return fmt.Sprintf(" %d of %d files ", c.files.Load()+c.had.Load(), c.totalFiles.Load())
	})
	bytes := decor.Any(func(s decor.Statistics) string {
		return fmt.Sprintf(" %s of %s, ", formatSize(s.Current), formatSize(s.Total))
	})
	// The mean of the last seconds, not of all: what is there already is
	// passed over in no time.
	const age = 30
	b.bar = b.container.AddBar(0, // a total that may change
		mpb.PrependDecorators(decor.Name(verb), files),
		mpb.AppendDecorators(
			decor.Percentage(), bytes,
			decor.EwmaSpeed(decor.SizeB1000(0), "% .1f", age), decor.Name(", ETA "),
			decor.EwmaETA(decor.ET_STYLE_GO, age),
		))
	return b
}

// update tells the bar what happened in the last interval.
func (b *bar) update(interval time.Duration) {
	moved, had, total := b.c.bytes.Load(), b.c.hadBytes.Load(), b.c.totalBytes.Load()
	b.bar.SetTotal(max(total, moved+had), false)
	// What moved counts for the rate, what was there already does not.
	b.bar.EwmaIncrInt64(moved-b.moved, interval)
	b.bar.IncrInt64(had - b.had)
	b.moved, b.had = moved, had
}

// finish draws the bar for the last time and gives the terminal back.
func (b *bar) finish() {
	b.update(barInterval)
	// A transfer that broke off keeps a bar that is not full.
	if moved := b.moved + b.had; moved >= b.c.totalBytes.Load() {
		b.bar.SetTotal(moved, true)
	} else {
		b.bar.Abort(false)
	}
	b.container.Wait()
	b.out.mu.Lock()
	defer b.out.mu.Unlock()
	b.out.text = b.below
}
