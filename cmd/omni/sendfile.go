package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// codeFailed breaks off the stream of an entry that failed on one side; the
// reason says how.
const codeFailed = omni.CodeApplication

// itemSize is how much of a file goes into one item, in bytes: much for the
// header to disappear in, little for one stream to be fair to the others.
const itemSize = 64 << 10

// worker sends one entry after the other.
type worker struct {
	*sender
	buf []byte // of one item, or of the longest file so far if that is shorter
}

// send sends one entry. An error ends the transfer.
func (w *worker) send(ctx context.Context, f found) error {
	if f.err != nil {
		return w.settle(ctx, f, f.err)
	}
	if what := special(f.info.Mode()); what != "" {
		w.counts.skipped.Add(1)
		w.out.emit(event{Event: "file", Path: f.name, Status: "skipped", Reason: what})
		w.out.warn(f.name, "skipped: it is "+what)
		return nil
	}
	e := &entry{
		Name: nameFile, Path: wireName(f.name),
		Mode: uint32(f.info.Mode().Perm()), MTime: wireTime{f.info.ModTime()},
	}
	var err error
	switch {
	case f.info.IsDir():
		e.Name = nameDirectory
		err = w.announce(ctx, e, &w.counts.dirs)
	case f.info.Mode().Type() == fs.ModeSymlink:
		e.Name = nameSymlink
		var target string
		if target, err = os.Readlink(f.path); err == nil {
			e.Target = wireName(filepath.ToSlash(target))
			err = w.announce(ctx, e, &w.counts.links)
		}
	default:
		e.Sparse = isSparse(f.info)
		if e.Size = f.info.Size(); e.Size == 0 {
			err = isEmpty(f)
		}
		if err == nil {
			err = w.file(ctx, f, e)
		}
	}
	return w.settle(ctx, f, err)
}

// announce sends an entry that is all metadata.
func (w *worker) announce(ctx context.Context, e *entry, n interface{ Add(int64) int64 }) error {
	call, have, err := w.ask(ctx, e)
	if err != nil {
		return err
	}
	if err := w.nothing(ctx, call); err != nil {
		return err
	}
	if err := awaitEnd(ctx, call); err != nil {
		return err
	}
	n.Add(1)
	w.out.emit(event{Event: e.Name, Path: string(e.Path), Status: movedOrHad(have)})
	return nil
}

// movedOrHad is the status in the event of an entry that is there now.
func movedOrHad(have bool) string {
	if have {
		return "had"
	}
	return "moved"
}

// ask opens the call of an entry and waits for what the receiver says to it.
func (w *worker) ask(ctx context.Context, e *entry) (call *mux.Duplex[[]byte, []byte], have bool, err error) {
	call, err = w.call(ctx, encode(e))
	if errors.As(err, new(*mux.TooLargeError)) {
		return nil, false, err // a name that is very long, the next will do
	}
	if err != nil {
		return nil, false, sessionError{err}
	}
	if w.oneWay {
		return call, false, nil
	}
	if have, err = answered(ctx, call); err != nil {
		call.Out.Cancel(err)
		call.In.Cancel(err)
		return nil, false, err
	}
	return call, have, nil
}

// answered waits for the answer of a receiver. One that is not a receiver's
// ends the transfer: whoever it is may take everything and keep nothing.
func answered(ctx context.Context, call *mux.Duplex[[]byte, []byte]) (have bool, err error) {
	metadata, err := call.Metadata(ctx)
	if err != nil {
		return false, err
	}
	var a answer
	if json.Unmarshal(metadata, &a) != nil || a.Have == nil {
		return false, sessionError{&omni.StreamError{Code: omni.CodeProtocol, Reason: "its answer is not that of omni recv"}}
	}
	return *a.Have, nil
}

// sessionError is of a call that the session, or the peer, ended.
type sessionError struct{ error }

// Unwrap returns why.
func (e sessionError) Unwrap() error { return e.error }

