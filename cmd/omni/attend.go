package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"omnistreams.dev/mux"
)

// stuckAfter is how long a stream is held up before --explain speaks by itself.
const stuckAfter = 10 * time.Second

const explainFlag = "say on standard error who waits for whom, once a stream has been held\nup for 10 s; at SIGUSR1, where there is one, that is said in any case"

// attend says what the user should know about the connection, and explains at a
// signal and, with --explain, by itself, until the function that it returns is
// called.
func (c *connection) attend(out *output) (leave func()) {
	if w := c.warning(); w != "" {
		out.warn("", w)
	}
	asked := make(chan os.Signal, 1)
	if len(explainSignals) > 0 { // none would mean all
		signal.Notify(asked, explainSignals...)
	}
	over, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		c.explainUntil(over, asked, out)
	}()
	return func() {
		signal.Stop(asked)
		close(over)
		<-left
	}
}

// explainUntil looks at the sessions when asked, and every now and then.
func (c *connection) explainUntil(over <-chan struct{}, asked <-chan os.Signal, out *output) {
	var look <-chan time.Time
	if c.explain {
		ticker := time.NewTicker(stuckAfter / 10)
		defer ticker.Stop()
		look = ticker.C
	}
	said := false // what is stuck now was told
	for {
		select {
		case <-over:
			return
		case <-asked:
			out.explain("asked", c.observer.Snapshots())
		case <-look:
			all := slices.DeleteFunc(c.observer.Snapshots(), func(s mux.Snapshot) bool {
				return len(s.Streams) == 0 || !s.Streams[0].Stuck || s.Streams[0].Since < stuckAfter
			})
			if len(all) > 0 && !said {
				out.explain(fmt.Sprintf("held up for %v", stuckAfter), all)
			}
			said = len(all) > 0
		}
	}
}

// explain says what the sessions look like, and why that is said.
func (o *output) explain(why string, sessions []mux.Snapshot) {
	o.emit(event{Event: "explain", Reason: why, Sessions: sessions})
	text := fmt.Sprintf("omni %s [%d] %s, %s:", o.cmd, os.Getpid(), time.Now().Format(time.TimeOnly), why)
	if len(sessions) == 0 {
		text += " no session"
	}
	for _, s := range sessions {
		text += "\n" + s.String()
	}
	o.line(text)
}
