package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// counts is what happened so far. It is safe for concurrent use.
type counts struct {
	files, bytes    atomic.Int64 // moved, the content of files that did not arrive included
	had, hadBytes   atomic.Int64 // files that were there already
	dirs, links     atomic.Int64
	skipped, failed atomic.Int64 // entries
	checked         atomic.Int64 // hashes compared and found the same
	streams         atomic.Int64 // both of a call
	totalFiles      atomic.Int64 // what there is to do, as far as it is known
	totalBytes      atomic.Int64
}

// Summary is what --json says about counts.
type Summary struct {
	OK         bool    `json:"ok"`    // of a summary: exit code 0
	Error      string  `json:"error"` // of a summary: why not, one line
	Files      int64   `json:"files"` // that were moved
	Bytes      int64   `json:"bytes"` // of content that were moved
	Had        int64   `json:"had"`   // files that were there already
	HadBytes   int64   `json:"had_bytes"`
	Dirs       int64   `json:"directories"`
	Links      int64   `json:"symlinks"`
	Skipped    int64   `json:"skipped"`     // entries skipped or refused
	Failed     int64   `json:"failed"`      // entries that failed
	Checked    int64   `json:"checked"`     // hashes compared
	Streams    int64   `json:"streams"`     // that were opened
	TotalFiles int64   `json:"total_files"` // that there are to move
	TotalBytes int64   `json:"total_bytes"`
	Seconds    float64 `json:"seconds"`
	Memory     int64   `json:"memory"`      // resident now, in bytes
	PeakMemory int64   `json:"peak_memory"` // most that was resident, in bytes
}

// summary is c as it is now; since is the zero time if nothing began.
func (c *counts) summary(since time.Time) *Summary {
	if since.IsZero() {
		since = time.Now()
	}
	return &Summary{
		Files: c.files.Load(), Bytes: c.bytes.Load(), Had: c.had.Load(), HadBytes: c.hadBytes.Load(),
		Dirs: c.dirs.Load(), Links: c.links.Load(), Skipped: c.skipped.Load(), Failed: c.failed.Load(),
		Checked: c.checked.Load(), Streams: c.streams.Load(),
		TotalFiles: c.totalFiles.Load(), TotalBytes: c.totalBytes.Load(),
		Seconds: time.Since(since).Seconds(), Memory: memoryNow(), PeakMemory: peakMemory(),
	}
}

// tally is what one side tells the other at the end.
func (c *counts) tally(name string) tally {
	return tally{
		Name: name, Files: c.files.Load() + c.had.Load(), Bytes: c.bytes.Load() + c.hadBytes.Load(),
		Skipped: c.skipped.Load(), Failed: c.failed.Load(),
	}
}

// err is how a transfer ended that was not broken off.
func (c *counts) err() error {
	failed, skipped := c.failed.Load(), c.skipped.Load()
	switch {
	case failed > 0:
		return fmt.Errorf("%s failed", number(failed, "entry", "entries"))
	case skipped > 0:
		return fmt.Errorf("%w (%s)", errSkipped, number(skipped, "entry", "entries"))
	}
	return nil
}

// line is the summary for people; verb is what was done to the files.
func (s *Summary) line(verb string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, %s", verb, number(s.Files, "file", "files"), formatSize(s.Bytes))
	fmt.Fprintf(&b, " in %.1f s", s.Seconds)
	if s.Seconds > 0 && s.Bytes > 0 {
		fmt.Fprintf(&b, " (%s/s)", formatSize(int64(float64(s.Bytes)/s.Seconds)))
	}
	fmt.Fprintf(&b, "; %s checked", number(s.Checked, "hash", "hashes"))
	for _, part := range []struct {
		n    int64
		text string
	}{{s.Had, "there already"}, {s.Skipped, "skipped"}, {s.Failed, "failed"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %d %s", part.n, part.text)
		}
	}
	return b.String()
}

// number is n with the word that goes with it.
func number(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
