package conform

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// The types of frames, as SPEC.md numbers them.
const (
	tHello = iota
	tOpen
	tData
	tEnd
	tFail
	tRequest
	tClose
	tPing
	tPong
)

// The kinds of streams.
const (
	kindOneWay = iota
	kindCall
	kindAnswer
)

// The codes that the cases speak of.
const (
	codeDone     = 0
	codeCanceled = 1
	codeProtocol = 2
	codeCredit   = 3
	codeTooLarge = 4
	codeRefused  = 5
	codeInternal = 6
	codeTimedOut = 7
	codeShutdown = 8
	codeVersion  = 9
)

// The limits of rules 1, 2 and 9.
const (
	headerLen   = 9
	helloLen    = 21
	maxMetadata = 16 << 10
	maxReason   = 1 << 10
	maxMaxItem  = 1 << 24
	maxTotal    = 1<<53 - 1
	leastLimit  = 65536 // of a message
)

var typeNames = [...]string{"HELLO", "OPEN", "DATA", "END", "FAIL", "REQUEST", "CLOSE", "PING", "PONG"}

// frame is a frame as it is on the wire. Cases make wrong ones as easily as
// right ones, so nothing of the payload is interpreted here.
type frame struct {
	typ     byte
	stream  uint32
	payload []byte
}

// hello is what HELLO says.
type hello struct {
	version                       byte
	maxItem, streams, items, size uint32 // size is the field bytes
	metadata                      []byte
}

// frame encodes it.
func (h hello) frame() frame {
	p := append([]byte("OMNI"), h.version)
	for _, n := range []uint32{h.maxItem, h.streams, h.items, h.size} {
		p = binary.BigEndian.AppendUint32(p, n)
	}
	return frame{tHello, 0, append(p, h.metadata...)}
}

// openFrame makes an OPEN.
func openFrame(stream uint32, kind byte, answers uint32, metadata []byte) frame {
	p := binary.BigEndian.AppendUint32([]byte{kind}, answers)
	return frame{tOpen, stream, append(p, metadata...)}
}

// dataFrame makes a DATA.
func dataFrame(stream uint32, item []byte) frame { return frame{tData, stream, item} }

// endFrame makes an END.
func endFrame(stream uint32) frame { return frame{tEnd, stream, nil} }

// wordFrame makes a FAIL or a CLOSE.
func wordFrame(typ byte, stream, code uint32, reason string) frame {
	return frame{typ, stream, append(binary.BigEndian.AppendUint32(nil, code), reason...)}
}

// failFrame makes a FAIL.
func failFrame(stream, code uint32, reason string) frame {
	return wordFrame(tFail, stream, code, reason)
}

// closeFrame makes a CLOSE.
func closeFrame(stream, code uint32, reason string) frame {
	return wordFrame(tClose, stream, code, reason)
}

// requestFrame makes a REQUEST.
func requestFrame(stream uint32, items, size uint64) frame {
	p := binary.BigEndian.AppendUint64(nil, items)
	return frame{tRequest, stream, binary.BigEndian.AppendUint64(p, size)}
}

// pingFrame makes a PING whose bytes are n.
func pingFrame(n uint64) frame { return frame{tPing, 0, binary.BigEndian.AppendUint64(nil, n)} }

// encode appends the frame to msg.
func (f frame) encode(msg []byte) []byte {
	msg = append(msg, f.typ)
	msg = binary.BigEndian.AppendUint32(msg, f.stream)
	msg = binary.BigEndian.AppendUint32(msg, uint32(len(f.payload)))
	return append(msg, f.payload...)
}

// message joins frames.
func message(frames ...frame) []byte {
	var msg []byte
	for _, f := range frames {
		msg = f.encode(msg)
	}
	return msg
}

// word is the payload of FAIL and CLOSE.
type word struct {
	code   uint32
	reason string
}

// word takes the payload of FAIL or CLOSE apart.
func (f frame) word() word {
	return word{binary.BigEndian.Uint32(f.payload), string(f.payload[4:])}
}

// totals takes the payload of REQUEST apart.
func (f frame) totals() (items, size uint64) {
	return binary.BigEndian.Uint64(f.payload), binary.BigEndian.Uint64(f.payload[8:])
}

// opening takes the payload of OPEN apart.
func (f frame) opening() (kind byte, answers uint32, metadata []byte) {
	return f.payload[0], binary.BigEndian.Uint32(f.payload[1:]), f.payload[5:]
}

// hello takes the payload of HELLO apart.
func (f frame) hello() hello {
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(f.payload[at:]) }
	return hello{f.payload[4], u32(5), u32(9), u32(13), u32(17), f.payload[21:]}
}

