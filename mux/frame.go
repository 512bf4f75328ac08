package mux

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"omnistreams.dev/omni"
)

// frameType is the first byte of a frame (SPEC.md, rule 0).
type frameType uint8

const (
	frameHello   frameType = 0
	frameOpen    frameType = 1
	frameData    frameType = 2
	frameEnd     frameType = 3
	frameFail    frameType = 4
	frameRequest frameType = 5
	frameClose   frameType = 6
	framePing    frameType = 7
	framePong    frameType = 8

	frameIgnored frameType = 128 // from here on: room to experiment
)

var frameNames = [...]string{"HELLO", "OPEN", "DATA", "END", "FAIL", "REQUEST", "CLOSE", "PING", "PONG"}

func (t frameType) String() string {
	if int(t) < len(frameNames) {
		return frameNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

const (
	headerSize = 9  // type u8, stream u32, length u32
	helloSize  = 21 // of HELLO's payload before the metadata
	version    = 1
)

const magic = "OMNI"

// The kinds of stream that OPEN names.
const (
	kindOneWay = 0
	kindCall   = 1
	kindAnswer = 2
)

// frame is one frame of a message; payload aliases the message.
type frame struct {
	typ     frameType
	stream  uint32
	payload []byte
}

// fault makes the error for a broken rule: what FAIL on stream 0 says. rule is
// its number in SPEC.md.
func fault(rule int, code omni.Code, format string, args ...any) *omni.StreamError {
	return &omni.StreamError{Code: code, Reason: fmt.Sprintf("rule %d: "+format, append([]any{rule}, args...)...)}
}

// cutFrame takes the first frame off a message that is not empty.
func cutFrame(msg []byte) (f frame, rest []byte, bad *omni.StreamError) {
	if len(msg) < headerSize {
		return f, nil, fault(0, omni.CodeProtocol, "a frame's header is cut after %d bytes", len(msg))
	}
	f.typ = frameType(msg[0])
	f.stream = binary.BigEndian.Uint32(msg[1:])
	n := binary.BigEndian.Uint32(msg[5:])
	rest = msg[headerSize:]
	if uint64(n) > uint64(len(rest)) {
		return f, nil, fault(0, omni.CodeProtocol, "%v says %d bytes and has %d", f.typ, n, len(rest))
	}
	f.payload = rest[:n:n]
	return f, rest[n:], nil
}

// checkStream says whether the stream number suits the type, which is looked
// at before the payload's length; HELLO's magic goes before even that.
func (f *frame) checkStream() *omni.StreamError {
	switch f.typ {
	case frameOpen, frameData, frameRequest:
		if f.stream == 0 {
			return fault(0, omni.CodeProtocol, "%v on stream 0", f.typ)
		}
	case framePing, framePong:
		if f.stream != 0 {
			return fault(0, omni.CodeProtocol, "%v on stream %d, not 0", f.typ, f.stream)
		}
	}
	return nil
}

func appendHeader(b []byte, t frameType, stream uint32, length int) []byte {
	b = append(b, byte(t))
	b = binary.BigEndian.AppendUint32(b, stream)
	return binary.BigEndian.AppendUint32(b, uint32(length))
}

// setStream writes the stream's number into every frame of b, which were
// made before the stream had one.
func setStream(b []byte, stream uint32) {
	for len(b) > 0 {
		binary.BigEndian.PutUint32(b[1:], stream)
		b = b[headerSize+binary.BigEndian.Uint32(b[5:]):]
	}
}

// hello is the payload of HELLO.
type hello struct {
	version  uint8
	maxItem  uint32 // bytes
	streams  uint32
	items    uint32 // credit that each stream starts with
	bytes    uint32
	metadata []byte
}

func (h *hello) append(b []byte) []byte {
	b = appendHeader(b, frameHello, 0, helloSize+len(h.metadata))
	b = append(b, magic...)
	b = append(b, h.version)
	b = binary.BigEndian.AppendUint32(b, h.maxItem)
	b = binary.BigEndian.AppendUint32(b, h.streams)
	b = binary.BigEndian.AppendUint32(b, h.items)
	b = binary.BigEndian.AppendUint32(b, h.bytes)
	return append(b, h.metadata...)
}

// parseHello checks HELLO's magic and version before all else, the stream
// number included: they mean the same in every version.
func parseHello(f frame) (h hello, bad *omni.StreamError) {
	p := f.payload
	if len(p) >= len(magic) && string(p[:len(magic)]) != magic {
		return h, fault(1, omni.CodeVersion, "HELLO does not begin with %s", magic)
	}
	if len(p) > len(magic) {
		h.version = p[len(magic)]
		if h.version == 0 {
			return h, fault(1, omni.CodeVersion, "HELLO says version 0; this side speaks 1 to %d", version)
		}
	}
	switch {
	case f.stream != 0:
		return h, fault(0, omni.CodeProtocol, "HELLO on stream %d, not 0", f.stream)
	case len(p) < helloSize:
		return h, fault(1, omni.CodeProtocol, "HELLO has %d bytes, at least %d are due", len(p), helloSize)
	}
	h.maxItem = binary.BigEndian.Uint32(p[5:])
	h.streams = binary.BigEndian.Uint32(p[9:])
	h.items = binary.BigEndian.Uint32(p[13:])
	h.bytes = binary.BigEndian.Uint32(p[17:])
	h.metadata = p[helloSize:]
	switch {
	case len(h.metadata) > maxMetadata:
		return h, fault(9, omni.CodeTooLarge, "HELLO: metadata of %d bytes is over %d", len(h.metadata), maxMetadata)
	case h.maxItem > maxItemLimit:
		return h, fault(1, omni.CodeProtocol, "HELLO: max_item %d is over %d", h.maxItem, maxItemLimit)
	case h.items > 0 && h.bytes < h.maxItem:
		return h, fault(3, omni.CodeProtocol, "HELLO grants items but only %d bytes, less than max_item %d", h.bytes, h.maxItem)
	}
	return h, nil
}

func appendOpen(b []byte, stream uint32, kind uint8, answers uint32, metadata []byte) []byte {
	b = appendHeader(b, frameOpen, stream, 5+len(metadata))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, answers)
	return append(b, metadata...)
}

func parseOpen(p []byte) (kind uint8, answers uint32, metadata []byte, bad *omni.StreamError) {
	if len(p) < 5 {
		return 0, 0, nil, fault(0, omni.CodeProtocol, "OPEN has %d bytes, at least 5 are due", len(p))
	}
	kind, answers, metadata = p[0], binary.BigEndian.Uint32(p[1:]), p[5:]
	switch {
	case len(metadata) > maxMetadata:
		bad = fault(9, omni.CodeTooLarge, "OPEN: metadata of %d bytes is over %d", len(metadata), maxMetadata)
	case kind > kindAnswer:
		bad = fault(0, omni.CodeProtocol, "OPEN: there is no kind %d", kind)
	case kind != kindAnswer && answers != 0:
		bad = fault(0, omni.CodeProtocol, "OPEN: kind %d answers nothing, but names %d", kind, answers)
	case kind == kindAnswer && answers == 0:
		bad = fault(0, omni.CodeProtocol, "OPEN: an answer to no call")
	}
	return kind, answers, metadata, bad
}

func appendTotals(b []byte, stream uint32, items, bytes uint64) []byte {
	b = appendHeader(b, frameRequest, stream, 16)
	b = binary.BigEndian.AppendUint64(b, items)
	return binary.BigEndian.AppendUint64(b, bytes)
}

func parseTotals(p []byte) (items, bytes uint64, bad *omni.StreamError) {
	if len(p) != 16 {
		return 0, 0, fault(0, omni.CodeProtocol, "REQUEST has %d bytes, not 16", len(p))
	}
	items, bytes = binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])
	if items > maxTotal || bytes > maxTotal {
		return 0, 0, fault(2, omni.CodeProtocol, "REQUEST: a total is over 2^53-1")
	}
	return items, bytes, nil
}

// appendReason appends a FAIL or CLOSE.
func appendReason(b []byte, t frameType, stream uint32, code omni.Code, reason string) []byte {
	reason = cutReason(reason)
	b = appendHeader(b, t, stream, 4+len(reason))
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	return append(b, reason...)
}

// cutReason makes a reason valid UTF-8 of at most maxReason bytes.
func cutReason(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxReason {
		return s
	}
	n := maxReason
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func parseReason(t frameType, p []byte) (code omni.Code, reason string, bad *omni.StreamError) {
	if len(p) < 4 {
		return 0, "", fault(0, omni.CodeProtocol, "%v has %d bytes, at least 4 are due", t, len(p))
	}
	if len(p)-4 > maxReason {
		return 0, "", fault(9, omni.CodeTooLarge, "%v: a reason of %d bytes is over %d", t, len(p)-4, maxReason)
	}
	return omni.Code(binary.BigEndian.Uint32(p)), strings.ToValidUTF8(string(p[4:]), "\uFFFD"), nil
}
