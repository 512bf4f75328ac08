package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// oursWire is this project's protocol over TCP: each message is preceded by its
// length in 4 bytes, each frame begins with type, stream and length (SPEC.md).
type oursWire struct {
	maxItem, streams, items, bytes int // from the victim's HELLO
}

const (
	hello, opening, item, end, fail, request, pinging = 0, 1, 2, 3, 4, 5, 7

	mostCredit  = 1<<53 - 1
	mostOpening = 16 << 10 // metadata of an OPEN
)

// frame returns one frame in a message of its own.
func (w *oursWire) frame(typ byte, stream uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(9+len(payload)))
	b = append(b, typ)
	b = binary.BigEndian.AppendUint32(b, stream)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

// preface allows the victim answers with four items to begin with.
func (w *oursWire) preface() []byte {
	b := []byte("OMNI\x01")
	for _, v := range []uint32{64 << 10, 16, 4, 256 << 10} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return w.frame(hello, 0, b)
}

func (w *oursWire) greet(c net.Conn) error {
	if _, err := c.Write(w.preface()); err != nil {
		return err
	}
	b := make([]byte, 4+9+21) // the victim has no metadata
	if _, err := io.ReadFull(c, b); err != nil {
		return fmt.Errorf("no HELLO: %w", err)
	}
	at := func(i int) int { return int(binary.BigEndian.Uint32(b[i:])) }
	w.maxItem, w.streams, w.items, w.bytes = at(18), at(22), at(26), at(30)
	return nil
}

func (w *oursWire) open(n int) []byte { return w.opening(n, 0, mostOpening) }
func (w *oursWire) ask(n int) []byte  { return w.opening(n, 1, 0) }

func (w *oursWire) opening(n int, kind byte, metadata int) []byte {
	b := make([]byte, 5+metadata)
	b[0] = kind
	return w.frame(opening, uint32(n), b)
}

func (w *oursWire) data(n int, b []byte) []byte { return w.frame(item, uint32(n), b) }
func (w *oursWire) end(n int) []byte            { return w.frame(end, uint32(n), nil) }
func (w *oursWire) kill(n int) []byte           { return w.frame(fail, uint32(n), []byte("\x00\x00\x00\x01x")) }

func (w *oursWire) grant(n int) []byte { return w.request(n, 1<<20) }

func (w *oursWire) request(n int, total uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, total)
	return w.frame(request, uint32(n), binary.BigEndian.AppendUint64(b, total))
}

func (w *oursWire) ping(i int) []byte {
	return w.frame(pinging, 0, binary.BigEndian.AppendUint64(nil, uint64(i)))
}

// limit leaves a slot for the honest stream.
func (w *oursWire) limit() int { return w.streams - 1 }

// fill spends the items and as many bytes as they can carry.
func (w *oursWire) fill(n int) (out [][]byte) {
	for left, bytes := w.items-1, w.bytes-1; left > 0; left-- {
		size := min(bytes/left, w.maxItem)
		out = append(out, w.data(n, make([]byte, size)))
		bytes -= size
	}
	return out
}

// wrap waits for the answer, the victim's stream 1: credit for a stream that
// is not there is another fault.
func (w *oursWire) wrap(int) (before, after [][]byte) {
	return nil, [][]byte{w.request(1, mostCredit), w.request(1, mostCredit), w.request(1, mostCredit+1), w.request(1, 1<<64-1)}
}

func (w *oursWire) crash() (out [][]byte) {
	greeted := func(b []byte) { out = append(out, append(w.preface(), b...)) }
	for _, typ := range oddTypes {
		for _, n := range oddLengths {
			for _, stream := range []uint32{0, 1} {
				f := w.frame(typ, stream, make([]byte, 40))
				binary.BigEndian.PutUint32(f[9:], n)
				greeted(f)
			}
		}
		out = append(out, w.frame(typ, 0, make([]byte, 21))) // instead of HELLO
	}
	for _, n := range oddLengths { // of the message
		greeted(append(binary.BigEndian.AppendUint32(nil, n), make([]byte, 40)...))
	}
	return out
}

func (w *oursWire) read(r *bufio.Reader) (data int, over bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, false, err
	}
	msg := make([]byte, min(binary.BigEndian.Uint32(head[:]), 16<<20))
	if _, err := io.ReadFull(r, msg); err != nil {
		return 0, false, err
	}
	for len(msg) >= 9 {
		n := int(binary.BigEndian.Uint32(msg[5:]))
		switch msg[0] {
		case item:
			data += n
		case fail:
			over = over || binary.BigEndian.Uint32(msg[1:]) == 0
		}
		msg = msg[min(9+n, len(msg)):]
	}
	return data, over, nil
}
