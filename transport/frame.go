package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"
)

// frameConn puts a length of 4 bytes, big-endian, before each message on a byte stream. Its send
// and receive halves share nothing but the stream.
type frameConn struct {
	lifecycle
	limit
	*pace
	rwc io.ReadWriteCloser

	frameWriter
	frameReader
}

// closeTimeout bounds every Close: a peer that is silent, or that does not read, cannot hold it up.
const closeTimeout = time.Second

// Frame makes a Conn of a byte stream: net.Pipe, TCP, a Unix socket, TLS, a pair of pipes. Each
// message is preceded by its length in 4 bytes, big-endian. The Conn owns rwc from now on. It
// starts no goroutine, and relies on rwc.Close to unblock rwc.Read and rwc.Write, as it does on
// every net.Conn. Where rwc.Close itself takes longer than a second, Close returns without it.
func Frame(rwc io.ReadWriteCloser) Conn {
	if rwc == nil {
		panic("transport: Frame of nil")
	}
	c := &frameConn{lifecycle: newLifecycle(), pace: newPace(), rwc: rwc}
	c.w, c.r = rwc, rwc
	c.frameWriter.pace, c.frameReader.pace = c.pace, c.pace
	switch rwc.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vectored = true // others would get one Write for each piece
	}
	return c
}

func (c *frameConn) Send(ctx context.Context, msg []byte) error {
	c.one[0] = msg
	err := c.SendBuffers(ctx, c.one[:])
	c.one[0] = nil
	return err
}

func (c *frameConn) SendBuffers(ctx context.Context, bufs [][]byte) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	n, err := total(bufs, math.MaxUint32)
	if err != nil {
		return err
	}
	if ctx.Done() == nil {
		return c.outcome(c.write(bufs, n))
	}
	leave := c.breakOn(ctx, c.cut)
	return leave(c.write(bufs, n))
}

func (c *frameConn) Recv(ctx context.Context) ([]byte, error) {
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	leave := c.outcome
	if ctx.Done() != nil {
		leave = c.breakOn(ctx, c.cut)
	}
	msg, err := c.read(c.bytes())
	if err = leave(err); err != nil {
		return nil, err
	}
	return msg, nil
}

func (c *frameConn) Close() error { return c.close(c.hangUp) }

// hangUp closes the stream in order. TLS has a last word to write, for which a peer that does not
// read lets it wait; a stream of unknown kind may do anything.
func (c *frameConn) hangUp() error {
	if tls, ok := c.rwc.(interface{ NetConn() net.Conn }); ok {
		timer := time.AfterFunc(closeTimeout, func() { tls.NetConn().Close() })
		defer timer.Stop()
		return c.rwc.Close()
	}
	if _, ok := c.rwc.(net.Conn); ok {
		return c.rwc.Close()
	}
	result := make(chan error, 1)
	go func() { result <- c.rwc.Close() }()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return errors.New("transport: close: the stream's Close does not return")
	}
}

// cut is hangUp without a last word.
func (c *frameConn) cut() error {
	if tls, ok := c.rwc.(interface{ NetConn() net.Conn }); ok {
		tls.NetConn().Close()
	}
	return c.hangUp()
}

// frameWriter is the sending half, the sender's own.
type frameWriter struct {
	w        io.Writer
	pace     *pace
	vectored bool // w takes several pieces in one system call

	one    [1][]byte   // Send's only piece
	out    []byte      // header and message as one
	header [4]byte     // header of a vectored message
	pieces [][]byte    // of a vectored message, those of one system call
	vec    net.Buffers // what of pieces is not written yet
	err    error       // why nothing can be sent any more
}

const (
	// Below this many bytes a copy is cheaper than a system call with pieces.
	copyBelow = 8 << 10
	// The most bytes of one system call. What fits into one segment of the network, at most 64 KiB
	// on any, keeps both ends busy; a call that is a few bytes longer halves the speed of loopback.
	maxWrite = 60 << 10
)

