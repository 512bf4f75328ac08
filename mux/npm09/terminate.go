package npm09

import (
	"time"

	"omnistreams.dev/omni"
)

// codeTerminate asks for TERMINATE. It is the application's in version 1, and
// never on the wire here.
const codeTerminate omni.Code = 0x6e706d09

// grace is how long an END that may be on its way is waited for.
const grace = 100 * time.Millisecond

// Terminating returns p, a stream of a session, with another Cancel: it sends
// TERMINATE, which tells the writer and frees its stream, unless END comes
// within a tenth of a second. A Node peer whose END crosses it all the same
// dies: it is for streams that are known not to end by themselves. For
// mux.Reuse call that first.
func Terminating(p *omni.Producer[[]byte]) *omni.Producer[[]byte] {
	return omni.NewProducer[[]byte](terminating{p.Source()})
}

type terminating struct{ omni.Source[[]byte] }

// Cancel implements omni.Source.
func (t terminating) Cancel(err error) {
	t.Source.Cancel(&omni.StreamError{Code: codeTerminate, Reason: "terminated", Cause: err})
}

// terminate lets a stream of the peer be terminated soon.
func (d *dialect) terminate(stream uint32) {
	if _, lives := d.peers[stream]; !lives {
		return // its END came
	}
	time.AfterFunc(grace, func() {
		d.mu.Lock()
		d.due = append(d.due, stream)
		d.mu.Unlock()
		d.wake()
	})
}

// takeDue appends what TERMINATE is due, which the peer answers by silence.
func (d *dialect) takeDue(msgs [][]byte) (out [][]byte, answer []byte) {
	d.mu.Lock()
	due := d.due
	d.due = nil
	d.mu.Unlock()
	for _, stream := range due {
		k, lives := d.peers[stream]
		if !lives {
			continue
		}
		delete(d.peers, stream)
		t := &d.theirs[k]
		*t = theirStream{ignored: true, stray: t.stray + t.granted - t.received}
		delete(d.ahead, stream)
		msgs = append(msgs, []byte{npmTerminate, k})
		answer = appendClose(answer, v1Fail, stream, omni.CodeCanceled, "")
	}
	return msgs, answer
}
