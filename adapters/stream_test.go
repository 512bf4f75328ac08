package adapters_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"omnistreams.dev/adapters"
	"omnistreams.dev/omni"
)

func TestFromReaderToWriter(t *testing.T) {
	content, _ := randomItems(3, 100_000)
	var buf bytes.Buffer
	c := adapters.ToWriter(bg, &buf)
	p := adapters.FromReader(bg, iotest.HalfReader(bytes.NewReader(content)), 1000)
	must(t, p.Pipe(bg, c))
	<-c.Done()
	must(t, c.Err())
	if !bytes.Equal(buf.Bytes(), content) {
		t.Errorf("%d bytes came out, %d went in, or others", buf.Len(), len(content))
	}
}

func TestA07FromReaderFaults(t *testing.T) {
	for name, r := range map[string]struct {
		r    io.Reader
		want error
	}{
		"error after n": {after("abc", func([]byte) (int, error) { return 0, errTest }), errTest},
		"error with n":  {readerFunc(func(b []byte) (int, error) { return copy(b, "abc"), errTest }), errTest},
		"no progress":   {after("abc", func([]byte) (int, error) { return 0, nil }), io.ErrNoProgress},
	} {
		b, err := io.ReadAll(adapters.NewReader(bg, adapters.FromReader(bg, r.r, 0)))
		if string(b) != "abc" || !errors.Is(err, r.want) {
			t.Errorf("%s: %q, %v, want abc, %v", name, b, err, r.want)
		}
	}
}

// The reader of a stream leaves although r blocks, if r has deadlines, and r
// can be read afterwards.
func TestFromReaderInterruptsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		r := adapters.NewReader(bg, adapters.FromReader(bg, a, 0))
		go func() {
			synctest.Wait()
			check(t, r.Close())
		}()
		_, err := r.Read(make([]byte, 1))
		wantErr(t, err, omni.ErrCanceled)
		must(t, r.Close()) // joins the goroutine
		go b.Write([]byte("x"))
		if _, err := a.Read(make([]byte, 1)); err != nil {
			t.Errorf("Read after the stream: %v", err)
		}
	})
}

func TestFromReaderCtxIsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		ctx, cancel := context.WithCancelCause(bg)
		p := adapters.FromReader(ctx, a, 0)
		lines := adapters.Lines(ctx, b, 0)
		synctest.Wait()
		cancel(errTest)
		_, err := p.Next(bg)
		wantErr(t, err, errTest)
		_, err = lines.Next(bg)
		wantErr(t, err, errTest)
	})
}

func TestA12ToWriterFaults(t *testing.T) {
	for name, w := range map[string]struct {
		write writerFunc
		want  error
	}{
		"short":    {func(b []byte) (int, error) { return len(b) - 1, nil }, io.ErrShortWrite},
		"error":    {func(b []byte) (int, error) { return 0, errTest }, errTest},
		"eof":      {func(b []byte) (int, error) { return 0, io.EOF }, io.EOF},
		"negative": {func(b []byte) (int, error) { return -1, nil }, nil},
	} {
		c := adapters.ToWriter(bg, w.write)
		var err error
		for err == nil { // until the cancel is here
			err = c.Write(bg, []byte("abc"))
		}
		<-c.Done()
		if w.want != nil && (!errors.Is(err, w.want) || !errors.Is(c.Err(), w.want)) {
			t.Errorf("%s: Write %v, Err %v, want %v", name, err, c.Err(), w.want)
		}
		if c.Err() == nil || err == io.EOF {
			t.Errorf("%s: Write %v, Err %v: that is a clean end", name, err, c.Err())
		}
	}
}

// The cause goes all the way up.
func TestA12ToWriterCancelsUpstream(t *testing.T) {
	p, up := omni.NewStream[[]byte](nil)
	must(t, up.Write(bg, []byte("abc")))
	c := adapters.ToWriter(bg, writerFunc(func([]byte) (int, error) { return 0, errTest }))
	wantErr(t, p.Pipe(bg, c), errTest)
	<-up.Done()
	wantErr(t, up.Err(), errTest)
}

func TestA12ToWriterBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		release := make(chan struct{})
		c := adapters.ToWriter(ctx, writerFunc(func(b []byte) (int, error) {
			<-release
			return len(b), nil
		}))
		must(t, c.Write(bg, []byte("abc")))
		synctest.Wait()
		cancel(errTest)
		synctest.Wait()
		wantErr(t, c.Write(bg, nil), errTest) // though the Write still blocks
		close(release)
		<-c.Done()
		wantErr(t, c.Err(), errTest)
	})
}

func TestA12ToWriterInterruptsWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		ctx, cancel := context.WithCancelCause(bg)
		c := adapters.ToWriter(ctx, a)
		must(t, c.Write(bg, []byte("abc")))
		synctest.Wait()
		cancel(errTest)
		<-c.Done()
		wantErr(t, c.Err(), errTest)
		synctest.Wait() // the goroutine has ended and the deadline is off again
		go b.Read(make([]byte, 3))
		if _, err := a.Write([]byte("abc")); err != nil {
			t.Errorf("Write after the stream: %v", err)
		}
	})
}

