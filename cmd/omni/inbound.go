package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// inbound is one sender's session at the receiver.
type inbound struct {
	rx     *receiver
	counts *counts // of this sender
	shown  *counts // of the progress display

	mu    sync.Mutex
	final *tally // what the sender says it sent; nil until it is done
	// Directories, until all that is in them has come; only if nothing is
	// answered.
	later     []*entry
	laterSize int
}

// newInbound has no session yet; serve is given it.
func newInbound(rx *receiver, shown *counts) *inbound {
	return &inbound{rx: rx, counts: &counts{}, shown: shown}
}

// count does the same to the sender's counts, to those that are shown, and to
// those of all.
func (in *inbound) count(f func(*counts)) {
	f(in.counts)
	f(in.shown)
	f(in.rx.total)
}

// serve receives until the sender is done. The error says what did not go
// well; if ctx ends first, it is the cause, and nothing half done remains.
func (in *inbound) serve(ctx context.Context, session *mux.Session) error {
	// What was interrupted is sent again next time, so there is no reason
	// to let it go on.
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	var router mux.Router
	router.Handle(nameFile, in.file)
	router.Handle(nameDirectory, in.directory)
	router.Handle(nameSymlink, in.symlink)
	router.Handle(nameTotals, in.totals)
	router.Handle(nameDone, in.done)
	// Not ctx: that would drain, which waits for what is being received.
	err := session.Serve(context.Background(), router.Serve)
	_ = session.Close()
	in.makeLater()
	in.mu.Lock()
	final := in.final
	in.mu.Unlock()
	switch {
	// After the last call nothing is missing, however the session ends.
	case ctx.Err() != nil && final == nil:
		return context.Cause(ctx)
	case final == nil && err == nil:
		return errors.New("the sender left before it was done")
	case final == nil:
		return broken(session, err, "sender")
	}
	return in.verdict(final)
}

// verdict compares what the sender says with what came.
func (in *inbound) verdict(final *tally) error {
	if err := in.counts.err(); err != nil {
		return err
	}
	switch mine := in.counts.tally(nameDone); {
	case final.Failed > 0:
		return fmt.Errorf("at the sender %s failed", number(final.Failed, "entry", "entries"))
	case mine.Files != final.Files || mine.Bytes != final.Bytes:
		return fmt.Errorf("received %d files with %d bytes, the sender counts %d with %d",
			mine.Files, mine.Bytes, final.Files, final.Bytes)
	case final.Skipped > 0:
		return fmt.Errorf("%w (%s at the sender)", errSkipped, number(final.Skipped, "entry", "entries"))
	}
	return nil
}

// fail ends the stream of an entry that cannot be received, tells why to both
// sides, and counts it. out is the answer, nil if there is none yet. What it
// returns is for the handler to return, which ends a call without an answer.
func (in *inbound) fail(ctx context.Context, call *mux.Incoming, out *omni.Consumer[[]byte], e *entry, err error) error {
	ev := event{Event: nameFile, Status: "failed"}
	if e != nil {
		ev.Event, ev.Path = e.Name, string(e.Path)
	}
	var no refusal
	var se *omni.StreamError
	told := err
	switch {
	case errors.As(err, &no) && out == nil:
		call.Refuse(no.reason)
		ev.Status, ev.Reason = "skipped", err.Error()
	case errors.As(err, &se) && se.Remote && se.Code == codeFailed:
		ev.Reason = "at the sender: " + reasonOf(se)
	case errors.As(err, new(sessionError)), ctx.Err() != nil,
		errors.As(err, &se) && (se.Remote || errors.Is(err, mux.ErrSessionLost)):
		// The sender gave this entry up, or the session is over: what
		// there is to tell about that is told once, at the end.
	default:
		ev.Reason = bare(err).Error()
		told = &omni.StreamError{Code: codeFailed, Reason: ev.Reason, Cause: err}
	}
	if ev.Status == "skipped" {
		in.count(func(c *counts) { c.skipped.Add(1) })
	} else {
		in.count(func(c *counts) { c.failed.Add(1) })
		if out != nil {
			out.Cancel(told) // first: this is where the sender looks for the reason
		}
		call.Producer().Cancel(told)
	}
	if ev.Reason != "" {
		in.rx.out.emit(ev)
		in.rx.out.warn(ev.Path, ev.Status+": "+ev.Reason)
	}
	return told
}

