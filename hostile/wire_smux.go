package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// smuxWire is version 1 of smux, its default: a header of 8 bytes with version,
// command, length and stream, the two last little-endian. It has no HELLO and
// no credit for streams, and its NOP is not answered.
type smuxWire struct{}

const (
	sOpen, sEnd, sData, sNop = 0, 1, 2, 3

	sBacklog = 1024
)

func (smuxWire) header(cmd byte, length uint16, stream uint32) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{1, cmd}, length)
	return binary.LittleEndian.AppendUint32(b, stream)
}

func (smuxWire) id(n int) uint32 { return uint32(2*n + 1) }

func (smuxWire) preface() []byte      { return nil }
func (smuxWire) greet(net.Conn) error { return nil }

func (w smuxWire) open(n int) []byte { return w.header(sOpen, 0, w.id(n)) }
func (w smuxWire) ask(n int) []byte  { return w.open(n) }

func (w smuxWire) data(n int, b []byte) []byte {
	return append(w.header(sData, uint16(len(b)), w.id(n)), b...)
}

// kill is end: the protocol does not tell them apart.
func (w smuxWire) end(n int) []byte  { return w.header(sEnd, 0, w.id(n)) }
func (w smuxWire) kill(n int) []byte { return w.end(n) }
func (w smuxWire) grant(int) []byte  { return nil }
func (w smuxWire) ping(int) []byte   { return w.header(sNop, 0, 0) }

func (smuxWire) limit() int                        { return sBacklog }
func (smuxWire) fill(int) [][]byte                 { return nil }
func (smuxWire) wrap(int) (before, after [][]byte) { return nil, nil }

func (w smuxWire) crash() (out [][]byte) {
	for _, cmd := range oddTypes {
		for _, n := range oddLengths {
			for _, stream := range []uint32{0, 3, 1<<32 - 1} {
				f := append(w.header(cmd, uint16(n), stream), make([]byte, 40)...)
				out = append(out, f, append(w.open(1), f...))
			}
		}
	}
	for _, version := range []byte{0, 2, 255} {
		f := w.open(1)
		f[0] = version
		out = append(out, f)
	}
	return out
}

func (smuxWire) read(r *bufio.Reader) (data int, over bool, err error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, false, err
	}
	data, err = r.Discard(int(binary.LittleEndian.Uint16(h[2:])))
	return data, false, err
}
