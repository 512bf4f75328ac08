package npm09

import (
	"encoding/binary"
	"fmt"

	"omnistreams.dev/omni"
)

// Decode implements mux.Dialect.
func (d *dialect) Decode(msg []byte) ([]byte, error) {
	switch {
	case len(msg) == 0:
		return nil, fmt.Errorf("npm09: an empty message")
	case msg[0] == npmControl:
		return nil, d.giveControl(msg[1:])
	case msg[0] > npmControl:
		return nil, fmt.Errorf("npm09: there is no frame of type %d", msg[0])
	case len(msg) < 2:
		return nil, fmt.Errorf("npm09: a frame of type %d without a stream", msg[0])
	}
	k, rest := msg[1], msg[2:]
	d.frames = d.frames[:0]
	var err error
	switch msg[0] {
	case npmTerminate, npmRequest:
		err = d.ofOurs(msg[0], k, rest)
	default:
		err = d.ofTheirs(msg[0], k, rest)
	}
	return d.frames, err
}

// ofTheirs takes a frame of a stream that the peer opened.
func (d *dialect) ofTheirs(typ byte, k uint8, rest []byte) error {
	t := &d.theirs[k]
	switch {
	case typ == npmCreate && t.v1 != 0:
		return fmt.Errorf("npm09: CREATE of stream %d, which lives", k)
	case typ == npmCreate && d.ending:
		*t = theirStream{ignored: true}
		return nil
	case typ == npmCreate:
		d.opened++
		*t = theirStream{v1: d.opened}
		d.peers[d.opened] = k
		d.frames = appendFrame(d.frames, v1Open, d.opened, append(make([]byte, v1OpenSize), rest...))
		return nil
	case t.ignored:
		return nil
	case t.v1 == 0:
		return fmt.Errorf("npm09: a frame of type %d for stream %d, which does not live", typ, k)
	case typ == npmData:
		d.frames = appendFrame(d.frames, v1Data, t.v1, rest)
		return nil
	case len(rest) > 0:
		return fmt.Errorf("npm09: END of stream %d with %d bytes behind it", k, len(rest))
	}
	d.frames = appendFrame(d.frames, v1End, t.v1, nil)
	delete(d.peers, t.v1)
	*t = theirStream{}
	return nil
}

// ofOurs takes a frame of a stream that this side opened. One for a stream
// that has ended may have crossed its END.
func (d *dialect) ofOurs(typ byte, k uint8, rest []byte) error {
	o := &d.ours[k]
	switch {
	case !o.used:
		return fmt.Errorf("npm09: a frame of type %d for stream %d, which was never opened", typ, k)
	case typ == npmTerminate && len(rest) > 0:
		return fmt.Errorf("npm09: TERMINATE of stream %d with %d bytes behind it", k, len(rest))
	case typ == npmRequest && (len(rest) != 1 || rest[0] == 0):
		return fmt.Errorf("npm09: REQUEST on stream %d for % x items: one byte is due, not 0", k, rest)
	case o.v1 == 0 || o.stopped:
		return nil
	case typ == npmTerminate:
		o.stopped = true
		d.frames = appendClose(d.frames, v1Close, o.v1, omni.CodeCanceled, "terminated by the peer")
		return nil
	}
	o.granted = min(o.granted+uint64(rest[0]), maxTotal)
	payload := binary.BigEndian.AppendUint64(nil, o.granted)
	d.frames = appendFrame(d.frames, v1Request, o.v1, binary.BigEndian.AppendUint64(payload, notCounted))
	return nil
}
