package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// bufSize is what is gathered before a write when batching by hand, and read
// ahead by everyone who reads a byte stream. It is a little less than 64 KiB:
// beyond 65,483 bytes loopback sends a second, tiny segment, and takes two to
// three times as long. Ours keeps below that as well.
const bufSize = 60 << 10

// byteConn makes messages of a stream of bytes, as everyone does: 4 bytes of
// length, then the message. Each goes out in one Write of its own, or, batched
// by hand, when bufSize bytes have come together or somebody remembers to flush.
//
// Buffers are made when they are needed: an idle stream has none.
type byteConn struct {
	rw      io.ReadWriter
	end     func() error // tells the other end that nothing more comes
	free    func()       // lets go of the stream
	batched bool
	readBuf int // zero is bufSize

	w    *bufio.Writer
	r    *bufio.Reader
	out  []byte
	item []byte
	head [4]byte
}

func (c *byteConn) send(item []byte) error {
	if c.batched {
		return c.gather(item)
	}
	c.out = binary.BigEndian.AppendUint32(c.out[:0], uint32(len(item)))
	c.out = append(c.out, item...)
	_, err := c.rw.Write(c.out)
	return err
}

func (c *byteConn) gather(item []byte) error {
	if c.w == nil {
		c.w = bufio.NewWriterSize(c.rw, bufSize)
	}
	binary.BigEndian.PutUint32(c.head[:], uint32(len(item)))
	if _, err := c.w.Write(c.head[:]); err != nil {
		return err
	}
	_, err := c.w.Write(item)
	return err
}

func (c *byteConn) flush() error {
	if c.w == nil {
		return nil
	}
	return c.w.Flush()
}

func (c *byteConn) recv() ([]byte, error) {
	if c.r == nil {
		if c.readBuf == 0 {
			c.readBuf = bufSize
		}
		c.r = bufio.NewReaderSize(c.rw, c.readBuf)
	}
	head, err := c.r.Peek(4)
	if err != nil {
		if len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head))
	if n > 1<<20 {
		return nil, fmt.Errorf("a message of %d bytes: out of step", n)
	}
	c.r.Discard(4)
	if cap(c.item) < n {
		c.item = make([]byte, n)
	}
	c.item = c.item[:n]
	_, err = io.ReadFull(c.r, c.item)
	return c.item, err
}

func (c *byteConn) closeSend() error {
	if err := c.flush(); err != nil {
		return err
	}
	return c.end()
}

func (c *byteConn) release() { c.free() }
