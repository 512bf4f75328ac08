package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// sender is one run of omni send.
type sender struct {
	session  *mux.Session // set by connect
	out      *output      // where it speaks
	counts   *counts      // what happened
	limit    *limiter     // of all files together
	checksum bool         // hash each file before it is offered
	parallel int          // entries on their way at a time
	list     []source     // what to send
	oneWay   bool         // there are no calls: nobody says what arrived
	itemSize int          // of an item of content, in bytes; set by connect

	dirs []found // seen and not sent: their turn comes when all else is there
}

// newSendCommand is omni send.
func newSendCommand(std stdio) *cobra.Command {
	var (
		conn     connection
		parallel int
		rate     rateFlag
		checksum bool
		show     display
	)
	cmd := &cobra.Command{
		Use:   "send [flags] PATH...",
		Short: "Send files and directory trees to an omni recv",
		Long: `Send files and directory trees to an omni recv.

A PATH arrives under its last element, as with cp; one that ends in a slash,
and . and .., stand for what is in them. No two may arrive under one name.
Symbolic links are sent as links, empty directories are kept; devices, sockets,
named pipes, and files that say they are empty but are not (those of /proc) are
skipped. Permission bits and times are kept, owners are not, nor are the set-id
bits.

Each file is a stream of its own, and its SHA-256 is the last item. A file
that the receiver has with the same size and time is not sent again, so after
an interruption the same command sends the rest. A file that is written to while
it is sent fails, and the receiver keeps what it had, as does one that is
renamed (send it again); one that is replaced or removed arrives as it was. A
program that writes through mapped memory may go unnoticed. Holes are sent as zeros.
` + dialectHelp + `Each file is then a stream whose metadata says what it is in JSON; all are sent
every time, and nobody says what arrived.

` + urlHelp,
		Example: `  omni send -c ws://127.0.0.1:8080/ photos
  omni send -c wss://example.com/in --token-file secret --limit 5MB/s a.iso b.iso
  omni send -c unix:/run/in.sock --checksum src/`,
		Args: cobra.MinimumNArgs(1),
		RunE: started(func(cmd *cobra.Command, args []string) error {
			if parallel < 1 || parallel > 10_000 {
				return usagef("--parallel must be 1 to 10000")
			}
			if err := conn.prepare(""); err != nil {
				return err
			}
			list, err := sources(args)
			if err != nil {
				return err
			}
			tx := &sender{
				out: show.output("send", std, conn.usesStdout()), counts: &counts{},
				limit: newLimiter(int64(rate)), checksum: checksum, parallel: parallel, list: list,
				oneWay: conn.npm(),
			}
			return tx.run(cmd.Context(), &conn)
		}),
	}
	conn.register(cmd)
	f := cmd.Flags()
	f.IntVarP(&parallel, "parallel", "p", 32, "how many `FILES` are on their way at a time")
	f.Var(&rate, "limit", "send no faster than this, 10MB/s for example")
	f.BoolVar(&checksum, "checksum", false, "compare files by their SHA-256 instead of size and time")
	show.register(cmd)
	return cmd
}

// run connects, sends and says how it went.
func (tx *sender) run(ctx context.Context, conn *connection) error {
	defer conn.attend(tx.out)()
	defer conn.guests.Wait()
	began := time.Now()
	err := tx.connect(ctx, conn)
	if err == nil {
		began = time.Now() // waiting for somebody to connect is not sending
		p := startProgress(tx.out, tx.counts, "sending", began)
		err = tx.transfer(ctx)
		p.finish()
	}
	tx.out.summarize(tx.counts, "sent", began, err)
	return err
}

// connect makes the session and learns what the receiver accepts.
func (tx *sender) connect(ctx context.Context, conn *connection) (err error) {
	// The receiver has nothing to open here.
	if tx.session, err = conn.one(ctx, conn.options(mux.Options{MaxStreams: -1}), tx.out, "receiver"); err != nil {
		return err
	}
	most, err := tx.session.MaxItem(ctx)
	if err != nil {
		err = tx.explain(ctx, err)
		_ = tx.session.Close()
		return err
	}
	if most < sha256.Size {
		_ = tx.session.Close()
		return fmt.Errorf("the receiver takes items of %d bytes at most, and a SHA-256 has %d", most, sha256.Size)
	}
	tx.itemSize = min(itemSize, most)
	return nil
}

// transfer sends everything over the session and ends that. Its error is the
// one thing to tell the user.
func (tx *sender) transfer(ctx context.Context) error {
	err := tx.sendAll(ctx)
	// Shutdown returns when the receiver, too, knows that this is all.
	if err == nil {
		err = tx.session.Shutdown(ctx)
	}
	if err != nil {
		err = tx.explain(ctx, err)
	}
	_ = tx.session.Close()
	if err == nil {
		err = tx.counts.err()
	}
	return err
}

// explain finds what broke a transfer: errors of streams only say that the
// session is lost.
func (tx *sender) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w; what has arrived is whole, run it again to send the rest", context.Cause(ctx))
	}
	return broken(tx.session, err, "receiver")
}

