package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // fuzzing has goroutines of its own
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		fmt.Fprintf(os.Stderr, "%d goroutines are left, %d were there before:\n%s", n, before, stacks)
		code = max(code, 1)
	}
	os.Exit(code)
}

// must fails the test if err is not nil.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantIs fails the test if err is not target.
func wantIs(t testing.TB, why string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%s: error %v, want %v", why, err, target)
	}
}

// wantPanic fails the test if f does not panic.
func wantPanic(t testing.TB, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not panic", name)
		}
	}()
	f()
}

// rawFrame is a frame as the tests make and read it, by code of their own:
// a mistake in the engine's does not hide itself.
type rawFrame struct {
	typ     byte
	stream  uint32
	payload string
}

func (f rawFrame) append(b []byte) []byte {
	b = append(b, f.typ)
	b = binary.BigEndian.AppendUint32(b, f.stream)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.payload)))
	return append(b, f.payload...)
}

func (f rawFrame) String() string {
	p := f.payload
	u32 := func(i int) uint32 { return binary.BigEndian.Uint32([]byte(p[i:])) }
	u64 := func(i int) uint64 { return binary.BigEndian.Uint64([]byte(p[i:])) }
	name := fmt.Sprintf("type %d", f.typ)
	if int(f.typ) < len(frameNames) {
		name = frameNames[f.typ]
	}
	switch {
	case f.typ == 0 && len(p) >= 21:
		return fmt.Sprintf("HELLO %d %.4q v%d max_item %d streams %d items %d bytes %d %.40q", f.stream, p, p[4], u32(5), u32(9), u32(13), u32(17), p[21:])
	case f.typ == 1 && len(p) >= 5:
		return fmt.Sprintf("OPEN %d kind %d answers %d %.40q", f.stream, p[0], u32(1), p[5:])
	case (f.typ == 4 || f.typ == 6) && len(p) >= 4:
		return fmt.Sprintf("%s %d code %d %.120q", name, f.stream, u32(0), p[4:])
	case f.typ == 5 && len(p) == 16:
		return fmt.Sprintf("REQUEST %d items %d bytes %d", f.stream, u64(0), u64(8))
	}
	return fmt.Sprintf("%s %d (%d bytes) %.40q", name, f.stream, len(p), p)
}

// code is that of a FAIL or CLOSE.
func (f rawFrame) code() omni.Code {
	return omni.Code(binary.BigEndian.Uint32([]byte(f.payload)))
}

func u32s(vs ...uint32) string {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return string(b)
}

func u64s(vs ...uint64) string {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return string(b)
}

func wHello(maxItem, streams, items, bytes uint32, metadata string) rawFrame {
	return rawFrame{0, 0, "OMNI\x01" + u32s(maxItem, streams, items, bytes) + metadata}
}

func wOpen(stream uint32, metadata string) rawFrame {
	return rawFrame{1, stream, "\x00" + u32s(0) + metadata}
}

func wCall(stream uint32, metadata string) rawFrame {
	return rawFrame{1, stream, "\x01" + u32s(0) + metadata}
}

func wAnswer(stream, call uint32, metadata string) rawFrame {
	return rawFrame{1, stream, "\x02" + u32s(call) + metadata}
}

func wData(stream uint32, item string) rawFrame { return rawFrame{2, stream, item} }

func wEnd(stream uint32) rawFrame { return rawFrame{3, stream, ""} }

func wFail(stream uint32, code omni.Code, reason string) rawFrame {
	return rawFrame{4, stream, u32s(uint32(code)) + reason}
}

func wRequest(stream uint32, items, bytes uint64) rawFrame {
	return rawFrame{5, stream, u64s(items, bytes)}
}

func wClose(stream uint32, code omni.Code, reason string) rawFrame {
	return rawFrame{6, stream, u32s(uint32(code)) + reason}
}

func wPing(n uint64) rawFrame { return rawFrame{7, 0, u64s(n)} }

func wPong(n uint64) rawFrame { return rawFrame{8, 0, u64s(n)} }

// join makes one message of frames.
func join(frames ...rawFrame) []byte {
	var msg []byte
	for _, f := range frames {
		msg = f.append(msg)
	}
	return msg
}

// split takes a message apart.
func split(msg []byte) (frames []rawFrame, err error) {
	if len(msg) == 0 {
		return nil, errors.New("an empty message")
	}
	for len(msg) > 0 {
		if len(msg) < 9 || uint64(len(msg)-9) < uint64(binary.BigEndian.Uint32(msg[5:])) {
			return frames, fmt.Errorf("a cut frame: %.40x", msg)
		}
		n := 9 + int(binary.BigEndian.Uint32(msg[5:]))
		frames = append(frames, rawFrame{msg[0], binary.BigEndian.Uint32(msg[1:]), string(msg[9:n])})
		msg = msg[n:]
	}
	return frames, nil
}

// noErr is a call's result without its error.
func noErr[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// canary moves a few items over two fresh sessions and shuts them down: what
// happened to another session has not hurt the process.
func canary(t testing.TB) {
	t.Helper()
	a, b := pair(t, nil)
	c := noErr[*omni.Consumer[[]byte]](t)(a.Open(t.Context(), []byte("canary")))
	for i := range 3 {
		must(t, c.Write(t.Context(), []byte{byte(i)}))
	}
	must(t, c.End())
	in := noErr[*Incoming](t)(b.Accept(t.Context()))
	got := noErr[[][]byte](t)(omni.Collect(t.Context(), in.Producer()))
	if !bytes.Equal(bytes.Join(got, nil), []byte{0, 1, 2}) {
		t.Fatalf("the canary received %v", got)
	}
	must(t, a.Shutdown(t.Context()))
	must(t, b.Shutdown(t.Context()))
}

// small are options with limits that a test can reach by hand.
func small() *Options {
	return &Options{MaxItem: 16, MaxStreams: 4, Prefetch: 4, Window: 64}
}

// accept is Accept for the test's own goroutine.
func accept(t testing.TB, s *Session) *Incoming {
	t.Helper()
	return noErr[*Incoming](t)(s.Accept(t.Context()))
}

// wantItem reads one item.
func wantItem(t testing.TB, p *omni.Producer[[]byte], want string) {
	t.Helper()
	if v, err := p.Next(t.Context()); err != nil || string(v) != want {
		t.Fatalf("read %.40q, %v, want %.40q", v, err, want)
	}
}

// wantLost fails the test unless err is that of a lost stream, and no end.
func wantLost(t testing.TB, why string, err error) {
	t.Helper()
	var se *omni.StreamError
	if !errors.Is(err, ErrSessionLost) || !errors.As(err, &se) || errors.Is(err, io.EOF) && err == io.EOF {
		t.Fatalf("%s: got %v, want a lost stream", why, err)
	}
}

// heap is what is in use after a collection, in bytes.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// small1 is the config of small options.
func small1(t testing.TB) *config {
	cfg, err := newConfig(small())
	must(t, err)
	return cfg
}

// packed takes a message of the engine apart.
func packed(m *message) []rawFrame {
	var all []byte
	for _, part := range m.parts {
		all = append(all, part...)
	}
	if len(all) == 0 {
		return nil
	}
	frames, err := split(all)
	if err != nil {
		panic(err)
	}
	return frames
}

// net2 returns the ends of a transport that holds nothing.
func net2() (a, b transport.Conn) {
	ca, cb := net.Pipe()
	return transport.Frame(ca), transport.Frame(cb)
}
