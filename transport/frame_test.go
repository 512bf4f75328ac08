package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

var bg = context.Background()

// stream is a byte stream made of functions; those that are nil do what is harmless.
type stream struct {
	read  func([]byte) (int, error)
	write func([]byte) (int, error)
	close func() error
}

func (s stream) Read(p []byte) (int, error) {
	if s.read == nil {
		return 0, io.EOF
	}
	return s.read(p)
}

func (s stream) Write(p []byte) (int, error) {
	if s.write == nil {
		return len(p), nil
	}
	return s.write(p)
}

func (s stream) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// framed is the wire's form of messages.
func framed(msgs ...string) string {
	var wire []byte
	for _, m := range msgs {
		wire = append(binary.BigEndian.AppendUint32(wire, uint32(len(m))), m...)
	}
	return string(wire)
}

// receiving is a Conn that receives what r reads.
func receiving(r io.Reader) transport.Conn { return transport.Frame(stream{read: r.Read}) }

// A cut anywhere but between two messages is no clean end.
func TestFrameW01Cut(t *testing.T) {
	wire := framed("first", strings.Repeat("x", 40<<10))
	for cut := range len(wire) {
		if cut > 30 && cut < len(wire)-3 && cut%997 != 0 {
			continue // the middle of the long one is all alike
		}
		c := receiving(strings.NewReader(wire[:cut]))
		msg, err := c.Recv(bg)
		if cut >= 9 {
			if string(msg) != "first" || err != nil {
				t.Fatalf("cut at %d: first message: %q, %v", cut, msg, err)
			}
			_, err = c.Recv(bg)
		}
		want := io.ErrUnexpectedEOF
		if cut == 0 || cut == 9 {
			want = io.EOF
		}
		for range 2 { // and again
			if !errors.Is(err, want) || errors.Is(err, io.EOF) != (want == io.EOF) {
				t.Fatalf("cut at %d of %d: %v, want %v", cut, len(wire), err, want)
			}
			_, err = c.Recv(bg)
		}
	}
}

func TestFrameW02EmptyMessage(t *testing.T) {
	c := receiving(strings.NewReader(framed("x", "", "y")))
	if msg, err := c.Recv(bg); string(msg) != "x" || err != nil {
		t.Fatalf("Recv: %q, %v", msg, err)
	}
	for range 2 {
		if _, err := c.Recv(bg); !errors.Is(err, transport.ErrEmpty) {
			t.Errorf("Recv: %v, want ErrEmpty", err)
		}
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A length beyond the limit is refused when it is read: no byte of the message is waited for, and
// no memory is taken.
func TestFrameW03TooLong(t *testing.T) {
	for _, length := range []uint32{transport.DefaultReadLimit + 1, 1 << 31, 1<<32 - 1} {
		here, there := net.Pipe()
		defer there.Close()
		c := transport.Frame(here)
		go there.Write(binary.BigEndian.AppendUint32(nil, length)) // and nothing more
		var err error
		if n := allocated(func() { _, err = c.Recv(bg) }); n > 64<<10 {
			t.Errorf("length %d: %d bytes allocated", length, n)
		}
		var long *transport.TooLongError
		if !errors.As(err, &long) || long.Size != int64(length) || long.Limit != transport.DefaultReadLimit {
			t.Errorf("length %d: %v", length, err)
		}
		c.Close()
	}
}

// Memory follows the bytes that come, not the length that was announced.
func TestFrameW03Announced(t *testing.T) {
	c := receiving(strings.NewReader("\x7f\xff\xff\xff" + strings.Repeat("x", 100<<10)))
	c.(transport.Limiter).SetReadLimit(1<<31 - 1)
	var err error
	if n := allocated(func() { _, err = c.Recv(bg) }); n > 1<<20 {
		t.Errorf("%d bytes allocated for 100 KiB", n)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Recv: %v", err)
	}
}

// A body that does not come holds up neither the other direction nor Close.
func TestFrameN05BodyStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		c := transport.Frame(here)
		received := make(chan error, 1)
		go func() {
			_, err := c.Recv(bg)
			received <- err
		}()
		if _, err := there.Write([]byte(framed("hello")[:6])); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		go c.Send(bg, []byte("x"))
		if _, err := io.ReadFull(there, make([]byte, 5)); err != nil {
			t.Errorf("what is sent meanwhile: %v", err)
		}
		c.Close()
		if err := <-received; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Recv: %v, want ErrClosed", err)
		}
	})
}