// String is the frame for a transcript, short.
func (f frame) String() string {
	name := fmt.Sprintf("type %d", f.typ)
	if int(f.typ) < len(typeNames) {
		name = typeNames[f.typ]
	}
	s := fmt.Sprintf("%s %d", name, f.stream)
	switch n := len(f.payload); {
	case f.form() != nil || f.typ >= 128:
		return fmt.Sprintf("%s with %d bytes %.20x", s, n, f.payload)
	case f.typ == tHello:
		h := f.hello()
		return fmt.Sprintf("HELLO version %d, max_item %d, streams %d, items %d, bytes %d", h.version, h.maxItem, h.streams, h.items, h.size)
	case f.typ == tOpen:
		kind, answers, metadata := f.opening()
		return fmt.Sprintf("%s kind %d, answers %d, metadata of %d bytes", s, kind, answers, len(metadata))
	case f.typ == tData:
		return fmt.Sprintf("%s of %d bytes", s, n)
	case f.typ == tFail || f.typ == tClose:
		w := f.word()
		return fmt.Sprintf("%s code %d %.60q", s, w.code, w.reason)
	case f.typ == tRequest:
		items, size := f.totals()
		return fmt.Sprintf("%s items %d, bytes %d", s, items, size)
	case f.typ == tPing || f.typ == tPong:
		return fmt.Sprintf("%s %x", s, f.payload)
	}
	return s
}

// breach is a rule that the echo has broken.
type breach struct {
	rule string // "0" to "14", or a law as "L2"
	what string
}

// Error names the rule first.
func (b *breach) Error() string {
	if b.rule == "" {
		return b.what
	}
	if b.rule[0] == 'L' {
		return "law " + b.rule + ": " + b.what
	}
	return "rule " + b.rule + ": " + b.what
}

// broke makes a breach.
func broke(rule, format string, args ...any) error {
	return &breach{rule, fmt.Sprintf(format, args...)}
}

// cut takes the first frame off a message.
func cut(msg []byte) (f frame, rest []byte, err error) {
	if len(msg) < headerLen {
		return f, nil, broke("0", "the echo sends a header that is cut: %x", msg)
	}
	n := uint64(binary.BigEndian.Uint32(msg[5:]))
	if n > uint64(len(msg)-headerLen) {
		return f, nil, broke("0", "the echo sends a frame that is cut: type %d announces %d bytes", msg[0], n)
	}
	end := headerLen + int(n)
	return frame{msg[0], binary.BigEndian.Uint32(msg[1:]), msg[headerLen:end]}, msg[end:], nil
}

// least and most are the lengths of payloads, by type. DATA is bounded by
// max_item, which the ledger knows.
var (
	least = [...]int{helloLen, 5, 0, 0, 4, 16, 4, 8, 8}
	most  = [...]int{helloLen + maxMetadata, 5 + maxMetadata, maxMaxItem, 0, 4 + maxReason, 16, 4 + maxReason, 8, 8}
)

// form checks what shows without knowing any stream.
func (f frame) form() error {
	if f.typ >= 128 {
		return nil
	}
	if int(f.typ) >= len(typeNames) {
		return broke("0", "the echo sends a frame of type %d", f.typ)
	}
	name := typeNames[f.typ]
	switch f.typ {
	case tHello, tPing, tPong:
		if f.stream != 0 {
			return broke("0", "%s on stream %d", name, f.stream)
		}
	case tOpen, tData, tRequest:
		if f.stream == 0 {
			return broke("0", "%s on stream 0", name)
		}
	}
	switch n := len(f.payload); {
	case n < least[f.typ]:
		return broke("0", "%s with %d bytes of payload", name, n)
	case n > most[f.typ]:
		return broke("9", "%s with %d bytes of payload", name, n)
	}
	return f.fields()
}

// fields checks the values in the payload, whose length is right.
func (f frame) fields() error {
	switch f.typ {
	case tHello:
		return f.hello().check(string(f.payload[:4]))
	case tOpen:
		kind, answers, _ := f.opening()
		if kind > kindAnswer || (kind == kindAnswer) != (answers != 0) {
			return broke("0", "OPEN of kind %d answers %d", kind, answers)
		}
	case tRequest:
		if items, size := f.totals(); items > maxTotal || size > maxTotal {
			return broke("2", "REQUEST with the totals %d and %d, above 2^53-1", items, size)
		}
	case tFail, tClose:
		if !utf8.Valid(f.payload[4:]) {
			return broke("0", "%s with a reason that is not UTF-8: %.40x", typeNames[f.typ], f.payload[4:])
		}
	}
	return nil
}

// check checks the fields of the echo's HELLO.
func (h hello) check(magic string) error {
	switch {
	case magic != "OMNI":
		return broke("1", "HELLO with the magic %q", magic)
	case h.version == 0:
		return broke("1", "HELLO with version 0")
	case h.maxItem > maxMaxItem:
		return broke("1", "HELLO with max_item %d, above 2^24", h.maxItem)
	case h.items > 0 && h.size < h.maxItem:
		return broke("3", "HELLO with items %d and bytes %d below max_item %d", h.items, h.size, h.maxItem)
	}
	return nil
}