// sendAll sends the files and links, parallel at a time, then the directories
// from the deepest up, then how much it was.
func (tx *sender) sendAll(ctx context.Context) error {
	counting, stop := context.WithCancel(ctx)
	counted := make(chan struct{})
	go func() { // ends when it has counted, or by stop
		defer close(counted)
		tx.countTotals(ctx, counting)
	}()
	defer func() { stop(); <-counted }()

	err := tx.each(ctx, func(yield func(found) bool) {
		walk(ctx, tx.list, func(f found) bool {
			if f.err == nil && f.info.IsDir() {
				tx.dirs = append(tx.dirs, f) // this one goroutine's, until each returns
				return true
			}
			return yield(f)
		})
	})
	if err != nil {
		return err
	}
	// A directory may become read-only now, or lose the right to be entered,
	// so the ones inside it go first, and each level waits for the last.
	for level := tx.deepest(); level >= 0; level-- {
		err := tx.each(ctx, func(yield func(found) bool) {
			for _, d := range tx.dirs {
				if depth(d.name) == level && !yield(d) {
					return
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return tx.tell(ctx, tx.counts.tally(nameDone))
}

// deepest is the depth of the deepest directory, -1 if there is none.
func (tx *sender) deepest() int {
	level := -1
	for _, d := range tx.dirs {
		level = max(level, depth(d.name))
	}
	return level
}

// countTotals walks ahead, for the progress bars of both sides: until it is
// through they show what is known so far. It walks while counting lasts. Nothing
// of the walk is kept, so a large tree costs time here and no memory.
func (tx *sender) countTotals(ctx, counting context.Context) {
	var total tally
	walk(counting, tx.list, func(f found) bool {
		if f.err == nil && f.info.Mode().IsRegular() {
			tx.counts.totalFiles.Add(1)
			tx.counts.totalBytes.Add(f.info.Size())
			total.Files++
			total.Bytes += f.info.Size()
		}
		return true
	})
	total.Name = nameTotals
	if counting.Err() == nil {
		// Not for counting, which may end: a call is seen through.
		_ = tx.tell(ctx, total) // if the session is lost, others notice
	}
}

// each sends what seq yields, parallel at a time. The workers read from one
// stream: it is pulled from as they get free, so nothing piles up.
func (tx *sender) each(ctx context.Context, seq func(yield func(found) bool)) error {
	g, ctx := errgroup.WithContext(ctx)
	all := omni.FromSeq(ctx, seq)
	for range tx.parallel {
		g.Go(func() error {
			w := worker{sender: tx}
			for {
				f, err := all.Next(ctx)
				if err == io.EOF {
					return nil
				}
				if err == nil {
					err = w.send(ctx, f)
				}
				if err != nil {
					return err
				}
			}
		})
	}
	err := g.Wait()
	all.Cancel(err)
	_, _ = all.Next(context.Background()) // waits for the goroutine that walks
	return err
}

// call opens a call and counts its streams.
func (tx *sender) call(ctx context.Context, metadata []byte) (call *mux.Duplex[[]byte, []byte], err error) {
	if tx.oneWay {
		if call, err = callOneWay(ctx, tx.session, metadata); err == nil {
			tx.counts.streams.Add(1)
		}
		return call, err
	}
	if call, err = tx.session.Call(ctx, metadata); err == nil {
		tx.counts.streams.Add(2)
	}
	return call, err
}

// nothing ends a stream that has no content. Where nobody answers an empty
// item goes first, which waits until the receiver is ready for it: or a great
// many of them would be sent at once.
func (tx *sender) nothing(ctx context.Context, call *mux.Duplex[[]byte, []byte]) error {
	if tx.oneWay {
		if err := call.Out.Write(ctx, nil); err != nil {
			return err
		}
	}
	return call.Out.End()
}

// tell sends a tally and waits until the receiver has taken it.
func (tx *sender) tell(ctx context.Context, t tally) error {
	call, err := tx.call(ctx, encode(t))
	if err != nil {
		return err
	}
	if err = tx.nothing(ctx, call); err == nil && !tx.oneWay {
		_, err = answered(ctx, call)
	}
	if err == nil {
		err = awaitEnd(ctx, call)
	}
	if err != nil {
		// Or it would live on, and the session with it.
		call.Out.Cancel(err)
		call.In.Cancel(err)
	}
	return err
}

// awaitEnd waits for the end of an answer that has no items.
func awaitEnd(ctx context.Context, call *mux.Duplex[[]byte, []byte]) error {
	switch _, err := call.In.Next(ctx); err {
	case io.EOF:
		return nil
	case nil:
		err := &omni.StreamError{Code: omni.CodeProtocol, Reason: "an item in an answer that has none"}
		call.In.Cancel(err)
		return err
	default:
		return err
	}
}

// settle decides what an error about one entry means: it is counted and told,
// and nil is returned, unless nothing more can be sent.
func (tx *sender) settle(ctx context.Context, f found, err error) error {
	var se *omni.StreamError
	e := event{Path: f.name, Event: kind(f)}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, new(sessionError)), errors.Is(err, mux.ErrSessionLost), errors.Is(err, omni.ErrShuttingDown):
		return err
	case err == errSizeless:
		e.Status, e.Reason = "skipped", err.Error()
	case !errors.As(err, &se):
		e.Status, e.Reason = "failed", bare(err).Error()
	case !se.Remote:
		e.Status, e.Reason = "failed", reasonOf(se)
	case se.Code == omni.CodeRefused:
		e.Status, e.Reason = "skipped", "the receiver refused it: "+reasonOf(se)
	default:
		e.Status, e.Reason = "failed", "at the receiver: "+reasonOf(se)
	}
	if e.Status == "skipped" {
		tx.counts.skipped.Add(1)
	} else {
		tx.counts.failed.Add(1)
	}
	tx.out.emit(e)
	tx.out.warn(f.name, e.Status+": "+e.Reason)
	return nil
}

// reasonOf is what a peer said in words, else what its code means.
func reasonOf(e *omni.StreamError) string {
	if e.Reason != "" {
		return e.Reason
	}
	return e.Code.String()
}

// kind is how events name a thing. What could not be looked at may be anything.
func kind(f found) string {
	switch {
	case f.info == nil:
		return "file"
	case f.info.IsDir():
		return "directory"
	case f.info.Mode().Type() == fs.ModeSymlink:
		return "symlink"
	}
	return "file"
}
