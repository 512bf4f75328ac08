package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"omnistreams.dev/mux"
)

// receiver is one run of omni recv.
type receiver struct {
	out    *output      // where it speaks
	tree   *tree        // where it writes
	limit  *limiter     // of all senders together
	opt    *mux.Options // of each session
	total  *counts      // of all senders
	oneWay bool         // senders make no calls
	many   bool         // more than one sender may come, so each gets its own lines

	mu      sync.Mutex
	active  int       // sessions
	began   time.Time // the first of them
	display *progress // while there are any; nil with none
	shown   *counts   // by display: of the sessions since it began
	worst   error     // of the sessions that are over: what to exit with
}

// newRecvCommand is omni recv.
func newRecvCommand(std stdio) *cobra.Command {
	var (
		conn        connection
		dir         string
		rate        rateFlag
		once, fsync bool
		show        display
	)
	cmd := &cobra.Command{
		Use:   "recv [flags] --dir DIR",
		Short: "Receive files and directory trees from omni send",
		Long: `Receive files and directory trees from omni send, from one sender or several.

A file is written under a temporary name, verified by its SHA-256, given its
mode and time, and renamed: under its own name it is always whole. Nothing is
ever written outside DIR, whatever names come. A name that leads out, or that
this system reserves, is refused, and so is a symbolic link that could.
Temporary files are in a directory .omni-*.tmp in DIR, which is removed at the
end; what a killed receiver left behind, the next one removes. Data is left to
the system to write to the disk; with --fsync it is there before the rename.
What does not fit on the disk fails, is told of at both sides and takes no room;
what was under that name stays, and other files still come. A file with holes
gets them here too: where 4 KiB are zeros no block is taken.
A time before 1678 or after 2262 becomes the nearest that can be set, with a
warning.

Without --listen and --connect it listens at ws://127.0.0.1:0, which only this
machine can reach. It says on standard output where it listens. With --connect,
stdio: or --once it ends after the first sender, otherwise at SIGINT or SIGTERM.
` + dialectHelp + `Each stream is then a file, a directory or a link that its metadata describes in
JSON, as omni send writes it, and the sender does not learn what became of it.

` + urlHelp,
		Example: `  omni recv --dir incoming
  omni recv --dir incoming -l ws://127.0.0.1:8080/ --once
  omni recv --dir incoming -l wss://:443/in --tls-cert c.pem --tls-key k.pem --token-file secret`,
		Args: cobra.NoArgs,
		RunE: started(func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usagef("--dir DIR is needed")
			}
			if err := conn.prepare("ws://127.0.0.1:0"); err != nil {
				return err
			}
			if conn.maxItem < sha256.Size {
				return usagef("--max-item must be %d bytes at least, which a SHA-256 needs", sha256.Size)
			}
			rx := &receiver{
				out: show.output("recv", std, conn.usesStdout()), limit: newLimiter(int64(rate)),
				opt: conn.options(mux.Options{}), total: &counts{}, oneWay: conn.npm(), many: conn.connect == "" && !conn.usesStdout() && !once,
			}
			return rx.run(cmd.Context(), &conn, dir, fsync)
		}),
	}
	conn.register(cmd)
	f := cmd.Flags()
	f.StringVarP(&dir, "dir", "d", "", "write below `DIR`, which is made if it is missing")
	f.BoolVar(&once, "once", false, "end after the first sender, with an exit code that says how it went")
	f.Var(&rate, "limit", "receive no faster than this, 10MB/s for example")
	f.BoolVar(&fsync, "fsync", false, "have each file on the disk before it gets its name")
	_ = cmd.MarkFlagDirname("dir")
	show.register(cmd)
	return cmd
}

// run receives until it is done and says how it went.
func (rx *receiver) run(ctx context.Context, conn *connection, dir string, fsync bool) (err error) {
	defer conn.attend(rx.out)()
	if rx.tree, err = openTree(dir, fsync); err == nil {
		if rx.many {
			err = rx.accept(ctx, conn)
		} else {
			err = rx.single(ctx, conn)
		}
		conn.guests.Wait()
		if e := rx.tree.Close(); err == nil && e != nil {
			err = fmt.Errorf("cannot remove the temporary files: %w", bare(e))
		}
	}
	rx.out.summarize(rx.total, "received", rx.began, err)
	return err
}

// single receives from one sender.
func (rx *receiver) single(ctx context.Context, conn *connection) error {
	s, err := conn.one(ctx, rx.opt, rx.out, "sender")
	if err != nil {
		return err
	}
	return rx.session(ctx, s)
}

// accept serves the senders that connect, each on a goroutine, until ctx ends.
// It returns when all of them are served.
func (rx *receiver) accept(ctx context.Context, conn *connection) error {
	l, err := conn.bind(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	rx.out.listening(l.URL())
	var sessions sync.WaitGroup
	var cut atomic.Bool                     // ctx ended a session
	slots := make(chan struct{}, maxGuests) // of those who are not known yet
	for {
		c, err := acceptInto(ctx, l, slots)
		if err == nil {
			sessions.Go(func() {
				s, err := introduced(ctx, c, rx.opt, "sender")
				<-slots
				if err == nil {
					err = rx.session(ctx, s)
				} else if ctx.Err() == nil {
					rx.out.warn("", oneLine(err))
				}
				// Nothing of a stranger is lost.
				if s != nil && errors.Is(err, errInterrupted) {
					cut.Store(true)
				}
			})
			continue
		}
		sessions.Wait()
		switch {
		case ctx.Err() == nil:
			return err
		case cut.Load():
			return errInterrupted
		}
		// Nobody was cut off, so the signal is the ordinary end.
		rx.mu.Lock()
		defer rx.mu.Unlock()
		return rx.worst
	}
}

// session serves one sender and says how it went.
func (rx *receiver) session(ctx context.Context, s *mux.Session) error {
	began := time.Now()
	in := newInbound(rx, rx.enter(began))
	err := in.serve(ctx, s)
	rx.leave(err)
	if !rx.many {
		return err // the summary says the same
	}
	sum := in.counts.summary(began)
	sum.OK, sum.Error = err == nil, errorText(err)
	rx.out.emit(event{Event: "session", Summary: sum})
	switch {
	case err == nil || errors.Is(err, errSkipped):
		rx.out.say("%s", sum.line("received"))
	default:
		rx.out.warn("", oneLine(err))
	}
	return err
}

// enter shows progress from the first of the sessions on, and returns what it
// shows: what was over before must not count for rate and percentage.
func (rx *receiver) enter(began time.Time) *counts {
	rx.mu.Lock()
	defer rx.mu.Unlock()
	if rx.began.IsZero() {
		rx.began = began // waiting for a sender is not receiving
	}
	if rx.active++; rx.active == 1 {
		rx.shown = &counts{}
		rx.display = startProgress(rx.out, rx.shown, "receiving", began)
	}
	return rx.shown
}

// leave ends that with the last, and keeps the worst error.
func (rx *receiver) leave(err error) {
	rx.mu.Lock()
	var last *progress
	if rx.active--; rx.active == 0 {
		last, rx.display = rx.display, nil
	}
	if rx.worst == nil || errors.Is(rx.worst, errSkipped) && err != nil {
		rx.worst = err
	}
	rx.mu.Unlock() // the bar may take a moment to finish
	if last != nil {
		last.finish()
	}
}