// write sends bufs, n bytes in all. After an error part of the message may be out, so it is the
// last one.
func (f *frameWriter) write(bufs [][]byte, n int) error {
	if f.err != nil {
		return f.err
	}
	var err error
	if f.vectored && n >= copyBelow {
		err = f.writePieces(bufs, n)
	} else {
		err = f.writeJoined(bufs, n)
	}
	if err != nil {
		f.err = fmt.Errorf("transport: send: %w", err)
	}
	return f.err
}

// writeJoined copies the message behind its header and writes that.
func (f *frameWriter) writeJoined(bufs [][]byte, n int) error {
	f.out = binary.BigEndian.AppendUint32(f.out[:0], uint32(n))
	for _, b := range bufs {
		f.out = append(f.out, b...)
	}
	err := f.writeOut(f.out)
	if cap(f.out) > keepBuffer {
		f.out = nil
	}
	return err
}

// writeOut writes b, a long one in pieces, so that their progress is seen.
func (f *frameWriter) writeOut(b []byte) error {
	for {
		piece := b[:min(len(b), maxWrite)]
		n, err := f.w.Write(piece)
		if err == nil && n != len(piece) {
			err = fmt.Errorf("%w: %d bytes of %d", io.ErrShortWrite, n, len(piece))
		}
		if b = b[len(piece):]; err != nil || len(b) == 0 {
			return err
		}
		f.pace.wrote()
	}
}

// writePieces writes the message from where it is, in system calls of about the same length.
func (f *frameWriter) writePieces(bufs [][]byte, n int) error {
	binary.BigEndian.PutUint32(f.header[:], uint32(n))
	total := len(f.header) + n
	calls := (total + maxWrite - 1) / maxWrite
	most := (total + calls - 1) / calls
	room := most - len(f.header)
	f.pieces = append(f.pieces[:0], f.header[:])
	for _, b := range bufs {
		for len(b) > room {
			f.pieces = append(f.pieces, b[:room])
			if err := f.flush(); err != nil {
				return err
			}
			f.pace.wrote()
			b, room = b[room:], most
		}
		f.pieces = append(f.pieces, b)
		room -= len(b)
	}
	return f.flush()
}

// flush writes pieces, and keeps nothing of them.
func (f *frameWriter) flush() error {
	f.vec = f.pieces
	_, err := f.vec.WriteTo(f.w)
	clear(f.pieces)
	f.pieces = f.pieces[:0]
	return err
}

// frameReader is the receiving half, the receiver's own. Messages are handed out from inside the read
// buffer, which one system call fills with many small ones; the body of one that is longer than the
// buffer is read into memory of its own.
type frameReader struct {
	r    io.Reader
	pace *pace

	in         []byte // read buffer, made by the first read
	start, end int    // what of in is read and not yet handed out
	full       bool   // the last read filled all of in, so a longer one would have had more
	long       []byte // the last message that did not fit in
	longest    int    // the longest message that came whole
	later      error  // came together with data, which goes first
	err        error  // why nothing is handed out any more
	refused    bool   // err is about a message, the stream goes on
}

const (
	// The read buffer, at first and once the peer has filled it: memory follows the bytes.
	readBuffer     = 16 << 10
	longReadBuffer = 128 << 10
	// A message from this length on is read to its end and no further: what was read of the next
	// would have to be moved.
	readAlone = 32 << 10
	// A peer may announce much and send little, so memory follows the bytes in steps, at first or
	// beyond what it has ever sent. The first holds an item of 64 KiB with all that is around it.
	firstStep = 65 << 10
	// How often a stream may return nothing at all, as in bufio.
	emptyReads = 100
)

