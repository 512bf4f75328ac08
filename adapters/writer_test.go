package adapters_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"omnistreams.dev/adapters"
	"omnistreams.dev/omni"
)

func TestWriterCutsAndCopies(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	w := adapters.NewWriter(bg, c, &adapters.WriterOptions{ItemSize: 4})
	b := []byte("abcdefghij")
	if n, err := w.Write(b); n != 10 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	clear(b) // the caller's again
	if n, err := w.Write(nil); n != 0 || err != nil {
		t.Fatalf("Write(nil) = %d, %v", n, err)
	}
	must(t, w.Close())
	must(t, w.Close())
	if got := collect(t, p); !slices.Equal(got, []string{"abcd", "efgh", "ij"}) {
		t.Errorf("items %q", got)
	}
	_, err := w.Write([]byte("x"))
	wantErr(t, err, omni.ErrEnded)
}

func TestWriterDefaultItemSize(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	w := adapters.NewWriter(bg, c, nil)
	if n, err := w.Write(make([]byte, 32<<10+1)); n != 32<<10+1 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	must(t, w.Close())
	if got := collect(t, p); len(got) != 2 || len(got[0]) != 32<<10 || len(got[1]) != 1 {
		t.Errorf("%d items", len(got))
	}
}

// n is exactly what the reader gets, wherever the stream is cut off.
func TestA05WriteCountsWhatWasAccepted(t *testing.T) {
	for taken := range 4 {
		synctest.Test(t, func(t *testing.T) {
			p, c := omni.NewStream[[]byte](&omni.Options{Prefetch: -1})
			w := adapters.NewWriter(bg, c, &adapters.WriterOptions{ItemSize: 4})
			type result struct {
				n   int
				err error
			}
			done := make(chan result, 1)
			go func() {
				n, err := w.Write([]byte("abcdefghijklmn")) // 3 whole items and 2 bytes
				done <- result{n, err}
			}()
			got := 0
			for range taken {
				item, err := p.Next(bg)
				must(t, err)
				got += len(item)
			}
			synctest.Wait()
			if taken < 4 {
				p.Cancel(errTest)
			}
			res := <-done
			if res.n != got {
				t.Errorf("Write says %d, the reader got %d", res.n, got)
			}
			wantErr(t, res.err, errTest)
		})
	}
}

func TestA05WriteEndsWithCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		p, c := omni.NewStream[[]byte](&omni.Options{Prefetch: 2})
		w := adapters.NewWriter(ctx, c, &adapters.WriterOptions{ItemSize: 1})
		go func() {
			synctest.Wait()
			cancel(errTest)
		}()
		n, err := w.Write([]byte("abc"))
		wantErr(t, err, errTest)
		b, err := io.ReadAll(adapters.NewReader(bg, p))
		if n != 2 || string(b) != "ab" {
			t.Errorf("Write says %d, the reader got %q", n, b)
		}
		wantErr(t, err, errTest)
	})
}

func TestWriterCtxEndsWhileNobodyWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		p, c := omni.NewStream[[]byte](nil)
		adapters.NewWriter(ctx, c, nil)
		cancel(errTest)
		_, err := p.Next(bg)
		wantErr(t, err, errTest)
	})
}

