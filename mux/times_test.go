package mux

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// halves are options with limits of which no two are equal.
func halves() *Options {
	return &Options{
		KeepAlive: 2 * time.Second, KeepAliveTimeout: 3 * time.Second,
		MessageTimeout: 7 * time.Second, WriteTimeout: 11 * time.Second,
	}
}

// overPipe is a session with those options over net.Pipe after the handshake,
// and the peer's end of the pipe, which the test reads and writes byte by byte.
func overPipe(t *testing.T, opt *Options) (*Session, net.Conn) {
	t.Helper()
	ca, cb := net.Pipe()
	s := start(t, transport.Frame(ca), opt)
	t.Cleanup(func() { cb.Close(); s.Close() })
	head := make([]byte, 4)
	_, err := io.ReadFull(cb, head)
	must(t, err)
	_, err = io.CopyN(io.Discard, cb, int64(binary.BigEndian.Uint32(head)))
	must(t, err)
	_, err = cb.Write(framed(wHello(1<<20, 4, 4, 1<<20, "")))
	must(t, err)
	return s, cb
}

func framed(frames ...rawFrame) []byte {
	msg := join(frames...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)
}

// overAfter waits for the session's end, which must come after exactly d, for
// what was late.
func overAfter(t *testing.T, s *Session, started time.Time, d time.Duration, late lateness) {
	t.Helper()
	s.mu.Lock()
	ended := s.e.ended.wait() // nobody else does
	s.mu.Unlock()
	<-ended
	took := time.Since(started)
	<-s.Done()
	wantIs(t, "Err", s.Err(), omni.ErrTimeout)
	if took != d || s.e.lateness != late {
		t.Fatalf("over after %v for %d, want %v for %d: %v", took, s.e.lateness, d, late, s.Err())
	}
}

func wantAlive(t *testing.T, s *Session) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.e.over {
		t.Fatal(s.e.err)
	}
}

// TestN05MessageTimeout: a message that comes a byte at a time is life, and
// must still be complete in MessageTimeout, to the nanosecond.
func TestN05MessageTimeout(t *testing.T) {
	msg := framed(wPing(1), wPing(2), wPing(3))
	for _, enough := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, peer := overPipe(t, halves())
			go io.Copy(io.Discard, peer)
			time.Sleep(time.Second / 3) // any phase of the timer
			started := time.Now()
			for i, b := range msg[:7] {
				if i > 0 {
					time.Sleep(time.Second)
				}
				_, err := peer.Write([]byte{b})
				must(t, err)
			}
			if !enough {
				overAfter(t, s, started, 7*time.Second, lateMessage)
				return
			}
			time.Sleep(time.Second - 1)
			_, err := peer.Write(msg[7:])
			must(t, err)
			time.Sleep(time.Second)
			synctest.Wait()
			wantAlive(t, s)
		})
	}
}

// TestN03BytesAreLife: any byte breaks the silence, and from the last one on
// the keepalive's two times run, to the nanosecond.
func TestN03BytesAreLife(t *testing.T) {
	opt := halves()
	opt.MessageTimeout = time.Hour
	synctest.Test(t, func(t *testing.T) {
		s, peer := overPipe(t, opt)
		go io.Copy(io.Discard, peer)
		msg := framed(wPing(1))
		for i, pause := range []time.Duration{1, 1999 * time.Millisecond, 2 * time.Second, 4999 * time.Millisecond} {
			time.Sleep(pause)
			_, err := peer.Write(msg[i : i+1])
			must(t, err)
		}
		overAfter(t, s, time.Now(), 5*time.Second, latePong)
	})
}

// TestF13WriteTimeout: a peer that says much and reads nothing is given up
// after WriteTimeout, one that reads a little now and then is not.
func TestF13WriteTimeout(t *testing.T) {
	for _, reads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, peer := overPipe(t, halves())
			quit := make(chan struct{})
			talking := make(chan struct{})
			go func() { // it lives
				defer close(talking)
				for {
					if _, err := peer.Write(framed(rawFrame{200, 0, ""})); err != nil {
						return
					}
					select {
					case <-time.After(time.Second):
					case <-quit:
						return
					}
				}
			}()
			defer func() { close(quit); peer.Close(); <-talking }()
			time.Sleep(time.Second / 7)
			started := time.Now()
			c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
			must(t, c.Write(t.Context(), make([]byte, 500<<10)))
			if !reads {
				overAfter(t, s, started, 11*time.Second, lateWrite)
				return
			}
			// A piece of 60 KiB in 10 s: 80 s in all.
			for range 8 {
				time.Sleep(10 * time.Second)
				_, err := io.CopyN(io.Discard, peer, 60<<10)
				must(t, err)
			}
			synctest.Wait()
			wantAlive(t, s)
		})
	}
}