// read returns the next message, limit bytes long at most.
func (f *frameReader) read(limit int64) ([]byte, error) {
	if f.err != nil {
		if f.refused {
			f.drop()
		}
		return nil, f.err
	}
	msg, err := f.next(limit)
	f.pace.whole()
	if err == nil {
		return msg, nil
	}
	_, tooLong := err.(*TooLongError)
	f.refused = tooLong || err == ErrEmpty
	f.err = err
	if !f.refused && err != io.EOF {
		f.err = fmt.Errorf("transport: receive: %w", err)
	}
	return nil, f.err
}

func (f *frameReader) next(limit int64) ([]byte, error) {
	if cap(f.long) > keepBuffer {
		f.long = nil
	}
	if err := f.fill(4); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(f.in[f.start:]))
	if size == 0 {
		return nil, ErrEmpty
	}
	if size > limit {
		return nil, &TooLongError{Size: size, Limit: limit}
	}
	f.start += 4
	n := int(size)
	if f.start == f.end {
		f.pace.part() // the length alone is a part, too
	}
	if n > len(f.in) {
		return f.readLong(n)
	}
	if err := f.fill(n); err != nil {
		return nil, noEOF(err)
	}
	f.start += n
	return f.in[f.start-n : f.start : f.start], nil
}

// fill reads until n bytes, at most the size of the buffer, are there. With none there it returns
// the stream's io.EOF as it is.
func (f *frameReader) fill(n int) error {
	if f.end-f.start >= n {
		return nil // fast path: read with the message before
	}
	if f.start == f.end {
		f.start, f.end = 0, 0
		f.grow()
	}
	if len(f.in)-f.start < n {
		f.end = copy(f.in, f.in[f.start:f.end])
		f.start = 0
	}
	until := len(f.in)
	if n >= readAlone {
		until = min(until, f.start+n+4) // with the length of the next
	}
	if f.end > f.start {
		f.pace.part()
	}
	for f.end-f.start < n {
		m, err := f.readSome(f.in[f.end:until])
		if err != nil {
			if f.end > f.start {
				return noEOF(err)
			}
			return err
		}
		if f.end += m; f.end-f.start < n {
			f.pace.part()
		}
	}
	f.full = f.full || f.end == len(f.in)
	return nil
}

// grow makes the read buffer, or a longer one when the peer has more to say; it is empty.
func (f *frameReader) grow() {
	if f.in == nil {
		f.in = make([]byte, readBuffer)
	} else if f.full && len(f.in) < longReadBuffer {
		f.in = make([]byte, longReadBuffer)
	}
	f.full = false
}

// readLong reads a message longer than the buffer straight into its own memory.
func (f *frameReader) readLong(n int) ([]byte, error) {
	msg := f.long[:0]
	if first := min(n, max(firstStep, f.longest)); cap(msg) < first {
		msg = make([]byte, 0, first)
	}
	msg = append(msg, f.in[f.start:f.end]...)
	f.start, f.end = 0, 0
	for len(msg) < n {
		f.pace.part()
		if len(msg) == cap(msg) {
			msg = append(make([]byte, 0, min(n, 2*len(msg))), msg...)
		}
		m, err := f.readSome(msg[len(msg):min(n, cap(msg))])
		if err != nil {
			return nil, noEOF(err)
		}
		msg = msg[:len(msg)+m]
	}
	f.long, f.longest = msg, max(n, f.longest)
	return msg, nil
}

// readSome reads at least one byte or fails. A stream that says nonsense is not believed.
func (f *frameReader) readSome(p []byte) (int, error) {
	if f.later != nil {
		return 0, f.later
	}
	for range emptyReads {
		n, err := f.r.Read(p)
		if n < 0 || n > len(p) {
			return 0, fmt.Errorf("%w: read %d bytes into %d", io.ErrNoProgress, n, len(p))
		}
		if n > 0 {
			f.later = err
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// drop reads until the stream ends, so that a peer which is being told what it did wrong is not
// stopped, or cut off, while it still sends.
func (f *frameReader) drop() {
	f.start, f.end = 0, 0
	for {
		if _, err := f.readSome(f.in); err != nil {
			return
		}
	}
}

// noEOF is err inside a message, where no end is clean.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
