package main

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What a file's size does to the items: one that is full, one byte more, and contents as long as a hash.
func TestServeDownloadSizes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, ctx, s := webPage(t, "--files", dir)
	for _, size := range []int{0, 1, 31, 32, 33, 64, itemSize - 1, itemSize, itemSize + 1, itemSize + 32, 3 * itemSize} {
		content := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		if err := os.WriteFile(filepath.Join(dir, "f"), content, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := fetch(ctx, t, s, map[string]any{"name": "download", "id": streamID.Add(1), "file": "f"}); !bytes.Equal(got, content) {
			t.Errorf("%d bytes came of %d", len(got), size)
		}
	}
}

// A file that shrinks while it is sent is no file that came; one that grows is the one that it was.
func TestServeDownloadOfWhatChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, ctx, s := webPage(t, "--files", dir)
	const size = 40_000_000 // more than is under way
	path := filepath.Join(dir, "f")
	for _, to := range []int64{1_000_000, size + 1} {
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o644); err != nil {
			t.Fatal(err)
		}
		in := ask(ctx, t, s, map[string]any{"name": "download", "id": streamID.Add(1), "file": "f"})
		if _, err := in.Next(ctx); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, to); err != nil {
			t.Fatal(err)
		}
		if to < size {
			fails(ctx, t, in, codeFailed, "the file changed while it was sent")
			continue
		}
		got := 0
		for item, err := range in.All(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got += len(item)
		}
		if want := size - itemSize + sha256.Size; got != want {
			t.Errorf("behind the first item %d bytes came, not %d", got, want)
		}
	}
}

// Many uploads of one name at once: each gets a name of its own.
func TestServeUploadsOfOneName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, ctx, s := webPage(t, "--files", dir)
	var all sync.WaitGroup
	for i := range 20 {
		content := []byte{byte(i)}
		all.Go(func() {
			if r, err := uploaded(ctx, t, s, "same.bin", digest(content), content); err != nil {
				t.Error(err)
			} else if got, err := os.ReadFile(filepath.Join(dir, r.File)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s is %x, %v, and not %x", r.File, got, err, content)
			}
		})
	}
	all.Wait()
	if got := kept(t, dir); len(got) != 20 {
		t.Errorf("there are %q", got)
	}
	if n := temporary(t, dir); n > 0 {
		t.Errorf("%d temporary files are left", n)
	}
}

// On a full disk an upload fails with the reason, and what there was of it is gone.
func TestServeUploadOnFullDisk(t *testing.T) {
	t.Parallel()
	dir, ok := smallDisk(t, "size=4m")
	if !ok {
		return // no rights for one, or no such system
	}
	_, ctx, s := webPage(t, "--files", dir)
	items := many(100, 64<<10)
	_, err := uploaded(ctx, t, s, "large", digest(items...), items...)
	wantError(t, err, codeFailed, "no space left on device")
	if got := kept(t, dir); len(got) > 0 || temporary(t, dir) > 0 {
		t.Errorf("there are %q and %d temporary files", got, temporary(t, dir))
	}
	if _, err := uploaded(ctx, t, s, "small", digest(items[0]), items[0]); err != nil {
		t.Errorf("what fits then: %v", err)
	}
}

// A page that reads nothing and says nothing does not keep the process: what it
// holds is cut after ten seconds, and nothing is left of its upload.
func TestServeDrainsFrozenPages(t *testing.T) {
	t.Parallel()
	if !onUnix() {
		return // there is no SIGTERM
	}
	dir := t.TempDir()
	p, ctx, s := webPage(t, "--files", dir)
	up, err := s.Call(ctx, encode(map[string]any{"name": "upload", "id": 1, "file": "half"}))
	if err != nil {
		t.Fatal(err)
	}
	write(ctx, t, up.Out, "half of it")
	paused := ask(ctx, t, s, map[string]any{"name": "download", "id": 2, "size": 100_000_000})
	paused.Request(1)
	watching(ctx, t, s, 1, func(l laneState) bool { return l.Taken == 1 })
	began := time.Now()
	p.signal(syscall.SIGTERM)
	p.want(exitOK)
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("what was under way was cut after %v", took)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v are left, %v", entries, err)
	}
}