func TestFrameN07WriteLies(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		write func([]byte) (int, error)
		want  error
	}{
		"less, no error": {func(p []byte) (int, error) { return len(p) - 1, nil }, io.ErrShortWrite},
		"nothing":        {func([]byte) (int, error) { return 0, nil }, io.ErrShortWrite},
		"more":           {func(p []byte) (int, error) { return len(p) + 1, nil }, io.ErrShortWrite},
		"negative":       {func([]byte) (int, error) { return -1, nil }, io.ErrShortWrite},
		"less, an error": {func([]byte) (int, error) { return 1, broken }, broken},
	} {
		writes := 0
		conn := transport.Frame(stream{write: func(p []byte) (int, error) {
			writes++
			return c.write(p)
		}})
		for range 2 {
			if err := conn.Send(bg, []byte("hello")); !errors.Is(err, c.want) {
				t.Errorf("%s: Send: %v, want %v", name, err, c.want)
			}
		}
		if writes != 1 {
			t.Errorf("%s: written to %d times, nothing may follow a part of a message", name, writes)
		}
	}
}

func TestFrameN08ReadLies(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	wire := framed("one", "two", long, "three")
	for name, r := range map[string]io.Reader{
		"data and EOF at once": iotest.DataErrReader(strings.NewReader(wire)),
		"byte by byte":         iotest.OneByteReader(strings.NewReader(wire)),
		"halves":               iotest.HalfReader(strings.NewReader(wire)),
		"often nothing":        sometimesNothing(strings.NewReader(wire)),
	} {
		c := receiving(r)
		for _, want := range []string{"one", "two", long, "three"} {
			if msg, err := c.Recv(bg); string(msg) != want || err != nil {
				t.Errorf("%s: Recv: %d bytes, %v", name, len(msg), err)
			}
		}
		if _, err := c.Recv(bg); err != io.EOF {
			t.Errorf("%s: Recv at the end: %v, want io.EOF", name, err)
		}
	}

	broken := errors.New("broken")
	for name, c := range map[string]struct {
		read func([]byte) (int, error)
		want error
	}{
		"nothing for ever": {func([]byte) (int, error) { return 0, nil }, io.ErrNoProgress},
		"more than asked":  {func(p []byte) (int, error) { return len(p) + 1, nil }, io.ErrNoProgress},
		"negative":         {func([]byte) (int, error) { return -1, nil }, io.ErrNoProgress},
		"an error":         {func([]byte) (int, error) { return 0, broken }, broken},
		"part, an error":   {func(p []byte) (int, error) { return copy(p, "\x00\x00\x00\x05hel"), broken }, broken},
	} {
		conn := transport.Frame(stream{read: c.read})
		if _, err := conn.Recv(bg); !errors.Is(err, c.want) {
			t.Errorf("%s: Recv: %v, want %v", name, err, c.want)
		}
	}
}

func sometimesNothing(r io.Reader) io.Reader {
	calls := 0
	return stream{read: func(p []byte) (int, error) {
		if calls++; calls%3 != 0 {
			return 0, nil
		}
		return r.Read(p[:min(len(p), 1000)])
	}}
}

// A stream whose Close hangs holds up ours for a second; one whose Close fails says so; and it is
// closed once.
func TestFrameN12Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		defer close(free)
		c := transport.Frame(stream{close: func() error { <-free; return nil }})
		start := time.Now()
		if err := c.Close(); err == nil {
			t.Error("Close of a stream whose Close hangs: nil")
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %v", took)
		}

		broken, closes := errors.New("broken"), 0
		c = transport.Frame(stream{close: func() error { closes++; return broken }})
		if err := c.Close(); !errors.Is(err, broken) {
			t.Errorf("Close: %v, want the stream's error", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if closes != 1 {
			t.Errorf("closed %d times", closes)
		}
	})
}

// One system call reads many small messages.
func TestFrameReadsAhead(t *testing.T) {
	wire, reads := strings.NewReader(strings.Repeat(framed("small message"), 100)), 0
	c := transport.Frame(stream{read: func(p []byte) (int, error) { reads++; return wire.Read(p) }})
	for range 100 {
		if _, err := c.Recv(bg); err != nil {
			t.Fatal(err)
		}
	}
	if reads != 1 {
		t.Errorf("%d reads for 100 messages of 17 bytes", reads)
	}
}

