package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// yamuxWire is the protocol of both yamux libraries: a header of 12 bytes with
// version, type, flags, stream and length, all big-endian. There is no HELLO.
type yamuxWire struct{}

const (
	yData, yWindow, yPing = 0, 1, 2

	ySYN, yFIN, yRST = 1, 4, 8

	yCredit  = 256 << 10 // with which every stream begins
	yBacklog = 256       // streams not yet accepted, by default in both
)

func (yamuxWire) header(typ byte, flags uint16, stream, length uint32) []byte {
	b := []byte{0, typ}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return binary.BigEndian.AppendUint32(b, length)
}

// id: the side that connected has the odd numbers.
func (yamuxWire) id(n int) uint32 { return uint32(2*n - 1) }

func (yamuxWire) preface() []byte      { return nil }
func (yamuxWire) greet(net.Conn) error { return nil }

func (w yamuxWire) open(n int) []byte { return w.header(yWindow, ySYN, w.id(n), 0) }
func (w yamuxWire) ask(n int) []byte  { return w.open(n) }

func (w yamuxWire) data(n int, b []byte) []byte {
	return append(w.header(yData, 0, w.id(n), uint32(len(b))), b...)
}

func (w yamuxWire) end(n int) []byte   { return w.header(yWindow, yFIN, w.id(n), 0) }
func (w yamuxWire) kill(n int) []byte  { return w.header(yWindow, yRST, w.id(n), 0) }
func (w yamuxWire) grant(n int) []byte { return w.header(yWindow, 0, w.id(n), 1<<20) }
func (w yamuxWire) ping(i int) []byte  { return w.header(yPing, ySYN, 0, uint32(i)) }

func (yamuxWire) limit() int { return yBacklog }

func (w yamuxWire) fill(n int) (out [][]byte) {
	for left := yCredit - 1; left > 0; {
		size := min(left, 32<<10)
		out = append(out, w.data(n, make([]byte, size)))
		left -= size
	}
	return out
}

// wrap grants 2^32-1 bytes more, twice; the counter has 32 bits.
func (w yamuxWire) wrap(n int) (before, after [][]byte) {
	most := w.header(yWindow, 0, w.id(n), 1<<32-1)
	return [][]byte{most, most}, nil
}

func (w yamuxWire) crash() (out [][]byte) {
	for _, typ := range oddTypes {
		for _, flags := range []uint16{0, 1, 2, 4, 8, 15, 1<<16 - 1} {
			// Every length comes alone, and after an opening.
			for i, n := range oddLengths {
				f := append(w.header(typ, flags, 1, n), make([]byte, 40)...)
				if i%2 == int(typ)%2 {
					f = append(w.open(1), f...)
				}
				out = append(out, f)
			}
		}
	}
	return append(out, append([]byte{1}, make([]byte, 11)...)) // another version
}

func (yamuxWire) read(r *bufio.Reader) (data int, over bool, err error) {
	var h [12]byte
	if _, err := io.ReadFull(r, h[:]); err != nil || h[1] != yData {
		return 0, false, err
	}
	data, err = r.Discard(int(binary.BigEndian.Uint32(h[8:])))
	return data, false, err
}
