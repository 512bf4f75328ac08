package npm09

import (
	"encoding/binary"
	"fmt"

	"omnistreams.dev/omni"
)

// Decode implements mux.Dialect.
func (d *dialect) Decode(msg []byte) ([]byte, error) {
	switch {
	case len(msg) > v1Header && string(msg[v1Header:min(len(msg), v1Header+4)]) == "OMNI" && msg[0] == v1Hello:
		return nil, fmt.Errorf("npm09: the peer speaks omni.1, not the protocol of npm's omnistreams 0.9")
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
		*t = theirStream{ignored: true, stray: t.stray}
		return nil
	case typ == npmCreate:
		d.opened++
		*t = theirStream{v1: d.opened, stray: t.stray}
		d.peers[d.opened] = k
		d.frames = appendFrame(d.frames, v1Open, d.opened, append(make([]byte, v1OpenSize), rest...))
		return nil
	case t.ignored:
		return nil
	case t.v1 == 0:
		return fmt.Errorf("npm09: a frame of type %d for stream %d, which does not live", typ, k)
	case typ == npmData && t.received >= t.granted && t.stray > 0:
		t.stray--
		e := d.ahead[t.v1]
		if e == nil {
			e = &early{granted: t.granted}
			d.ahead[t.v1] = e
		}
		e.items = append(e.items, append([]byte(nil), rest...))
		return nil
	case typ == npmData:
		t.received++
		d.frames = appendFrame(d.frames, v1Data, t.v1, rest)
		return nil
	case len(rest) > 0:
		return fmt.Errorf("npm09: END of stream %d with %d bytes behind it", k, len(rest))
	}
	if e := d.ahead[t.v1]; e != nil {
		e.ended = true // behind what came early
	} else {
		d.frames = appendFrame(d.frames, v1End, t.v1, nil)
	}
	delete(d.peers, t.v1)
	*t = theirStream{stray: t.stray + t.granted - t.received}
	return nil
}

// late appends the DATA and END that a stream sent early, now that it may have
// sent that many items, and returns how many they were.
func (d *dialect) late(answer []byte, stream uint32, total uint64) ([]byte, uint64) {
	e := d.ahead[stream]
	if e == nil || total <= e.granted {
		return answer, 0
	}
	n := min(total-e.granted, uint64(len(e.items)))
	for _, item := range e.items[:n] {
		answer = appendFrame(answer, v1Data, stream, item)
	}
	e.items, e.granted = e.items[n:], e.granted+n
	if len(e.items) > 0 {
		return answer, n
	}
	return d.dropEarly(answer, stream), n
}

// dropEarly forgets what a stream sent early, but for its end.
func (d *dialect) dropEarly(answer []byte, stream uint32) []byte {
	if e := d.ahead[stream]; e != nil && e.ended {
		answer = appendFrame(answer, v1End, stream, nil)
	}
	delete(d.ahead, stream)
	return answer
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
		return fmt.Errorf("npm09: REQUEST on stream %d for % x items: one byte of 1 to 255 is due (a Node peer that asks for 256 says 0)", k, rest)
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
