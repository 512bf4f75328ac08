package adapters_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"omnistreams.dev/adapters"
	"omnistreams.dev/omni"
)

// randomItems returns content and the same cut into items of random sizes,
// empty ones among them.
func randomItems(seed uint64, n int) (content []byte, cut [][]byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	content = make([]byte, n)
	for i := range content {
		content[i] = byte(r.Uint32())
	}
	for rest := content; len(rest) > 0; {
		k := min(len(rest), r.IntN(4)*r.IntN(200))
		cut = append(cut, rest[:k])
		rest = rest[k:]
	}
	return content, cut
}

func TestA02ReaderPassesTestReader(t *testing.T) {
	for seed := range uint64(4) {
		content, cut := randomItems(seed, 5000)
		r := adapters.NewReader(bg, omni.FromSlice(bg, cut))
		if err := iotest.TestReader(r, content); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func TestA03ZeroLengthRead(t *testing.T) {
	r := adapters.NewReader(bg, items("ab"))
	for range 3 {
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Fatalf("Read(nil) = %d, %v, want 0, nil", n, err)
		}
	}
	if b, err := io.ReadAll(r); string(b) != "ab" || err != nil {
		t.Fatalf("read %q, %v after empty Reads", b, err)
	}
	if n, err := r.Read([]byte{}); n != 0 || (err != nil && err != io.EOF) {
		t.Fatalf("Read of nothing at the end = %d, %v", n, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("Read at the end = %d, %v, want 0, io.EOF", n, err)
	}
}

// A zero-length Read asks for nothing: a pure-pull writer must not see it.
func TestA03ZeroLengthReadAsksForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := omni.NewStream[[]byte](&omni.Options{Prefetch: -1})
		r := adapters.NewReader(bg, p)
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Fatalf("Read(nil) = %d, %v", n, err)
		}
		ctx, cancel := context.WithCancel(bg)
		cancel()
		if n, err := c.Demand(ctx); err == nil {
			t.Fatalf("an empty Read asked for %d items", n)
		}
	})
}

func TestReaderSkipsEmptyItems(t *testing.T) {
	r := adapters.NewReader(bg, items("", "a", "", "", "b", ""))
	b := make([]byte, 8)
	for _, want := range []string{"a", "b"} {
		if n, err := r.Read(b); string(b[:n]) != want || err != nil {
			t.Fatalf("Read = %q, %v, want %q", b[:n], err, want)
		}
	}
	if n, err := r.Read(b); n != 0 || err != io.EOF {
		t.Fatalf("Read = %d, %v, want the end", n, err)
	}
}

func TestReaderPassesErrorOnAfterBytes(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	must(t, c.Write(bg, []byte("abc")))
	c.Cancel(errTest)
	b, err := io.ReadAll(adapters.NewReader(bg, p))
	if string(b) != "abc" {
		t.Errorf("read %q before the error, want abc", b)
	}
	wantErr(t, err, errTest)
}

func TestReaderClose(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	r := adapters.NewReader(bg, p)
	must(t, c.Write(bg, []byte("abc")))
	b := make([]byte, 1)
	if _, err := r.Read(b); err != nil {
		t.Fatal(err)
	}
	must(t, r.Close())
	must(t, r.Close())
	wantErr(t, c.Err(), omni.ErrCanceled)
	if n, err := r.Read(b); n != 0 || !errors.Is(err, omni.ErrCanceled) {
		t.Errorf("Read after Close = %d, %v: the rest of the item is dropped too", n, err)
	}
}

func TestReaderCloseUnblocksReadAndJoinsUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := false
		r := adapters.NewReader(bg, omni.Produce(bg, func(ctx context.Context, c *omni.Consumer[[]byte]) error {
			<-ctx.Done()
			left = true
			return nil
		}))
		read := make(chan error, 1)
		go func() {
			_, err := r.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		must(t, r.Close())
		if !left {
			t.Error("Close did not wait for the goroutine upstream")
		}
		wantErr(t, <-read, omni.ErrCanceled)
	})
}

func TestReaderCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		p, c := omni.NewStream[[]byte](nil)
		r := adapters.NewReader(ctx, p)
		must(t, c.Write(bg, []byte("abc")))
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		cancel(errTest)
		synctest.Wait()
		if !closed(c.Done()) {
			t.Error("nobody reads, and the writer does not learn that ctx has ended")
		}
		wantErr(t, c.Err(), errTest)
		n, err := r.Read(make([]byte, 1))
		if n != 0 {
			t.Error("bytes after ctx has ended")
		}
		wantErr(t, err, errTest)
	})
}

func TestA07WriteTo(t *testing.T) {
	content, cut := randomItems(7, 5000)
	var buf bytes.Buffer
	n, err := io.Copy(&buf, adapters.NewReader(bg, omni.FromSlice(bg, cut)))
	if n != int64(len(content)) || err != nil || !bytes.Equal(buf.Bytes(), content) {
		t.Errorf("copied %d bytes, %v, want %d", n, err, len(content))
	}
}

// writerFunc is an io.Writer that misbehaves.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestA07WriteToKeepsWhatWasNotTaken(t *testing.T) {
	for name, w := range map[string]struct {
		write writerFunc
		want  error
		took  int64
	}{
		"short":    {func(b []byte) (int, error) { return 2, nil }, io.ErrShortWrite, 2},
		"error":    {func(b []byte) (int, error) { return 1, errTest }, errTest, 1},
		"eof":      {func(b []byte) (int, error) { return 0, io.EOF }, io.EOF, 0},
		"too many": {func(b []byte) (int, error) { return len(b) + 1, nil }, nil, 0},
		"negative": {func(b []byte) (int, error) { return -1, nil }, nil, 0},
	} {
		r := adapters.NewReader(bg, items("abc", "def"))
		n, err := r.WriteTo(w.write)
		if n != w.took || err == nil || (w.want != nil && !errors.Is(err, w.want)) {
			t.Errorf("%s: WriteTo = %d, %v, want %d, %v", name, n, err, w.took, w.want)
		}
		rest, err := io.ReadAll(r)
		if string(rest) != "abcdef"[w.took:] || err != nil {
			t.Errorf("%s: the rest is %q, %v", name, rest, err)
		}
	}
}

func TestA07WriteToPassesErrorOn(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	must(t, c.Write(bg, []byte("abc")))
	c.Cancel(errTest)
	var buf strings.Builder
	n, err := adapters.NewReader(bg, p).WriteTo(&buf)
	if n != 3 || buf.String() != "abc" {
		t.Errorf("WriteTo wrote %d bytes, %q", n, buf.String())
	}
	wantErr(t, err, errTest)
}
