package npm09

import (
	"encoding/binary"

	"omnistreams.dev/omni"
)

// Encode implements mux.Dialect.
func (d *dialect) Encode(msgs [][]byte, frames []byte) ([][]byte, []byte, error) {
	msgs = d.takeControl(msgs)
	msgs, answer := d.takeDue(msgs)
	for len(frames) >= v1Header {
		n := v1Header + int(binary.BigEndian.Uint32(frames[5:]))
		frame := frames[:n:n]
		frames = frames[n:]
		var err error
		if msgs, answer, err = d.encode(msgs, answer, frame); err != nil {
			return msgs, answer, err
		}
	}
	return msgs, answer, nil
}

// encode translates one frame. Where the message is a part of it, it is made
// there: what is in front of a payload is longer in version 1.
func (d *dialect) encode(msgs [][]byte, answer, frame []byte) ([][]byte, []byte, error) {
	stream, payload := binary.BigEndian.Uint32(frame[1:]), frame[v1Header:]
	if stream == 0 {
		return msgs, d.session(answer, frame[0], payload), nil
	}
	switch frame[0] {
	case v1Open:
		if payload[0] != 0 {
			panic("BUG: npm09: a call, which the session refuses")
		}
		return append(msgs, inPlace(frame, v1Header+v1OpenSize, npmCreate, d.open(stream))), answer, nil
	case v1Data:
		return append(msgs, inPlace(frame, v1Header, npmData, d.number[stream])), answer, nil
	case v1End:
		msgs = append(msgs, inPlace(frame, v1Header, npmEnd, d.number[stream]))
		d.release(stream)
		// There is no receipt: all is taken to have arrived.
		return msgs, appendClose(answer, v1Close, stream, omni.CodeDone, ""), nil
	case v1Fail:
		if !d.ours[d.number[stream]].stopped {
			return msgs, answer, &omni.StreamError{Code: omni.CodeCanceled, Reason: "a stream of the session was canceled", Cause: ErrCanceled}
		}
		d.release(stream) // TERMINATE is answered by silence
	case v1Request:
		msgs, answer = d.request(msgs, answer, stream, binary.BigEndian.Uint64(payload))
	case v1Close:
		answer = d.dropEarly(answer, stream)
		if code := omni.Code(binary.BigEndian.Uint32(payload)); code == codeTerminate {
			d.terminate(stream)
		}
	}
	return msgs, answer, nil
}

// inPlace makes a message of what frame has from i on, with two bytes put in
// front of it.
func inPlace(frame []byte, i int, typ byte, number uint8) []byte {
	frame[i-2], frame[i-1] = typ, number
	return frame[i-2:]
}

// session answers what is said on stream 0 as a peer of version 1 would.
func (d *dialect) session(answer []byte, typ byte, payload []byte) []byte {
	switch typ {
	case v1Hello:
		hello := append([]byte("OMNI"), 1)
		hello = binary.BigEndian.AppendUint32(hello, maxItem)
		hello = binary.BigEndian.AppendUint32(hello, numbers)
		hello = binary.BigEndian.AppendUint32(hello, 0) // no credit before it was asked for
		hello = binary.BigEndian.AppendUint32(hello, 0)
		return appendFrame(answer, v1Hello, 0, hello)
	case v1Ping:
		return appendFrame(answer, v1Pong, 0, payload)
	case v1End:
		// The peer cannot be told, so what it opens from now on is not
		// looked at.
		d.ending = true
		return appendFrame(answer, v1End, 0, nil)
	case v1Fail:
		return appendClose(answer, v1Fail, 0, omni.CodeDone, "")
	}
	return answer
}

// open gives a new stream of ours a number. There is one: the peer's HELLO
// says how many streams may live at a time.
func (d *dialect) open(stream uint32) uint8 {
	k := d.free[0]
	d.free = d.free[1:]
	d.ours[k] = ourStream{v1: stream, used: true}
	d.number[stream] = k
	return k
}

// release gives a stream's number back.
func (d *dialect) release(stream uint32) {
	k := d.number[stream]
	delete(d.number, stream)
	d.ours[k] = ourStream{used: true}
	d.free = append(d.free, k)
}

// request says what a total says, in portions of what a byte holds. What has
// come early need not be asked for.
func (d *dialect) request(msgs [][]byte, answer []byte, stream uint32, total uint64) ([][]byte, []byte) {
	k, lives := d.peers[stream]
	if !lives { // it has ended, but for what came early
		answer, _ = d.late(answer, stream, total)
		return msgs, answer
	}
	t := &d.theirs[k]
	answer, came := d.late(answer, stream, total)
	t.granted += came
	t.received += came
	for t.granted < total {
		n := min(total-t.granted, maxCredit)
		t.granted += n
		msgs = append(msgs, []byte{npmRequest, k, byte(n)})
	}
	return msgs, answer
}
