package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestHowATransferEnds(t *testing.T) {
	var c counts
	if c.err() != nil {
		t.Error("nothing happened, and that is an error")
	}
	c.skipped.Add(1)
	if err := c.err(); !errors.Is(err, errSkipped) {
		t.Errorf("skipped: %v", err)
	}
	c.failed.Add(2)
	if err := c.err(); err == nil || errors.Is(err, errSkipped) || err.Error() != "2 entries failed" {
		t.Errorf("failed: %v", err)
	}
}

func TestSummaryLine(t *testing.T) {
	s := Summary{Files: 1, Bytes: 3_000_000, Seconds: 2, Checked: 1, Had: 4, Skipped: 5}
	want := "sent 1 file, 3.0 MB in 2.0 s (1.5 MB/s); 1 hash checked, 4 there already, 5 skipped"
	if got := s.line("sent"); got != want {
		t.Errorf("got %q", got)
	}
}

func TestVerdictComparesBothSides(t *testing.T) {
	for why, c := range map[string]struct {
		mine  int64
		final tally
		code  int
	}{
		"alike":              {3, tally{Files: 3}, exitOK},
		"fewer came":         {2, tally{Files: 3}, exitFailure},
		"other bytes":        {3, tally{Files: 3, Bytes: 1}, exitFailure},
		"skipped there":      {3, tally{Files: 3, Skipped: 1}, exitSkipped},
		"failed there":       {3, tally{Files: 3, Failed: 1}, exitFailure},
		"failed and skipped": {3, tally{Files: 3, Failed: 1, Skipped: 1}, exitFailure},
	} {
		in := newInbound(&receiver{total: &counts{}}, &counts{})
		in.counts.files.Add(c.mine)
		if err := in.verdict(&c.final); exitCode(err) != c.code {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestMemoryIsMeasured(t *testing.T) {
	now, peak := memoryNow(), peakMemory()
	if now < 1<<20 || peak < now && runtime.GOOS == "linux" || peak > 1<<40 {
		t.Errorf("now %d bytes, peak %d", now, peak)
	}
}

func TestEventsAreOneObjectALine(t *testing.T) {
	var stdout, stderr bytes.Buffer
	d := display{json: true}
	o := d.output("send", stdio{nil, &stdout, &stderr}, false)
	o.listening("ws://x")
	o.emit(event{Event: "file", Path: "a\nb", Size: 5})
	o.warn("p", "reason")
	o.summarize(&counts{}, "sent", time.Now(), errSkipped)
	want := []string{"listening", "file", "warning", "summary"}
	for line := range strings.Lines(stdout.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil || e["event"] != want[0] {
			t.Errorf("%q: %v", line, err)
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("%q did not come", want)
	}
	if got := stderr.String(); !strings.HasPrefix(got, "omni send: warning: p: reason\nsent 0 files") {
		t.Errorf("stderr: %q", got)
	}
}

func TestNamesThatAreNotUTF8InEvents(t *testing.T) {
	var stdout bytes.Buffer
	o := (&display{json: true}).output("send", stdio{nil, &stdout, io.Discard}, false)
	for _, name := range []string{"a\xff", "\ufffd", "a"} {
		stdout.Reset()
		o.emit(event{Event: "file", Path: name})
		var e event
		if err := json.Unmarshal(stdout.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if got := string(e.Raw); got != name && got+e.Path != name {
			t.Errorf("%q became %q", name, stdout.String())
		}
	}
}

func TestWarningsCannotMoveTheCursor(t *testing.T) {
	var stderr bytes.Buffer
	o := (&display{quiet: true}).output("recv", stdio{nil, io.Discard, &stderr}, false)
	o.warn("name\x1b[2J\nomni: all is well", "reason\r")
	o.say("not said")
	if got := stderr.String(); got != "omni recv: warning: name?[2J omni: all is well: reason \n" {
		t.Errorf("%q", got)
	}
}
