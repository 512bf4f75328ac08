package laws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
	"pgregory.net/rapid"
)

// drawFrame draws a frame that means something, or nearly.
func drawFrame(t *rapid.T) frame {
	some := rapid.SampledFrom([]uint64{0, 1, 2, 3, 255, 1 << 31, 1<<32 - 1, 1<<53 - 1, 1 << 53, 1<<64 - 1})
	return frame{
		typ:     frameType(rapid.OneOf(rapid.ByteRange(0, 9), rapid.Byte()).Draw(t, "type")),
		stream:  uint32(some.Draw(t, "stream")),
		version: rapid.Byte().Draw(t, "version"),
		maxItem: uint32(some.Draw(t, "max item")),
		streams: uint32(some.Draw(t, "streams")),
		items:   some.Draw(t, "items"),
		bytes:   some.Draw(t, "bytes"),
		kind:    rapid.ByteRange(0, 3).Draw(t, "kind"),
		answers: uint32(some.Draw(t, "answers")),
		code:    uint32(some.Draw(t, "code")),
		rest:    rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "rest"),
	}
}

// drawMessage draws a message: frames, perhaps with some bytes changed, or cut.
func drawMessage(t *rapid.T) []byte {
	var msg []byte
	for range rapid.IntRange(0, 3).Draw(t, "frames") {
		f := drawFrame(t)
		msg = f.append(msg)
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "changes") {
		if len(msg) > 0 {
			at := rapid.IntRange(0, len(msg)-1).Draw(t, "at")
			msg[at] = rapid.Byte().Draw(t, "byte")
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "cut?") == 0 {
		msg = msg[:rapid.IntRange(0, len(msg)).Draw(t, "cut")]
	}
	return append(msg, rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "tail")...)
}

// opening is a peer's first message: HELLO, a one-way stream and a call.
func opening() []byte {
	var msg []byte
	for _, f := range []frame{
		{typ: hello, version: 1, maxItem: 1000, streams: 10, items: 5, bytes: 1000},
		{typ: open, stream: 1},
		{typ: open, stream: 2, kind: 1},
		{typ: data, stream: 1, rest: []byte("item")},
	} {
		msg = f.append(msg)
	}
	return msg
}

// Whatever a peer sends, nothing panics, every call returns, the session ends
// and says so to the peer unless the peer ended it; and no stream ends
// cleanly that was not ended.
func TestL10MalformedIsAnError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var msgs [][]byte
		if rapid.Bool().Draw(t, "greets") {
			msgs = append(msgs, opening())
		}
		for range rapid.IntRange(1, 4).Draw(t, "messages") {
			if msg := drawMessage(t); len(msg) > 0 {
				msgs = append(msgs, msg)
			}
		}
		var complaints []string
		rapid.SyncTest(t, func(*rapid.T) { complaints = attack(msgs) })
		for _, c := range complaints {
			t.Errorf("%s", c)
		}
	})
}

// The same for what chance may miss: each type of frame with each payload that
// may be too short for it.
func TestL10ShortFramesAreErrors(t *testing.T) {
	for typ := range byte(9) {
		for n := range 22 {
			for _, stream := range []byte{0, 1} {
				msg := append([]byte{typ, 0, 0, 0, stream, 0, 0, 0, byte(n)}, make([]byte, n)...)
				synctest.Test(t, func(t *testing.T) {
					for _, c := range attack([][]byte{opening(), msg}) {
						t.Errorf("type %d on stream %d with %d bytes: %s", typ, stream, n, c)
					}
				})
			}
		}
	}
}

// attack sends msgs to a session that has an application, and returns what is
// wrong with how that ended.
func attack(msgs [][]byte) (complaints []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	peer, conn := transport.Pair()
	s, err := mux.New(conn, &mux.Options{Prefetch: 4, MaxItem: 1000, MaxStreams: 3})
	if err != nil {
		return []string{err.Error()}
	}
	app := serve(ctx, s)
	var last *frame // of the session
	var reading sync.WaitGroup
	reading.Go(func() { last = lastFrame(ctx, peer) })
	for _, msg := range msgs {
		if peer.Send(ctx, msg) != nil {
			break // the session is over
		}
	}
	// What was no error is one now: an item on a stream that never was.
	bad := frame{typ: data, stream: 1 << 30}
	_ = peer.Send(ctx, bad.append(nil)) // it may be over
	reading.Wait()
	_ = peer.Close()
	<-s.Done()
	app.Wait()
	switch {
	case s.Err() == nil && last.typ != fail && !goodbye(msgs):
		complaints = append(complaints, "the session ended without an error")
	case s.Err() == nil && last.typ != fail:
		// A peer that leaves while no stream lives need not be answered.
	case last == nil || last.typ != fail || last.stream != 0:
		var se *omni.StreamError
		if !errors.As(s.Err(), &se) || !se.Remote { // else the peer said FAIL itself
			complaints = append(complaints, "the session's last word was no FAIL on stream 0: "+s.Err().Error())
		}
	case last.code == 0 && s.Err() != nil:
		complaints = append(complaints, "FAIL on stream 0 with code 0, and the session's error is "+s.Err().Error())
	}
	return complaints
}

// goodbye reports whether FAIL on stream 0 with code 0 may be among msgs.
func goodbye(msgs [][]byte) bool {
	for _, msg := range msgs {
		if i := bytes.Index(msg, []byte{byte(fail), 0, 0, 0, 0}); i >= 0 && bytes.HasPrefix(msg[min(i+9, len(msg)):], make([]byte, 4)) {
			return true
		}
	}
	return false
}

// serve is an application that uses all that there is, until the session is over.
func serve(ctx context.Context, s *mux.Session) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.Serve(ctx, func(ctx context.Context, in *mux.Incoming) error { // its error is the session's
			if !in.IsCall() {
				_, err := omni.Collect(ctx, in.Producer())
				return err
			}
			c, err := in.Reply(ctx, nil)
			if err != nil {
				return err
			}
			return in.Producer().Pipe(ctx, c)
		})
	})
	wg.Go(func() {
		d, err := s.Call(ctx, []byte("call"))
		if err != nil {
			return
		}
		_ = d.Out.Write(ctx, []byte("question")) // the end of the session ends it
		for err == nil {
			_, err = d.In.Next(ctx)
		}
	})
	return &wg
}

// lastFrame receives until the transport ends, and returns the last frame.
func lastFrame(ctx context.Context, conn transport.Conn) *frame {
	last := &frame{typ: 255}
	for {
		msg, err := conn.Recv(ctx)
		if err != nil {
			if err != io.EOF {
				last.typ = 254
			}
			return last
		}
		fs, err := parseMessage(msg)
		if err != nil {
			return &frame{typ: 253}
		}
		last = &fs[len(fs)-1]
	}
}
