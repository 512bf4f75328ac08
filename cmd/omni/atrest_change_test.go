package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// changes are what may happen to a file while it is sent. Those that are not
// noticed leave the content as it was, and that arrives.
var changes = map[string]struct {
	do      func(path string) error
	noticed bool
}{
	"grows": {func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("more")
		return errors.Join(err, f.Close())
	}, true},
	"is cut short": {func(path string) error { return os.Truncate(path, 700_000) }, true},
	"is emptied":   {func(path string) error { return os.Truncate(path, 0) }, true},
	"is rewritten": {func(path string) error { return overwrite(path, 1_000_000) }, true},
	"is rewritten, with its time put back": {func(path string) error {
		return errors.Join(overwrite(path, 1_000_000), os.Chtimes(path, old, old))
	}, true},
	"is replaced": {func(path string) error {
		return errors.Join(os.WriteFile(path+".new", []byte(blob("new", 1_000_000)), 0o644), os.Rename(path+".new", path))
	}, false},
	"gets another mode": {func(path string) error { return os.Chmod(path, 0o600) }, false},
	"is removed":        {os.Remove, false},
}

// overwrite writes other bytes in the place of those that are there.
func overwrite(path string, n int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(blob("other", n))
	return errors.Join(err, f.Close())
}

func TestFileChangesOnItsWay(t *testing.T) {
	if !onUnix() {
		return // an open file cannot be replaced there
	}
	for name, c := range changes {
		if strings.Contains(name, "put back") && !isLinux {
			continue // no other system is asked for more than that time
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := filepath.Join(t.TempDir(), "from")
			spec{"f": blob("f", 1_000_000), "g": "g"}.build(t, from)
			to := spec{"f": "an older version"}.build(t, filepath.Join(t.TempDir(), "to"))
			before, want := contents(t, to), contents(t, from)
			rx := start(t, "recv", "--dir", to, "--once")
			tx := start(t, "send", "--json", "--limit", "800kB/s", "-c", rx.url(), from+"/")
			tx.await(tx.stdout, regexp.MustCompile(`"event":"progress".*"bytes":[1-9]`))
			if err := c.do(filepath.Join(from, "f")); err != nil {
				t.Fatal(err)
			}
			code := exitOK
			if c.noticed {
				code, want["f"] = exitFailure, before["f"]
			}
			tx.want(code)
			rx.want(code)
			// Either what was there before, or what the walk has seen.
			if n := only(t, to, want); n != 2 {
				t.Errorf("%d files are there", n)
			}
			noStaging(t, to)
			if c.noticed && (!strings.Contains(tx.stderr.String(), "omni send: warning: f: failed: the file changed while it was sent\n") ||
				!strings.Contains(rx.stderr.String(), "omni recv: warning: f: failed: at the sender: the file changed while it was sent\n")) {
				t.Errorf("they say %q and %q", tx.stderr, rx.stderr)
			}
			if name == "is removed" {
				return // so it is not sent again, and stays where it is
			}
			completes(t, from, to)
		})
	}
}

// What --checksum announced is what arrives, or nothing.
func TestFileChangesAfterItWasHashed(t *testing.T) {
	tr := testTree(t)
	e := fileEntry("f", "content")
	e.SHA256 = strings.Repeat("0", 64)
	if _, err := put(tr, e, "content", sumOf("content")); err == nil || !strings.Contains(err.Error(), "announced") {
		t.Errorf("the receiver: %v", err)
	}
	if n := len(contents(t, tr.root.Name())); n > 0 {
		t.Errorf("%d files are there", n)
	}
	from := spec{"f": blob("f", 2_000_000)}.build(t, t.TempDir())
	path := filepath.Join(from, "f")
	to := filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once")
	// It is hashed at once and then sent slowly.
	tx := start(t, "send", "--json", "--checksum", "--limit", "2MB/s", "-c", rx.url(), from+"/")
	tx.await(tx.stdout, regexp.MustCompile(`"event":"progress".*"bytes":[1-9]`))
	if err := errors.Join(overwrite(path, 2_000_000), os.Chtimes(path, old, old)); err != nil {
		t.Fatal(err)
	}
	tx.want(exitFailure)
	rx.want(exitFailure)
	if n := len(contents(t, to)); n > 0 {
		t.Errorf("%d files are there", n)
	}
	completes(t, from, to)
}

func TestFileThatGotItsTimeBack(t *testing.T) {
	path := filepath.Join(spec{"f": "content"}.build(t, t.TempDir()), "f")
	before, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := func() bool {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return unchanged(f, before) != nil
	}
	if changed() {
		t.Error("nothing happened")
	}
	if err := errors.Join(os.Link(path, path+".link"), os.Chmod(path, 0o600)); err != nil || changed() {
		t.Errorf("it got a second name and another mode: %v", err)
	}
	if err := errors.Join(os.Remove(path+".link"), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	// Again until the clock of the file system has ticked.
	for deadline := time.Now().Add(patience); isLinux && !changed(); {
		if err := errors.Join(overwrite(path, 7), os.Chtimes(path, old, old)); err != nil || time.Now().After(deadline) {
			t.Fatal("it was written, and that is not noticed", err)
		}
	}
}
