package adapters

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// ConnOptions are the settings of a Conn. A nil *ConnOptions means all
// defaults.
type ConnOptions struct {
	// ItemSize is the longest item that is written, in bytes. Zero means 32
	// KiB. It must not be more than the peer accepts (Session.MaxItem), or
	// every longer Write fails with a *mux.TooLargeError.
	ItemSize int
	// LocalAddr and RemoteAddr are what the methods of that name return.
	// Nil means an address whose network and string are both "omni".
	LocalAddr, RemoteAddr net.Addr
}

// Conn is a call and its answer as a net.Conn. DialConn and a Listener make
// them, or NewConn. All methods may be called by several goroutines at once;
// the bytes of one Write stay together.
//
// It does what a TCP connection does, save this:
//
//   - A deadline ends Reads or Writes and nothing else: the stream goes on, and
//     so does the Conn once the deadline is moved. A Write that is longer than
//     an item may have written some of it, and returns how much.
//   - Close returns at once. What was written before is still delivered, as
//     long as the session lives; a Session.Shutdown after it waits for that, a
//     Session.Close does not. What is not read is dropped, and the peer's
//     Writes then fail with omni.ErrCanceled.
//   - A stream that breaks off is a *net.OpError with the *omni.StreamError
//     inside, and so is one whose session is lost; no errno is ever in it. Only
//     a clean end is io.EOF.
//   - A Conn has a slot in its session until both sides have closed it. One
//     that is dropped without Close holds it until the session ends. Keepalive
//     is the session's.
//   - The addresses say nothing unless ConnOptions do.
//
// It has no goroutine.
type Conn struct {
	in     cursor // of whoever has reading's turn
	out    *omni.Consumer[[]byte]
	size   int  // longest item, in bytes
	copied bool // out copies the items by itself, as those of a session do

	local, remote    net.Addr
	reading, writing side
	closed           atomic.Bool // set first of all by Close
}

// NewConn returns a Conn that reads in and writes out, which it owns from now
// on. Of a call, the caller's two are mux.Duplex.In and Out; the acceptor's are
// Incoming.Producer and what Incoming.Reply returns. They may also be streams
// inside the process.
func NewConn(in *omni.Producer[[]byte], out *omni.Consumer[[]byte], opt *ConnOptions) *Conn {
	if in == nil || out == nil {
		panic("adapters: NewConn of a nil stream")
	}
	return newConn(in, out, opt)
}

func newConn(in *omni.Producer[[]byte], out *omni.Consumer[[]byte], opt *ConnOptions) *Conn {
	if opt == nil {
		opt = &ConnOptions{}
	}
	return &Conn{
		in:      newCursor(in),
		out:     out,
		size:    itemSize(opt.ItemSize),
		local:   addrOr(opt.LocalAddr),
		remote:  addrOr(opt.RemoteAddr),
		reading: newSide(),
		writing: newSide(),
	}
}

// callConn is newConn for the streams of a call to a peer that accepts items
// of most bytes.
func callConn(in *omni.Producer[[]byte], out *omni.Consumer[[]byte], most int) *Conn {
	c := newConn(in, out, &ConnOptions{ItemSize: min(most, defaultItemSize)})
	c.copied = true
	return c
}

// DialConn calls the peer of s and returns the call as a net.Conn; the other
// side has a Listener, or accepts the call itself and looks at metadata. It
// does not wait until that has happened: a call that is refused fails the
// first Read. If ctx ends first, no call is made; later it does not matter
// any more, so DialConn suits the DialContext of a net/http.Transport.
func DialConn(ctx context.Context, s *mux.Session, metadata []byte) (*Conn, error) {
	checkContext(ctx, "DialConn")
	if s == nil {
		panic("adapters: DialConn over a nil Session")
	}
	most, err := s.MaxItem(ctx)
	if err != nil {
		return nil, opError("dial", addr{}, err)
	}
	d, err := s.Call(ctx, metadata)
	if err != nil {
		return nil, opError("dial", addr{}, err)
	}
	return callConn(d.In, d.Out, most), nil
}

// Read reads what has come, waiting for one byte at least. After the peer's
// CloseWrite or Close it returns io.EOF, when everything before was read. It
// ends early with os.ErrDeadlineExceeded at the deadline, with net.ErrClosed
// at a Close; nothing is lost. An empty b reads nothing and does not wait for
// anything but other Reads.
func (c *Conn) Read(b []byte) (n int, err error) {
	limit, err := c.reading.enter()
	if err == nil {
		if len(b) > 0 {
			if err = c.in.fill(limit); err == nil {
				n = c.in.read(b)
			}
		}
		c.reading.leave()
	}
	if err == io.EOF && !c.closed.Load() {
		return n, err
	}
	return n, c.failed("read", err)
}

// Write writes a copy of b, as one item or more, waiting until the peer has
// room. It ends early with os.ErrDeadlineExceeded at the deadline, with
// net.ErrClosed at a Close, and with the stream's error when the peer does not
// read any more; n bytes were written then, whole items that the peer gets.
func (c *Conn) Write(b []byte) (n int, err error) {
	limit, err := c.writing.enter()
	if err == nil {
		n, err = writeItems(limit, c.out, b, c.size, c.copied)
		c.writing.leave()
	}
	return n, c.failed("write", err)
}

// CloseWrite ends the writing half: the peer reads what was written, then
// io.EOF. Reading goes on. A second one does nothing; a Write after it fails
// with omni.ErrEnded.
func (c *Conn) CloseWrite() error {
	if c.closed.Load() {
		return c.failed("close", net.ErrClosed)
	}
	return c.failed("close", c.out.End())
}

// Close ends both halves, at once: the peer reads what was written, then
// io.EOF, and Reads and Writes that wait here return net.ErrClosed. A second
// Close returns net.ErrClosed too.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.failed("close", net.ErrClosed)
	}
	c.reading.close()
	c.writing.close()
	// It fails if the stream broke off before, which Read and Write have told.
	_ = c.out.End()
	c.in.p.Cancel(nil)
	return nil
}

// LocalAddr returns this side's address, as the options say.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the peer's address, as the options say.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines; the zero time means none. Calls that wait
// already obey it.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time at which Reads give up; the zero time means
// never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.failed("set", c.reading.setDeadline(t))
}

// SetWriteDeadline sets the time at which Writes give up; the zero time means
// never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.failed("set", c.writing.setDeadline(t))
}

// failed is what a method of a Conn returns for err.
func (c *Conn) failed(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case c.closed.Load():
		err = net.ErrClosed // not what the Close has led to
	}
	return &net.OpError{Op: op, Net: network, Source: c.local, Addr: c.remote, Err: err}
}

// network is the name of ours, as net.Dial has "tcp".
const network = "omni"

// addr is the address of what has none.
type addr struct{}

func (addr) Network() string { return network }
func (addr) String() string  { return network }

func addrOr(a net.Addr) net.Addr {
	if a == nil {
		return addr{}
	}
	return a
}

func opError(op string, a net.Addr, err error) error {
	return &net.OpError{Op: op, Net: network, Addr: a, Err: err}
}
