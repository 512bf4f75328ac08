package npm09

import (
	"encoding/binary"
	"errors"
	"sync"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// The frames of this dialect.
const (
	npmCreate    = 0
	npmData      = 1
	npmEnd       = 2
	npmTerminate = 3
	npmRequest   = 4
	npmControl   = 5
)

// The frames of version 1 (SPEC.md, rule 0).
const (
	v1Hello   = 0
	v1Open    = 1
	v1Data    = 2
	v1End     = 3
	v1Fail    = 4
	v1Request = 5
	v1Close   = 6
	v1Ping    = 7
	v1Pong    = 8

	v1Header   = 9 // type u8, stream u32, length u32
	v1OpenSize = 5 // of OPEN's payload before the metadata
)

const (
	numbers    = 256       // of streams, each way
	maxCredit  = 255       // of one REQUEST
	maxTotal   = 1<<53 - 1 // of version 1
	maxItem    = 1 << 24   // of version 1; this dialect has no limit
	notCounted = maxTotal  // as a total of bytes
)

// ErrCanceled is why a session is over of which a writer canceled.
var ErrCanceled = errors.New("npm09: a writer canceled, which this dialect can only say by closing the connection")

// dialect is the state of one session: which number stands for which stream
// of version 1, both ways. The session calls it with its lock held; mu is for
// what others than the session touch.
type dialect struct {
	wake func()

	ours   [numbers]ourStream
	theirs [numbers]theirStream
	number map[uint32]uint8  // of ours, by their numbers in version 1
	peers  map[uint32]uint8  // of the peer's, likewise
	ahead  map[uint32]*early // of those, what came early
	free   []uint8           // ours, the one free for longest first
	opened uint32            // streams of the peer, ever
	ending bool              // we open and take no more

	frames []byte // what Decode returned last

	mu      sync.Mutex
	due     []uint32      // streams of the peer, in version 1, whose TERMINATE is
	out     [][]byte      // control messages to be sent, as messages
	in      [][]byte      // control messages that came
	keep    int           // how many bytes of those may wait
	sent    chan struct{} // one slot: there is room in out
	arrived chan struct{} // one slot: in has grown

	outBytes, inBytes int // of out and in, with controlCharge for each
}

type ourStream struct {
	v1      uint32 // 0: none lives
	granted uint64 // items, ever
	used    bool   // one lived
	stopped bool   // the peer's TERMINATE came
}

type theirStream struct {
	v1       uint32 // 0: none lives
	granted  uint64 // items, ever
	received uint64 // likewise
	ignored  bool   // what comes for it means nothing

	// A REQUEST that crosses END counts, in 0.9.0, for the next stream of
	// that number, of which it is not known then.
	stray uint64 // how many items those before may have left it
}

// early is what a stream sent before this side asked for it, to be taken when
// it does.
type early struct {
	items   [][]byte
	granted uint64 // items that the stream may have sent, ever
	ended   bool
}

// Dialect makes what a session needs to speak this dialect, for
// mux.Options.Dialect.
func Dialect() mux.Dialect { return newDialect(0) }

func newDialect(keep int) *dialect {
	d := &dialect{
		number:  make(map[uint32]uint8),
		peers:   make(map[uint32]uint8),
		ahead:   make(map[uint32]*early),
		keep:    keep,
		sent:    make(chan struct{}, 1),
		arrived: make(chan struct{}, 1),
	}
	for k := range numbers {
		d.free = append(d.free, uint8(k))
	}
	return d
}

// Attach implements mux.Dialect.
func (d *dialect) Attach(wake func()) { d.wake = wake }

// appendFrame appends a frame of version 1.
func appendFrame(b []byte, typ byte, stream uint32, payload []byte) []byte {
	b = append(b, typ)
	b = binary.BigEndian.AppendUint32(b, stream)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

// appendClose appends CLOSE or FAIL of version 1.
func appendClose(b []byte, typ byte, stream uint32, code omni.Code, reason string) []byte {
	payload := binary.BigEndian.AppendUint32(nil, uint32(code))
	return appendFrame(b, typ, stream, append(payload, reason...))
}