// file sends one file, if the receiver has not got it.
func (w *worker) file(ctx context.Context, f found, e *entry) (err error) {
	if w.checksum {
		if e.SHA256, err = w.sumOf(ctx, f); err != nil {
			return err
		}
	}
	call, have, err := w.ask(ctx, e)
	if err != nil {
		return err
	}
	// An error breaks both directions off, or the receiver would wait for
	// the rest; if it came from there, this does nothing.
	defer func() {
		if err != nil {
			call.Out.Cancel(err)
			call.In.Cancel(err)
		}
	}()
	report := event{Event: nameFile, Path: f.name, Status: movedOrHad(have), Size: e.Size}
	// An end without an item is what a receiver that has the file expects.
	if have {
		if err := call.Out.End(); err != nil {
			return err
		}
		if err := awaitEnd(ctx, call); err != nil {
			return err
		}
		w.counts.had.Add(1)
		w.counts.hadBytes.Add(e.Size)
		if w.checksum {
			w.counts.checked.Add(1)
			report.SHA256 = e.SHA256
		}
		w.out.emit(report)
		return nil
	}
	// The end of the answer, and nothing before it, says that the file is
	// verified and has its name.
	sum, err := w.content(ctx, f, e, call.Out)
	if err != nil {
		return err
	}
	if err := awaitEnd(ctx, call); err != nil {
		return err
	}
	w.counts.files.Add(1)
	if !w.oneWay { // else nobody has said so
		w.counts.checked.Add(1)
	}
	report.SHA256 = hex.EncodeToString(sum)
	w.out.emit(report)
	return nil
}

// content writes the file, then its hash, and ends the stream.
func (w *worker) content(ctx context.Context, f found, e *entry, to *omni.Consumer[[]byte]) ([]byte, error) {
	hash := sha256.New()
	err := w.read(f, func(item []byte) error {
		hash.Write(item)
		if err := w.limit.wait(ctx, len(item)); err != nil {
			return err
		}
		if err := to.Write(ctx, item); err != nil {
			return err
		}
		w.counts.bytes.Add(int64(len(item)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	sum := hash.Sum(nil)
	if e.SHA256 != "" && e.SHA256 != hex.EncodeToString(sum) {
		return nil, errChanged // between the two times that it was read
	}
	if err := to.Write(ctx, sum); err != nil {
		return nil, err
	}
	return sum, to.End()
}

// sumOf is the file's hash in hex.
func (w *worker) sumOf(ctx context.Context, f found) (string, error) {
	hash := sha256.New()
	err := w.read(f, func(item []byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		hash.Write(item)
		return nil
	})
	return hex.EncodeToString(hash.Sum(nil)), err
}

// errChanged is about a file that is not what was announced any more. The
// receiver is told: it must not take a mixture for the file.
var errChanged = &omni.StreamError{Code: codeFailed, Reason: "the file changed while it was sent"}

// read calls use with the content in pieces, and makes sure that it is that
// of the file which the walk found, before and after.
func (w *worker) read(f found, use func([]byte) error) error {
	file, err := os.OpenFile(f.path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return failure(err)
	}
	defer file.Close()
	if err := unchanged(file, f.info); err != nil {
		return err
	}
	left := f.info.Size()
	// There may be thousands of workers, and most files are short.
	if need := min(int64(w.itemSize), left); int64(len(w.buf)) < need {
		w.buf = make([]byte, need)
	}
	for left > 0 {
		n, err := io.ReadFull(file, w.buf[:min(int64(len(w.buf)), left)])
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return errChanged
		}
		if err != nil {
			return failure(err)
		}
		if err := use(w.buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return unchanged(file, f.info)
}

// errSizeless is about what says that it is empty and is not, as the files do
// that the kernel makes up when they are read.
var errSizeless = errors.New("it has content, but its size is given as 0")

// isEmpty makes sure that a file of no bytes has none.
func isEmpty(f found) error {
	file, err := os.OpenFile(f.path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return failure(err)
	}
	defer file.Close()
	switch n, err := file.Read(make([]byte, 1)); {
	case n > 0:
		if err := unchanged(file, f.info); err != nil {
			return err // it has only grown
		}
		return errSizeless
	case err != nil && err != io.EOF:
		return failure(err)
	}
	return nil
}

// unchanged compares an open file with what the walk saw. SameFile is about the
// file itself, so another one that was put under its name is found out too.
func unchanged(file *os.File, info fs.FileInfo) error {
	now, err := file.Stat()
	if err != nil {
		return failure(err)
	}
	if !os.SameFile(now, info) || now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime()) || rewritten(info, now) {
		return errChanged
	}
	return nil
}

// failure is err as the other side is told it: what the system says, without
// the names that the file has here.
func failure(err error) error {
	return &omni.StreamError{Code: codeFailed, Reason: fmt.Sprint(bare(err))}
}