// entryOf reads what a call is about, and refuses what cannot be an entry.
func (in *inbound) entryOf(call *mux.Incoming) (*entry, error) {
	if in.count(func(c *counts) { c.streams.Add(1) }); call.IsCall() {
		in.count(func(c *counts) { c.streams.Add(1) })
	} else if !in.rx.oneWay {
		return nil, refusef("a file must be sent by a call")
	}
	e, err := parseEntry(call.Metadata())
	if err != nil {
		return nil, refusal{err.Error()}
	}
	return e, nil
}

// file receives one file: a mux.Handler.
func (in *inbound) file(ctx context.Context, call *mux.Incoming) error {
	e, err := in.entryOf(call)
	if err != nil {
		return in.fail(ctx, call, nil, e, err)
	}
	p, checked, err := in.rx.tree.begin(e)
	if err != nil {
		return in.fail(ctx, call, nil, e, err)
	}
	if p == nil {
		return in.had(ctx, call, e, checked)
	}
	defer p.abort() // also if the process is interrupted: the handler ends then
	out, err := reply(ctx, call, false)
	if err == nil {
		err = in.content(ctx, call.Producer(), p)
	}
	if err == nil {
		err = p.commit()
	}
	if err == nil {
		err = out.End()
	}
	if err != nil {
		p.abort() // before the sender is told: it may try again at once
		return in.fail(ctx, call, out, e, err)
	}
	in.count(func(c *counts) { c.files.Add(1); c.checked.Add(1) })
	in.rx.out.emit(event{
		Event: nameFile, Path: string(e.Path), Status: "moved", Size: e.Size, SHA256: hex.EncodeToString(p.sum),
	})
	in.warnTime(e)
	return nil
}

// content takes the items of a file.
func (in *inbound) content(ctx context.Context, items *omni.Producer[[]byte], p *partial) error {
	for {
		item, err := items.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := in.rx.limit.wait(ctx, len(item)); err != nil {
			return err
		}
		before := p.size
		if err := p.add(item); err != nil {
			return err
		}
		in.count(func(c *counts) { c.bytes.Add(p.size - before) })
	}
}

// had answers for a file that is here already.
func (in *inbound) had(ctx context.Context, call *mux.Incoming, e *entry, checked bool) error {
	if in.rx.oneWay {
		// It comes all the same, and is dropped.
		if err := in.drop(ctx, call); err != nil {
			return in.fail(ctx, call, nil, e, err)
		}
	} else if err := in.agree(ctx, call, e, true); err != nil {
		return err
	}
	in.count(func(c *counts) {
		c.had.Add(1)
		c.hadBytes.Add(e.Size)
		if checked {
			c.checked.Add(1)
		}
	})
	in.rx.out.emit(event{Event: nameFile, Path: string(e.Path), Status: "had", Size: e.Size, SHA256: e.SHA256})
	return nil
}

// errItems is for a stream that has items where none belong.
var errItems = errors.New("items where none belong")

// reply opens the answer. It fails only if nobody waits for it any more.
func reply(ctx context.Context, call *mux.Incoming, have bool) (*omni.Consumer[[]byte], error) {
	if !call.IsCall() {
		return answerNobody(), nil
	}
	out, err := call.Reply(ctx, encode(answer{Have: &have}))
	if err != nil {
		return nil, sessionError{err}
	}
	return out, nil
}

// agree answers a call that has no items, once it has ended.
func (in *inbound) agree(ctx context.Context, call *mux.Incoming, e *entry, have bool) error {
	if in.rx.oneWay {
		if err := in.drop(ctx, call); err != nil {
			return in.fail(ctx, call, nil, e, err)
		}
		return nil
	}
	out, err := reply(ctx, call, have)
	if err == nil {
		if _, err = call.Producer().Next(ctx); err == nil {
			err = errItems
		} else if err == io.EOF {
			err = out.End()
		}
	}
	if err != nil {
		return in.fail(ctx, call, out, e, err)
	}
	return nil
}

