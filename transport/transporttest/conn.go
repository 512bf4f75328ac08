package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/transport"
)

// patience is how long a call may take that is to return at once. It bounds a test that hangs and
// is never waited for by one that does not.
const patience = 30 * time.Second

// TestConn runs the conformance suite as subtests. make returns two ends that are connected to each
// other; the suite closes both. What else make starts is to end by t.Cleanup, and its goroutines
// must not outlive it: the suite counts them.
func TestConn(t *testing.T, make func(t *testing.T) (a, b transport.Conn)) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, transport.Conn, transport.Conn)
	}{
		{"Sizes", testSizes},
		{"Many", testMany},
		{"Ownership", testOwnership},
		{"SendBuffers", testSendBuffers},
		{"Duplex", testDuplex},
		{"Empty", testEmpty},
		{"ReadLimit", testReadLimit},
		{"EndIsEOF", testEndIsEOF},
		{"SentArrives", testSentArrives},
		{"CloseUnblocksRecv", testCloseUnblocksRecv},
		{"CloseUnblocksSend", testCloseUnblocksSend},
		{"PeersCloseUnblocks", testPeersCloseUnblocks},
		{"CloseOften", testCloseOften},
		{"CtxEndedBefore", testCtxEndedBefore},
		{"CtxEndsInRecv", testCtxEndsInRecv},
		{"CtxEndsInSend", testCtxEndsInSend},
		{"CtxEndsAfter", testCtxEndsAfter},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			// The subtest's end runs make's cleanups, so that all that is left is the Conns'.
			t.Run("ends", func(t *testing.T) {
				a, b := make(t)
				c.run(t, a, b)
				closeBoth(t, a, b)
			})
			noneLeft(t, before)
		})
	}
}

// noneLeft fails if there are more goroutines than before. One that has said that it is done may
// still be on its last instructions, so it looks more than once.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(3 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before,
				stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// atOnce runs f, which is to return soon.
func atOnce(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	await(t, what, done)
}

func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s does not return:\n%s", what, stacks[:runtime.Stack(stacks, true)])
	}
}

func closeBoth(t *testing.T, a, b transport.Conn) {
	t.Helper()
	atOnce(t, "Close of both ends", func() {
		var wg sync.WaitGroup
		wg.Go(func() { a.Close() }) // the first Close was looked at where it matters
		wg.Go(func() { b.Close() })
		wg.Wait()
	})
}

// message is n bytes that depend on the seed.
func message(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})
	msg := make([]byte, n)
	r.Read(msg) // never fails
	return msg
}

// want receives msg.
func want(c transport.Conn, msg []byte) error {
	got, err := c.Recv(context.Background())
	if err != nil {
		return fmt.Errorf("receiving %d bytes: %w", len(msg), err)
	}
	if !bytes.Equal(got, msg) {
		return fmt.Errorf("received %d bytes that are not the %d that were sent", len(got), len(msg))
	}
	return nil
}

// exchange sends msgs from a while b receives them.
func exchange(t *testing.T, a, b transport.Conn, msgs ...[]byte) {
	t.Helper()
	atOnce(t, "an exchange", func() {
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, m := range msgs {
				if err := a.Send(context.Background(), m); err != nil {
					t.Errorf("Send of %d bytes: %v", len(m), err)
					return
				}
			}
		})
		for _, m := range msgs {
			if err := want(b, m); err != nil {
				t.Error(err)
				b.Close() // lets Send go
				break
			}
		}
		wg.Wait()
	})
	if t.Failed() {
		t.FailNow()
	}
}

// testSizes: all lengths around the steps that buffers and headers have.
func testSizes(t *testing.T, a, b transport.Conn) {
	var msgs [][]byte
	for _, around := range []int{2, 125, 126, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10} {
		for n := max(1, around-6); n <= around+6; n++ {
			msgs = append(msgs, message(uint64(n), n))
		}
	}
	msgs = append(msgs, message(1, transport.DefaultReadLimit), message(2, 1), message(3, 300<<10))
	exchange(t, a, b, msgs...)
	exchange(t, b, a, msgs...)
}

// testMany: short messages, many to a packet.
func testMany(t *testing.T, a, b transport.Conn) {
	var msgs [][]byte
	for i := range 3000 {
		msgs = append(msgs, message(uint64(i), 1+i%200))
	}
	exchange(t, a, b, msgs...)
}

// testOwnership: Send keeps nothing, and what Recv returned is the caller's until the next Recv.
func testOwnership(t *testing.T, a, b transport.Conn) {
	for _, n := range []int{10, 20 << 10, 100 << 10} {
		atOnce(t, "Send and Recv", func() {
			var wg sync.WaitGroup
			wg.Go(func() {
				buf := make([]byte, n)
				for i := range 6 {
					copy(buf, message(uint64(i), n))
					if err := a.Send(context.Background(), buf); err != nil {
						t.Errorf("Send: %v", err)
						return
					}
					clear(buf)
				}
			})
			for i := range 6 {
				got, err := b.Recv(context.Background())
				if err != nil {
					t.Errorf("Recv: %v", err)
					break
				}
				// What the peer sends meanwhile, and what goes out here, leave it alone.
				sent := make(chan error, 1)
				go func() { sent <- b.Send(context.Background(), message(99, n)) }()
				if err := want(a, message(99, n)); err != nil {
					t.Error(err)
				}
				if err := <-sent; err != nil {
					t.Errorf("Send back: %v", err)
				}
				if !bytes.Equal(got, message(uint64(i), n)) {
					t.Errorf("message %d of %d bytes changed after Recv", i, n)
				}
				clear(got) // it is ours to write to as well
			}
			wg.Wait()
		})
		if t.Failed() {
			t.FailNow()
		}
	}
}

