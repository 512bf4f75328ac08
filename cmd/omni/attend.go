package main

import (
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"omnistreams.dev/mux"
)

// stuckAfter is how long a stream is held up before --explain speaks by itself.
const stuckAfter = 10 * time.Second

const explainFlag = "say on standard error who waits for whom at SIGUSR1 (where there is\none), and when a stream has been held up for 10 s"

// attend says what the user should know about the connection and, if --explain
// was given, explains until the function that it returns is called.
func (c *connection) attend(out *output) (leave func()) {
	if w := c.warning(); w != "" {
		out.warn("", w)
	}
	if !c.explain {
		return func() {}
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
	look := time.NewTicker(stuckAfter / 10)
	defer look.Stop()
	said := false // what is stuck now was told
	for {
		select {
		case <-over:
			return
		case <-asked:
			out.explain(c.observer.Snapshots())
		case <-look.C:
			all := slices.DeleteFunc(c.observer.Snapshots(), func(s mux.Snapshot) bool {
				return len(s.Streams) == 0 || !s.Streams[0].Stuck || s.Streams[0].Since < stuckAfter
			})
			if len(all) > 0 && !said {
				out.explain(all)
			}
			said = len(all) > 0
		}
	}
}

// explain says what the sessions look like.
func (o *output) explain(sessions []mux.Snapshot) {
	o.emit(event{Event: "explain", Sessions: sessions})
	if len(sessions) == 0 {
		o.line("no session")
	}
	for _, s := range sessions {
		o.line(strings.TrimRight(s.String(), "\n"))
	}
}