// A message goes out in one Write, since each may become a packet; a long one in pieces of 60 KiB.
func TestFrameWritesOnce(t *testing.T) {
	var wire bytes.Buffer
	writes := 0
	c := transport.Frame(stream{write: func(p []byte) (int, error) { writes++; return wire.Write(p) }})
	if err := c.Send(bg, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	bufs := [][]byte{[]byte("he"), nil, make([]byte, 100<<10)}
	if err := c.(transport.BuffersSender).SendBuffers(bg, bufs); err != nil {
		t.Fatal(err)
	}
	if want := framed("hello", "he"+string(bufs[2])); writes != 3 || wire.String() != want {
		t.Errorf("%d writes of %d bytes, want 3 of %d", writes, wire.Len(), len(want))
	}
}

// Sending and receiving allocate nothing, with a ctx that cannot end.
func TestAllocations(t *testing.T) {
	a, b := transport.Pair()
	pipe := make(chan []byte, 1)
	loop := transport.Frame(stream{ // what is sent is received
		write: func(p []byte) (int, error) { pipe <- p; return len(p), nil },
		read:  func(p []byte) (int, error) { return copy(p, <-pipe), nil },
	})
	msg := make([]byte, 1000)
	for name, ends := range map[string][2]transport.Conn{"Pair": {a, b}, "Frame": {loop, loop}} {
		n := testing.AllocsPerRun(100, func() {
			if err := ends[0].Send(bg, msg); err != nil {
				t.Error(err)
			}
			if _, err := ends[1].Recv(bg); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations for a message", name, n)
		}
	}
}

// 200 connections leave neither a file nor a goroutine behind.
func TestR05D13Files(t *testing.T) {
	for scheme, url := range urls(t) {
		t.Run(scheme, func(t *testing.T) {
			l := listen(t, url)
			a, b := connect(t, l) // what is made once, such as the poller, is there from here on
			closeAll(a, b)
			files, goroutines := openFiles(t), runtime.NumGoroutine()
			for range 10 {
				var conns []transport.Conn
				for range 20 {
					a, b := connect(t, l)
					conns = append(conns, a, b)
				}
				closeAll(conns...)
			}
			for range 1000 {
				if runtime.NumGoroutine() <= goroutines {
					break
				}
				runtime.Gosched() // one that has said that it is done may not have ended
			}
			if n := runtime.NumGoroutine(); n > goroutines+2 {
				t.Errorf("%d goroutines, %d before", n, goroutines)
			}
			if n := openFiles(t); n > files {
				t.Errorf("%d open files, %d before", n, files)
			}
		})
	}
}

func closeAll(conns ...transport.Conn) {
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() { c.Close() })
	}
	wg.Wait()
}

// openFiles counts the process's files where the system shows them.
func openFiles(t *testing.T) int {
	if runtime.GOOS != "linux" {
		return 0
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// Whatever comes, Recv neither panics nor hands out an empty message, and what it hands out is what
// the bytes say.
func FuzzFrame(f *testing.F) {
	f.Add([]byte(framed("hello", "world")))
	f.Add([]byte(framed("hello")[:7]))
	f.Add([]byte(framed("")))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		c := receiving(iotest.DataErrReader(bytes.NewReader(wire)))
		var again []byte
		for {
			msg, err := c.Recv(bg)
			if err != nil {
				if err == io.EOF && !bytes.Equal(again, wire) {
					t.Errorf("a clean end after %d of %d bytes", len(again), len(wire))
				}
				break
			}
			if len(msg) == 0 {
				t.Error("an empty message")
			}
			again = append(again, framed(string(msg))...)
		}
		if !bytes.HasPrefix(wire, again) {
			t.Errorf("%q became %q", wire, again)
		}
	})
}

func TestNilPanics(t *testing.T) {
	a, _ := transport.Pair()
	for name, f := range map[string]func(){
		"Send without a ctx":   func() { a.Send(nil, []byte("x")) },         //lint:ignore SA1012 that is the point
		"Recv without a ctx":   func() { a.Recv(nil) },                      //lint:ignore SA1012 that is the point
		"Dial without a ctx":   func() { transport.Dial(nil, "tcp:", nil) }, //lint:ignore SA1012 that is the point
		"Frame of nil":         func() { transport.Frame(nil) },
		"Handler of nil":       func() { transport.Handler(nil, nil) },
		"a read limit of zero": func() { a.(transport.Limiter).SetReadLimit(0) },
	} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "transport: ") {
					t.Errorf("%s: panic %v, want one that names the package", name, p)
				}
			}()
			f()
		}()
	}
}