func TestWriterCloseWithError(t *testing.T) {
	for _, cause := range []error{errTest, nil, io.EOF} {
		p, c := omni.NewStream[[]byte](nil)
		w := adapters.NewWriter(bg, c, nil)
		if _, err := w.Write([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		must(t, w.CloseWithError(cause))
		b, err := io.ReadAll(adapters.NewReader(bg, p))
		if string(b) != "abc" {
			t.Errorf("%v: read %q", cause, b)
		}
		if cause == errTest {
			wantErr(t, err, errTest)
			wantErr(t, w.Close(), errTest)
		} else if err != nil {
			t.Errorf("%v: the end is %v, want a clean one", cause, err)
		}
	}
}

func TestA07ReadFrom(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	for name, r := range map[string]io.Reader{
		"plain":     strings.NewReader(long),
		"n and eof": iotest.DataErrReader(strings.NewReader(long)),
		"one byte":  iotest.OneByteReader(strings.NewReader(long)),
		"half":      iotest.HalfReader(strings.NewReader(long)),
		"empty":     strings.NewReader(""),
	} {
		want := long
		if name == "empty" {
			want = ""
		}
		p, c := omni.NewStream[[]byte](&omni.Options{Prefetch: 1 << 20})
		w := adapters.NewWriter(bg, c, &adapters.WriterOptions{ItemSize: 64})
		n, err := io.Copy(w, struct{ io.Reader }{r}) // hides WriteTo
		if n != int64(len(want)) || err != nil {
			t.Errorf("%s: copied %d bytes, %v", name, n, err)
		}
		must(t, w.Close())
		if got := collect(t, p); strings.Join(got, "") != want {
			t.Errorf("%s: %d items, other bytes", name, len(got))
		} else if i := slices.IndexFunc(got, func(s string) bool { return len(s) == 0 || len(s) > 64 }); i >= 0 {
			t.Errorf("%s: an item of %d bytes", name, len(got[i]))
		}
	}
}

// readerFunc is an io.Reader that misbehaves.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// after returns a reader of s and then of f's results.
func after(s string, f readerFunc) io.Reader {
	return io.MultiReader(iotest.OneByteReader(strings.NewReader(s)), f)
}

func TestA07ReadFromFaults(t *testing.T) {
	for name, r := range map[string]struct {
		r    io.Reader
		n    int64
		want error
	}{
		"error after n": {after("abc", func([]byte) (int, error) { return 0, errTest }), 3, errTest},
		"error with n":  {readerFunc(func(b []byte) (int, error) { return copy(b, "abc"), errTest }), 3, errTest},
		"too many":      {readerFunc(func(b []byte) (int, error) { return len(b) + 1, nil }), 0, nil},
		"negative":      {readerFunc(func([]byte) (int, error) { return -1, nil }), 0, nil},
	} {
		p, c := omni.NewStream[[]byte](nil)
		w := adapters.NewWriter(bg, c, nil)
		n, err := w.ReadFrom(r.r)
		if n != r.n || err == nil || (r.want != nil && !errors.Is(err, r.want)) {
			t.Errorf("%s: ReadFrom = %d, %v, want %d, %v", name, n, err, r.n, r.want)
		}
		must(t, w.Close())
		if got := strings.Join(collect(t, p), ""); int64(len(got)) != n {
			t.Errorf("%s: ReadFrom says %d bytes, the reader got %q", name, n, got)
		}
	}
}

func TestA07ReadFromWithoutProgress(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	reads := 0
	n, err := adapters.NewWriter(bg, c, nil).ReadFrom(readerFunc(func([]byte) (int, error) { reads++; return 0, nil }))
	if n != 0 || reads != 100 {
		t.Errorf("ReadFrom = %d after %d Reads", n, reads)
	}
	wantErr(t, err, io.ErrNoProgress)
	p.Cancel(nil)
}

// What ctx has led to in r is not the cause.
func TestReadFromCtxIsTheCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(bg)
	p, c := omni.NewStream[[]byte](nil)
	n, err := adapters.NewWriter(ctx, c, nil).ReadFrom(readerFunc(func([]byte) (int, error) {
		cancel(errTest)
		return 0, io.ErrClosedPipe
	}))
	if n != 0 {
		t.Errorf("ReadFrom = %d", n)
	}
	wantErr(t, err, errTest)
	_, err = p.Next(bg)
	wantErr(t, err, errTest)
}

// 99 empty reads in a row are no fault, however often.
func TestA07ReadFromEmptyReads(t *testing.T) {
	reads := 0
	r := readerFunc(func(b []byte) (int, error) {
		if reads++; reads == 1000 {
			return 0, io.EOF
		}
		if reads%100 == 0 {
			return copy(b, "x"), nil
		}
		return 0, nil
	})
	p, c := omni.NewStream[[]byte](nil)
	w := adapters.NewWriter(bg, c, nil)
	if n, err := w.ReadFrom(r); n != 9 || err != nil {
		t.Errorf("ReadFrom = %d, %v, want 9, nil", n, err)
	}
	must(t, w.Close())
	if got := strings.Join(collect(t, p), ""); got != "xxxxxxxxx" {
		t.Errorf("the reader got %q", got)
	}
}

// A reader's buffer may be used again by it and is not by us.
func TestReadFromItemsDoNotShareMemory(t *testing.T) {
	for _, size := range []int{1, 7, 8} { // of a Read, into a buffer of 8
		n := 0
		r := readerFunc(func(b []byte) (int, error) {
			if n++; n > 20 {
				return 0, io.EOF
			}
			copy(b, bytes.Repeat([]byte{byte('a' + n)}, size))
			return size, nil
		})
		p, c := omni.NewStream[[]byte](nil)
		w := adapters.NewWriter(bg, c, &adapters.WriterOptions{ItemSize: 8})
		if _, err := w.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		must(t, w.Close())
		for i, got := range collect(t, p) {
			if want := strings.Repeat(string(rune('b'+i)), size); got != want {
				t.Fatalf("item %d is %q, want %q", i, got, want)
			}
		}
	}
}

func TestP15NilArgumentsPanic(t *testing.T) {
	p, c := omni.NewStream[[]byte](nil)
	var ctx context.Context
	wantPanic(t, "NewReader without ctx", func() { adapters.NewReader(ctx, p) })
	wantPanic(t, "NewReader of nil", func() { adapters.NewReader(bg, nil) })
	wantPanic(t, "WriteTo nil", func() { _, _ = adapters.NewReader(bg, p).WriteTo(nil) })
	wantPanic(t, "NewWriter without ctx", func() { adapters.NewWriter(ctx, c, nil) })
	wantPanic(t, "NewWriter of nil", func() { adapters.NewWriter(bg, nil, nil) })
	wantPanic(t, "ReadFrom nil", func() { _, _ = adapters.NewWriter(bg, c, nil).ReadFrom(nil) })
	wantPanic(t, "a negative size", func() { adapters.NewWriter(bg, c, &adapters.WriterOptions{ItemSize: -1}) })
	wantPanic(t, "FromReader without ctx", func() { adapters.FromReader(ctx, strings.NewReader(""), 0) })
	wantPanic(t, "FromReader of nil", func() { adapters.FromReader(bg, nil, 0) })
	wantPanic(t, "FromReader of a negative size", func() { adapters.FromReader(bg, strings.NewReader(""), -1) })
	wantPanic(t, "ToWriter without ctx", func() { adapters.ToWriter(ctx, io.Discard) })
	wantPanic(t, "ToWriter of nil", func() { adapters.ToWriter(bg, nil) })
	wantPanic(t, "Lines without ctx", func() { adapters.Lines(ctx, strings.NewReader(""), 0) })
	wantPanic(t, "Lines of nil", func() { adapters.Lines(bg, nil, 0) })
	wantPanic(t, "Lines of a negative length", func() { adapters.Lines(bg, strings.NewReader(""), -1) })
	wantPanic(t, "ToLines without ctx", func() { adapters.ToLines(ctx, io.Discard) })
	wantPanic(t, "ToLines of nil", func() { adapters.ToLines(bg, nil) })
	wantPanic(t, "FromChan without ctx", func() { adapters.FromChan(ctx, make(chan int)) })
	wantPanic(t, "ToChan without ctx", func() { adapters.ToChan(ctx, p) })
	wantPanic(t, "ToChan of nil", func() { adapters.ToChan[int](bg, nil) })
	wantPanic(t, "NewConn without input", func() { adapters.NewConn(nil, c, nil) })
	wantPanic(t, "NewConn without output", func() { adapters.NewConn(p, nil, nil) })
	wantPanic(t, "NewConn of a negative size", func() { adapters.NewConn(p, c, &adapters.ConnOptions{ItemSize: -1}) })
	wantPanic(t, "DialConn over nil", func() { _, _ = adapters.DialConn(bg, nil, nil) })
	wantPanic(t, "NewListener of nil", func() { adapters.NewListener(nil) })
}
