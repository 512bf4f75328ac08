package laws

import (
	"encoding/binary"
	"fmt"
)

// This is a second codec of the wire, written from SPEC.md alone, so that a
// mistake in package mux's own is not repeated here.

type frameType uint8

const (
	hello frameType = iota
	open
	data
	end
	fail
	request
	closing
	ping
	pong
)

// frame is one frame; which fields count depends on its type.
type frame struct {
	typ     frameType
	stream  uint32
	version byte   // HELLO
	maxItem uint32 // HELLO
	streams uint32 // HELLO
	items   uint64 // HELLO, REQUEST
	bytes   uint64 // HELLO, REQUEST
	kind    byte   // OPEN
	answers uint32 // OPEN
	code    uint32 // FAIL, CLOSE
	rest    []byte // metadata, item, reason, or the bytes of PING and PONG
}

// parseMessage cuts a message into frames.
func parseMessage(msg []byte) (fs []frame, err error) {
	if len(msg) == 0 {
		return nil, fmt.Errorf("an empty message")
	}
	for len(msg) > 0 {
		if len(msg) < 9 {
			return fs, fmt.Errorf("a header of %d bytes", len(msg))
		}
		f := frame{typ: frameType(msg[0]), stream: binary.BigEndian.Uint32(msg[1:])}
		n := binary.BigEndian.Uint32(msg[5:])
		if uint64(n) > uint64(len(msg)-9) {
			return fs, fmt.Errorf("a frame of %d bytes has %d", n, len(msg)-9)
		}
		if err := f.parse(msg[9 : 9+n]); err != nil {
			return fs, err
		}
		fs = append(fs, f)
		msg = msg[9+n:]
	}
	return fs, nil
}

// parse reads the payload, whose length must suit the type.
func (f *frame) parse(p []byte) error {
	least := map[frameType]int{hello: 21, open: 5, fail: 4, request: 16, closing: 4, ping: 8, pong: 8}
	most := map[frameType]int{hello: 21 + 16384, open: 5 + 16384, end: 0, fail: 4 + 1024, request: 16, closing: 4 + 1024, ping: 8, pong: 8}
	if max, ok := most[f.typ]; f.typ > pong || len(p) < least[f.typ] || ok && len(p) > max {
		return fmt.Errorf("type %d with %d bytes", f.typ, len(p))
	}
	u32, u64 := binary.BigEndian.Uint32, binary.BigEndian.Uint64
	switch f.typ {
	case hello:
		if string(p[:4]) != "OMNI" {
			return fmt.Errorf("HELLO with magic %q", p[:4])
		}
		f.version, f.maxItem, f.streams = p[4], u32(p[5:]), u32(p[9:])
		f.items, f.bytes, f.rest = uint64(u32(p[13:])), uint64(u32(p[17:])), p[21:]
	case open:
		f.kind, f.answers, f.rest = p[0], u32(p[1:]), p[5:]
	case fail, closing:
		f.code, f.rest = u32(p), p[4:]
	case request:
		f.items, f.bytes = u64(p), u64(p[8:])
	default:
		f.rest = p
	}
	return nil
}

// append appends the frame's encoding.
func (f *frame) append(b []byte) []byte {
	u32, u64 := binary.BigEndian.AppendUint32, binary.BigEndian.AppendUint64
	var p []byte
	switch f.typ {
	case hello:
		p = append([]byte("OMNI"), f.version)
		p = u32(u32(u32(u32(p, f.maxItem), f.streams), uint32(f.items)), uint32(f.bytes))
	case open:
		p = u32([]byte{f.kind}, f.answers)
	case fail, closing:
		p = u32(nil, f.code)
	case request:
		p = u64(u64(nil, f.items), f.bytes)
	}
	p = append(p, f.rest...)
	b = u32(u32(append(b, byte(f.typ)), f.stream), uint32(len(p)))
	return append(b, p...)
}

func (f *frame) String() string {
	names := []string{"HELLO", "OPEN", "DATA", "END", "FAIL", "REQUEST", "CLOSE", "PING", "PONG"}
	name := fmt.Sprintf("type %d", f.typ)
	if int(f.typ) < len(names) {
		name = names[f.typ]
	}
	return fmt.Sprintf("%s on stream %d", name, f.stream)
}