// TestK04PingBehindALongMessage: a PING that waits behind a long message is
// not counted against the peer as long as the message moves.
func TestK04PingBehindALongMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := overPipe(t, halves())
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		readOpen(t, peer)
		must(t, c.Write(t.Context(), make([]byte, 500<<10)))
		var moved time.Time
		for range 8 {
			time.Sleep(2500 * time.Millisecond) // 20 s of silence
			_, err := io.CopyN(io.Discard, peer, 60<<10)
			must(t, err)
			synctest.Wait()
			moved = time.Now()
			wantAlive(t, s)
		}
		overAfter(t, s, moved, 3*time.Second, latePong)
	})
}

// TestK04PingInALongMessage: nor is one in a message that still moves.
func TestK04PingInALongMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := overPipe(t, halves())
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		synctest.Wait() // OPEN has a message of its own
		for range 4 {
			must(t, c.Write(t.Context(), make([]byte, 25_000)))
		}
		time.Sleep(2500 * time.Millisecond) // PING is due since half a second
		readOpen(t, peer)
		time.Sleep(2400 * time.Millisecond)
		_, err := io.CopyN(io.Discard, peer, 60<<10)
		must(t, err)
		overAfter(t, s, time.Now(), 3*time.Second, latePong)
	})
}

// readOpen reads the message with an OPEN without metadata.
func readOpen(t *testing.T, peer net.Conn) {
	t.Helper()
	_, err := io.ReadFull(peer, make([]byte, len(framed(wOpen(1, "")))))
	must(t, err)
}

// TestD11Linger: a session that is over waits a second for the peer to close
// the connection, and no longer.
func TestD11Linger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := overPipe(t, halves())
		go io.Copy(io.Discard, peer)
		started := time.Now()
		s.Close()
		if took := time.Since(started); took != lingerTime {
			t.Fatalf("Close took %v", took)
		}
	})
}

// TestN03PingsOfTheApplication: PINGs that the application sends meanwhile do
// not put off the end of a silent peer.
func TestN03PingsOfTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := overPipe(t, halves())
		go io.Copy(io.Discard, peer)
		started := time.Now()
		var pinging sync.WaitGroup
		defer pinging.Wait()
		pinging.Go(func() {
			for range 30 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				s.Ping(ctx)
				<-ctx.Done()
				cancel()
			}
			s.Close()
		})
		overAfter(t, s, started, 5*time.Second, latePong)
	})
}

// TestF13WriteTimeoutOfAPeerThatSpeaks: a sign of life, after a PING, does not
// put off the other limits.
func TestF13WriteTimeoutOfAPeerThatSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, peer := gated(t)
		started := time.Now()
		noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		time.AfterFunc(29*time.Second, func() {
			peer.Send(context.Background(), join(rawFrame{200, 0, ""}))
		})
		s.mu.Lock()
		ended := s.e.ended.wait()
		s.mu.Unlock()
		<-ended
		if took := time.Since(started); took != 30*time.Second {
			t.Fatalf("over after %v: %v", took, s.e.err)
		}
	})
}

// TestN05MessageTimeoutAfterPong: the same of a message that begins behind a
// PONG.
func TestN05MessageTimeoutAfterPong(t *testing.T) {
	opt := &Options{KeepAlive: time.Minute, KeepAliveTimeout: time.Minute, MessageTimeout: 5 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		s, peer := overPipe(t, opt)
		go io.Copy(io.Discard, peer)
		time.Sleep(61 * time.Second)
		_, err := peer.Write(framed(wPong(1)))
		must(t, err)
		started := time.Now()
		_, err = peer.Write([]byte{0})
		must(t, err)
		time.AfterFunc(4*time.Second, func() { peer.Write([]byte{0}) })
		overAfter(t, s, started, 5*time.Second, lateMessage)
	})
}