func TestToWriterSkipsEmptyItems(t *testing.T) {
	writes := 0
	c := adapters.ToWriter(bg, writerFunc(func(b []byte) (int, error) { writes++; return len(b), nil }))
	must(t, items("", "a", "", "b").Pipe(bg, c))
	<-c.Done()
	if writes != 2 || c.Err() != nil {
		t.Errorf("%d Writes, %v", writes, c.Err())
	}
}

func TestToWriterPassesWritersCancelOn(t *testing.T) {
	var buf bytes.Buffer
	c := adapters.ToWriter(bg, &buf)
	must(t, c.Write(bg, []byte("abc")))
	c.Cancel(errTest)
	<-c.Done()
	wantErr(t, c.Err(), errTest)
}

// A file that has no deadlines is read all the same.
func TestFromReaderOfFile(t *testing.T) {
	f, err := os.Open(os.DevNull)
	must(t, err)
	defer f.Close()
	if got := collect(t, adapters.FromReader(bg, f, 0)); len(got) != 0 {
		t.Errorf("items %q", got)
	}
}

func TestLines(t *testing.T) {
	for in, want := range map[string][]string{
		"":               nil,
		"\n":             {""},
		"a":              {"a"},
		"a\n":            {"a"},
		"a\nb":           {"a", "b"},
		"a\r\nb\r\n":     {"a", "b"},
		"\n\n\r\n":       {"", "", ""},
		"\r":             {"\r"},
		"a\rb\n":         {"a\rb"},
		"12345678\n9":    {"12345678", "9"},
		"12345678\r\n9":  {"12345678", "9"},
		"1234567\r\r\n9": {"1234567\r", "9"},
	} {
		for name, r := range map[string]io.Reader{
			"plain": strings.NewReader(in),
			"bytes": iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(in))),
		} {
			got, err := omni.Collect(bg, adapters.Lines(bg, r, 8))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: lines of %q are %q, %v, want %q", name, in, got, err, want)
			}
		}
	}
}

func TestLinesTooLong(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for in, max := range map[string]int{
		"ok\n123456789\n":   8,
		"ok\n123456789":     8,
		"ok\n12345678\r":    8,
		"ok\n123456789\r\n": 8,
		"ok\n" + long:       4999,
		"ok\n" + long + "\n" + strings.Repeat("y", 1<<16): 4999,
		"ok\n" + strings.Repeat("y", 1<<16+1):             0,
	} {
		got, err := omni.Collect(bg, adapters.Lines(bg, strings.NewReader(in), max))
		if len(got) != 1 || got[0] != "ok" {
			t.Errorf("%.12q: lines %.20q before the error", in, got)
		}
		wantErr(t, err, omni.ErrTooLarge)
		if !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%.12q: %v does not say which line", in, err)
		}
	}
	for _, in := range []string{long, long + "\n", long + "\r\n"} {
		got, err := omni.Collect(bg, adapters.Lines(bg, strings.NewReader(in), len(long)))
		if err != nil || len(got) != 1 || got[0] != long {
			t.Errorf("a line that is just short enough: %d lines, %v", len(got), err)
		}
	}
}

// The line is refused while it comes, not when it has ended.
func TestLinesEndless(t *testing.T) {
	endless := readerFunc(func(b []byte) (int, error) {
		for i := range b {
			b[i] = 'x'
		}
		return len(b), nil
	})
	_, err := adapters.Lines(bg, endless, 100_000).Next(bg)
	wantErr(t, err, omni.ErrTooLarge)
}

func TestLinesDropsALineThatWasCut(t *testing.T) {
	r := after("a\nhalf", func([]byte) (int, error) { return 0, errTest })
	got, err := omni.Collect(bg, adapters.Lines(bg, r, 0))
	if !slices.Equal(got, []string{"a"}) {
		t.Errorf("lines %q", got)
	}
	wantErr(t, err, errTest)
}

func TestToLines(t *testing.T) {
	var buf bytes.Buffer
	c := adapters.ToLines(bg, &buf)
	for _, line := range []string{"a", "", "c"} {
		must(t, c.Write(bg, line))
	}
	must(t, c.End())
	<-c.Done()
	if buf.String() != "a\n\nc\n" || c.Err() != nil {
		t.Errorf("wrote %q, %v", buf.String(), c.Err())
	}
}

func TestToLinesRefusesLineBreaks(t *testing.T) {
	var buf bytes.Buffer
	c := adapters.ToLines(bg, &buf)
	must(t, c.Write(bg, "a"))
	must(t, c.Write(bg, "b\nc"))
	<-c.Done()
	if buf.String() != "a\n" || c.Err() == nil {
		t.Errorf("wrote %q, %v", buf.String(), c.Err())
	}
}