// testSendBuffers: pieces arrive as the message that they are, and stay as they were.
func testSendBuffers(t *testing.T, a, b transport.Conn) {
	s, ok := a.(transport.BuffersSender)
	if !ok {
		return // it is optional
	}
	for i, lens := range [][]int{
		{5}, {0, 1, 0}, {9, 100, 9, 100}, {9, 64 << 10}, {300 << 10, 9, 20}, make([]int, 3000),
	} {
		var bufs, copies [][]byte
		for j, n := range lens {
			if len(lens) == 3000 {
				n = j % 20
			}
			bufs = append(bufs, message(uint64(i*100+j), n))
			copies = append(copies, bytes.Clone(bufs[j]))
		}
		atOnce(t, "SendBuffers", func() {
			sent := make(chan error, 1)
			go func() { sent <- s.SendBuffers(context.Background(), bufs) }()
			if err := want(b, bytes.Join(copies, nil)); err != nil {
				t.Error(err)
				b.Close()
			}
			if err := <-sent; err != nil {
				t.Errorf("SendBuffers: %v", err)
			}
		})
		for j := range bufs {
			if !bytes.Equal(bufs[j], copies[j]) {
				t.Fatalf("SendBuffers changed piece %d of %d", j, len(bufs))
			}
		}
	}
}

// testDuplex: both ends send and receive at once.
func testDuplex(t *testing.T, a, b transport.Conn) {
	const messages = 200
	size := func(i int) int { return 1 + (i*i*37)%(90<<10) }
	atOnce(t, "full duplex", func() {
		var wg sync.WaitGroup
		for seed, c := range map[uint64]transport.Conn{1: a, 2: b} {
			wg.Go(func() {
				for i := range messages {
					if err := c.Send(context.Background(), message(seed*1000+uint64(i), size(i))); err != nil {
						t.Errorf("Send %d: %v", i, err)
						return
					}
				}
			})
			wg.Go(func() {
				for i := range messages {
					if err := want(c, message((3-seed)*1000+uint64(i), size(i))); err != nil {
						t.Errorf("%d: %v", i, err)
						c.Close()
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// testEmpty: there is no empty message, and the attempt does no harm.
func testEmpty(t *testing.T, a, b transport.Conn) {
	if err := a.Send(context.Background(), nil); !errors.Is(err, transport.ErrEmpty) {
		t.Errorf("Send of nothing: %v, want ErrEmpty", err)
	}
	if s, ok := a.(transport.BuffersSender); ok {
		if err := s.SendBuffers(context.Background(), [][]byte{{}, nil}); !errors.Is(err, transport.ErrEmpty) {
			t.Errorf("SendBuffers of nothing: %v, want ErrEmpty", err)
		}
	}
	exchange(t, a, b, message(1, 1))
}

// testReadLimit: the limit itself passes; one byte more ends the receiving half and nothing else.
func testReadLimit(t *testing.T, a, b transport.Conn) {
	l, ok := b.(transport.Limiter)
	if !ok {
		return // it is optional
	}
	for _, limit := range []int{2 << 20, 100} {
		l.SetReadLimit(limit)
		exchange(t, a, b, message(1, limit))
	}
	atOnce(t, "a message beyond the limit", func() {
		var wg sync.WaitGroup
		wg.Go(func() {
			// Whether these fail depends on when the transport learns that the peer is done.
			_ = a.Send(context.Background(), message(2, 101))
			_ = a.Send(context.Background(), message(3, 100))
		})
		var long *transport.TooLongError
		_, err := b.Recv(context.Background())
		if !errors.As(err, &long) || long.Limit != 100 || long.Size <= 100 {
			t.Errorf("Recv of 101 bytes: %v, want a TooLongError for 100", err)
		}
		// The other half works still: the peer can be told.
		wg.Go(func() {
			if err := b.Send(context.Background(), []byte("too long")); err != nil {
				t.Errorf("Send after it: %v", err)
			}
		})
		if err := want(a, []byte("too long")); err != nil {
			t.Errorf("peer: %v", err)
		}
		// Recv only drops, until the peer ends.
		wg.Go(func() {
			if _, again := b.Recv(context.Background()); !errors.As(again, &long) {
				t.Errorf("Recv after it: %v, want the same error", again)
			}
		})
		_ = a.Close()
		wg.Wait()
	})
}

// testEndIsEOF: what was sent before a Close arrives, then io.EOF, and io.EOF again.
func testEndIsEOF(t *testing.T, a, b transport.Conn) {
	atOnce(t, "a clean end", func() {
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 5 {
				if err := a.Send(context.Background(), message(uint64(i), 1000)); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
			if err := a.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		for i := range 5 {
			if err := want(b, message(uint64(i), 1000)); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			if _, err := b.Recv(context.Background()); err != io.EOF {
				t.Errorf("Recv after the peer's Close: %v, want io.EOF", err)
			}
		}
		wg.Wait()
	})
}

// testSentArrives: what Send took arrives, although Close came in the middle of it all.
func testSentArrives(t *testing.T, a, b transport.Conn) {
	atOnce(t, "Close beside Send", func() {
		var wg sync.WaitGroup
		sent, going := 0, make(chan struct{})
		wg.Go(func() {
			for a.Send(context.Background(), message(uint64(sent), 100)) == nil {
				if sent++; sent == 50 {
					close(going)
				}
			}
		})
		wg.Go(func() {
			<-going
			_ = a.Close() // a message that it cut off is none that was sent
		})
		received := 0
		for want(b, message(uint64(received), 100)) == nil {
			received++
		}
		wg.Wait()
		if received < sent {
			t.Errorf("%d of %d messages arrived", received, sent)
		}
	})
}
