package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlainLinesWhereThereIsNoTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		o := (&display{json: true}).output("send", stdio{nil, &stdout, &stderr}, false)
		var c counts
		c.totalFiles.Store(10)
		c.totalBytes.Store(10_000_000)
		p := startProgress(o, &c, "sending", time.Now())
		c.files.Store(3)
		c.had.Store(1)
		c.bytes.Store(2_000_000)
		c.hadBytes.Store(1_000_000)
		time.Sleep(2*lineInterval + time.Millisecond)
		p.finish()
		lines := strings.Split(stderr.String(), "\n")
		if len(lines) != 3 || lines[0] != "sending: 4 of 10 files, 3.0 MB of 10.0 MB, 1.0 MB/s, 7s left" {
			t.Errorf("it says %q", lines)
		}
		if n := strings.Count(stdout.String(), `"event":"progress"`); n != int(2*lineInterval/eventInterval) {
			t.Errorf("%d events", n)
		}
	})
}

func TestQuietShowsNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		o := (&display{quiet: true}).output("send", stdio{nil, &stderr, &stderr}, false)
		p := startProgress(o, &counts{}, "sending", time.Now())
		time.Sleep(time.Minute)
		p.finish()
		if stderr.Len() > 0 {
			t.Errorf("it says %q", stderr.String())
		}
	})
}

func TestBarShowsRateAndTotals(t *testing.T) {
	var screen bytes.Buffer
	o := &output{text: &screen}
	var c counts
	c.totalFiles.Store(4)
	c.totalBytes.Store(4_000_000)
	b := newBar(o, &c, "sending")
	for range 4 {
		c.files.Add(1)
		c.bytes.Add(1_000_000)
		b.update(barInterval)
	}
	o.line("a warning")
	b.finish()
	if o.text != &screen {
		t.Error("the terminal is not given back")
	}
	// The terminal of the test keeps all that was drawn.
	got := screen.String()
	for _, want := range []string{"sending 4 of 4 files", "100 %", "4.0 MB of 4.0 MB", "MB/s", "ETA", "a warning"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in %q", want, got)
		}
	}
}

func TestProgressOfTheSecondSender(t *testing.T) {
	rx := &receiver{out: &output{quiet: true}, total: &counts{}}
	enter := func() *counts { return newInbound(rx, rx.enter(time.Now())).shown }
	in := newInbound(rx, enter())
	in.count(func(c *counts) { c.bytes.Add(100); c.totalBytes.Add(100) })
	if beside := enter(); beside != in.shown {
		t.Error("two at a time are not shown together")
	}
	rx.leave(nil)
	rx.leave(nil)
	// Nobody is there any more: what follows is shown from zero.
	if next := enter(); next.bytes.Load() != 0 || next.totalBytes.Load() != 0 || rx.total.bytes.Load() != 100 {
		t.Errorf("it begins with %d bytes, and all are %d", next.bytes.Load(), rx.total.bytes.Load())
	}
	rx.leave(nil)
}

func TestATerminalWithoutRoomHasNoBar(t *testing.T) {
	for _, c := range []struct {
		width, height int
		err           error
		want          bool
	}{{80, 24, nil, true}, {80, 0, nil, false}, {0, 24, nil, false}, {80, 24, io.EOF, false}} {
		if got := hasRoom(c.width, c.height, c.err); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
