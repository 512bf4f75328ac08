package transport

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// stdio makes one stream of two files. Standard input and output often are files on which the
// system cannot interrupt a read or a write: those go through a detached.
type stdio struct {
	r       io.Reader
	w       io.Writer
	closers []io.Closer
	waits   []*detached
}

func newStdio(o Options) *stdio {
	s := &stdio{r: o.Stdin, w: o.Stdout}
	if s.r == nil {
		s.r = os.Stdin
	}
	if s.w == nil {
		s.w = os.Stdout
	}
	for _, end := range []any{s.w, s.r} { // the writer first, so that the peer learns the end
		if c, ok := end.(io.Closer); ok {
			s.closers = append(s.closers, c)
		}
	}
	if !interruptible(s.r) {
		d := newDetached(s.r.Read)
		s.r, s.waits = readFunc(d.read), append(s.waits, d)
	}
	if !interruptible(s.w) {
		d := newDetached(s.w.Write)
		s.w, s.waits = writeFunc(d.write), append(s.waits, d)
	}
	return s
}

// interruptible says that Close unblocks a Read or Write of f. The system tells: what it can wait
// for with a deadline it can also wait for with an end.
func interruptible(f any) bool {
	switch f := f.(type) {
	case *io.PipeReader, *io.PipeWriter:
		return true
	case interface{ SetDeadline(time.Time) error }:
		return f.SetDeadline(time.Time{}) == nil
	}
	return false
}

func (s *stdio) Read(p []byte) (int, error)  { return s.r.Read(p) }
func (s *stdio) Write(p []byte) (int, error) { return s.w.Write(p) }

func (s *stdio) Close() error {
	for _, d := range s.waits {
		d.abandon()
	}
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

// detached runs calls that cannot be interrupted on a goroutine of its own, one at a time and on
// memory of its own, so that whoever waits can leave. The first call starts the goroutine; it ends
// after abandon, as soon as the call that it is in returns, which nobody can promise.
type detached struct {
	call  func([]byte) (int, error)
	once  sync.Once
	buf   []byte        // the call's; the caller's before it asks and after it was answered
	ask   chan int      // run call on so many bytes of buf
	reply chan ioResult // has room for one: the goroutine never waits to deliver
	left  chan struct{} // closed by abandon
}

type ioResult struct {
	n   int
	err error
}

func newDetached(call func([]byte) (int, error)) *detached {
	return &detached{call: call, ask: make(chan int), reply: make(chan ioResult, 1), left: make(chan struct{})}
}

func (d *detached) run() {
	for {
		select {
		case n := <-d.ask:
			var r ioResult
			r.n, r.err = d.call(d.buf[:n])
			d.reply <- r
		case <-d.left:
			return
		}
	}
}

// do runs the call on n bytes of buf. After abandon buf belongs to nobody.
func (d *detached) do(n int) (int, error) {
	d.once.Do(func() { go d.run() })
	select {
	case d.ask <- n:
	case <-d.left:
		return 0, os.ErrClosed
	}
	select {
	case r := <-d.reply:
		return r.n, r.err
	case <-d.left:
		return 0, os.ErrClosed
	}
}

func (d *detached) read(p []byte) (int, error) {
	if d.abandoned() {
		return 0, os.ErrClosed
	}
	d.buf = sized(d.buf, len(p))
	n, err := d.do(len(p))
	if err != os.ErrClosed && n > 0 && n <= len(p) {
		copy(p, d.buf[:n])
	}
	return n, err
}

func (d *detached) write(p []byte) (int, error) {
	if d.abandoned() {
		return 0, os.ErrClosed
	}
	d.buf = append(d.buf[:0], p...)
	return d.do(len(p))
}

func (d *detached) abandon() { close(d.left) }

func (d *detached) abandoned() bool {
	select {
	case <-d.left:
		return true
	default:
		return false
	}
}

// sized is b with n bytes, in the same memory if it has room.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