// directory makes a directory, or sets the mode of one: a mux.Handler.
func (in *inbound) directory(ctx context.Context, call *mux.Incoming) error {
	e, err := in.entryOf(call)
	if err == nil && in.rx.oneWay {
		if err = in.drop(ctx, call); err == nil {
			err = in.keepForLater(e)
		}
		if err == nil {
			return nil
		}
	}
	if err == nil {
		err = in.rx.tree.directory(e)
	}
	if err != nil {
		return in.fail(ctx, call, nil, e, err)
	}
	return in.made(ctx, call, e, false, func(c *counts) { c.dirs.Add(1) })
}

// laterBytes bounds the directories that are kept, by the bytes of their paths.
const laterBytes = 16 << 20

// keepForLater keeps a directory until all that is in it has come.
func (in *inbound) keepForLater(e *entry) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.laterSize += len(e.Path) + 100; in.laterSize > laterBytes {
		return errors.New("too many directories at a time")
	}
	in.later = append(in.later, e)
	return nil
}

// drop reads a stream to its end.
func (in *inbound) drop(ctx context.Context, call *mux.Incoming) error {
	return omni.ForEach(ctx, call.Producer(), func([]byte) error { return nil })
}

// makeLater makes the directories of a sender that could not wait for what is
// in them: the deepest first, since one may become read-only.
func (in *inbound) makeLater() {
	slices.SortFunc(in.later, func(a, b *entry) int { return depth(string(b.Path)) - depth(string(a.Path)) })
	for _, e := range in.later {
		if err := in.rx.tree.directory(e); err != nil {
			in.count(func(c *counts) { c.failed.Add(1) })
			in.rx.out.emit(event{Event: nameDirectory, Path: string(e.Path), Status: "failed", Reason: bare(err).Error()})
			in.rx.out.warn(string(e.Path), "failed: "+bare(err).Error())
			continue
		}
		in.count(func(c *counts) { c.dirs.Add(1) })
		in.warnTime(e)
		in.rx.out.emit(event{Event: nameDirectory, Path: string(e.Path), Status: movedOrHad(false)})
	}
}

// symlink makes a symbolic link: a mux.Handler.
func (in *inbound) symlink(ctx context.Context, call *mux.Incoming) error {
	e, err := in.entryOf(call)
	had := false
	if err == nil {
		had, err = in.rx.tree.symlink(e)
	}
	if err != nil {
		return in.fail(ctx, call, nil, e, err)
	}
	return in.made(ctx, call, e, had, func(c *counts) { c.links.Add(1) })
}

// made answers for a directory or link that was made.
func (in *inbound) made(ctx context.Context, call *mux.Incoming, e *entry, had bool, count func(*counts)) error {
	if err := in.agree(ctx, call, e, had); err != nil {
		return err
	}
	in.count(count)
	if e.Name == nameDirectory {
		in.warnTime(e)
	}
	in.rx.out.emit(event{Event: e.Name, Path: string(e.Path), Status: movedOrHad(had)})
	return nil
}

// warnTime tells of a time that could not be kept.
func (in *inbound) warnTime(e *entry) {
	if t := e.MTime.settable(); !t.Equal(e.MTime.Time) {
		in.rx.out.warn(string(e.Path), "its time is too far away to be set, it got the nearest: "+t.Format(time.RFC3339))
	}
}

// totals takes how much will come, which only the progress needs.
func (in *inbound) totals(ctx context.Context, call *mux.Incoming) error {
	t, err := in.tally(ctx, call)
	if err == nil {
		in.count(func(c *counts) { c.totalFiles.Add(t.Files); c.totalBytes.Add(t.Bytes) })
	}
	return err
}

// done takes how much came. After it the sender ends the session.
func (in *inbound) done(ctx context.Context, call *mux.Incoming) error {
	t, err := in.tally(ctx, call)
	if err == nil {
		in.mu.Lock()
		in.final = t
		in.mu.Unlock()
	}
	return err
}

// tally reads and answers a call that is about how much there is.
func (in *inbound) tally(ctx context.Context, call *mux.Incoming) (*tally, error) {
	in.count(func(c *counts) { c.streams.Add(1) })
	if call.IsCall() {
		in.count(func(c *counts) { c.streams.Add(1) })
	}
	var t tally
	if err := json.Unmarshal(call.Metadata(), &t); err != nil || t.Files < 0 || t.Bytes < 0 || !call.IsCall() && !in.rx.oneWay {
		call.Refuse("not a tally")
		return nil, errors.New("not a tally")
	}
	return &t, in.agree(ctx, call, &entry{Name: t.Name}, false)
}
