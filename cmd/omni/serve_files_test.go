package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

// fetch downloads a file and checks its hash, the last item.
func fetch(ctx context.Context, t *testing.T, s *mux.Session, v any) []byte {
	t.Helper()
	items, err := omni.Collect(ctx, ask(ctx, t, s, v))
	if err != nil || len(items) == 0 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	content := bytes.Join(items[:len(items)-1], nil)
	if sum := sha256.Sum256(content); !bytes.Equal(items[len(items)-1], sum[:]) {
		t.Fatal("the last item is not the hash of the others")
	}
	return content
}

func TestServeMakesUpDownloads(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	for _, size := range []int{0, 1, 32, itemSize, 1_000_000} {
		once := fetch(ctx, t, s, map[string]any{"name": "download", "id": streamID.Add(1), "size": size})
		again := fetch(ctx, t, s, map[string]any{"name": "download", "id": streamID.Add(1), "size": size})
		if len(once) != size || !bytes.Equal(once, again) {
			t.Errorf("%d bytes came, and then %d, of %d", len(once), len(again), size)
		}
	}
}

// offered is what the stream "files" lists.
func offered(ctx context.Context, t *testing.T, s *mux.Session) (names []string) {
	t.Helper()
	for item, err := range ask(ctx, t, s, map[string]any{"name": "files"}).All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		var f webFile
		if err := json.Unmarshal(item, &f); err != nil {
			t.Fatal(err)
		}
		names = append(names, f.File)
	}
	return names
}

func TestServeOffersFiles(t *testing.T) {
	t.Parallel()
	outer := t.TempDir()
	dir := filepath.Join(outer, "dir")
	content := []byte(strings.Repeat("0123456789", 20_000))
	err := errors.Join(
		os.Mkdir(dir, 0o755), os.Mkdir(filepath.Join(dir, "sub"), 0o755),
		os.WriteFile(filepath.Join(dir, "a.bin"), content, 0o644),
		os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644),
		os.WriteFile(filepath.Join(dir, "sub", "inner"), content, 0o644),
		os.WriteFile(filepath.Join(outer, "secret"), content, 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	if onUnix() {
		err := errors.Join(
			os.Symlink("../secret", filepath.Join(dir, "out")), os.Symlink("a.bin", filepath.Join(dir, "in")),
			os.Symlink(filepath.Join(outer, "secret"), filepath.Join(dir, "absolute")),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	_, ctx, s := webPage(t, "--files", dir)
	if got := offered(ctx, t, s); !slices.Equal(got, []string{"a.bin", "empty"}) {
		t.Errorf("offered are %q", got)
	}
	if got := fetch(ctx, t, s, map[string]any{"name": "download", "id": streamID.Add(1), "file": "a.bin"}); !bytes.Equal(got, content) {
		t.Errorf("%d bytes came of %d", len(got), len(content))
	}
	if got := fetch(ctx, t, s, map[string]any{"name": "download", "id": streamID.Add(1), "file": "empty"}); len(got) != 0 {
		t.Errorf("%d bytes came of an empty file", len(got))
	}
	for _, name := range []string{
		"none", "sub", ".", "..", "../secret", "../dir/a.bin", "sub/inner", "./a.bin", "out", "in", "absolute",
		filepath.Join(outer, "secret"), "a.bin/", "a.bin\x00", ".omni-00000000.tmp",
	} {
		fails(ctx, t, ask(ctx, t, s, map[string]any{"name": "download", "id": streamID.Add(1), "file": name}), omni.CodeRefused, "there is no such file")
	}
}

// uploaded uploads these items, and the hash if there is one.
func uploaded(ctx context.Context, t *testing.T, s *mux.Session, name string, sum []byte, items ...[]byte) (webReceipt, error) {
	t.Helper()
	c, err := s.Call(ctx, encode(map[string]any{"name": "upload", "id": streamID.Add(1), "file": name}))
	if err != nil {
		t.Fatal(err)
	}
	if sum != nil {
		items = append(items, sum)
	}
	for _, item := range items {
		if err := c.Out.Write(ctx, item); err != nil {
			break // why is in the answer
		}
	}
	_ = c.Out.End()
	item, err := c.In.Next(ctx)
	if err != nil {
		return webReceipt{}, err
	}
	var r webReceipt
	if err := json.Unmarshal(item, &r); err != nil {
		t.Fatal(err)
	}
	if _, err := c.In.Next(ctx); err != io.EOF {
		t.Fatalf("behind the receipt comes %v", err)
	}
	return r, nil
}

func digest(items ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(items, nil))
	return sum[:]
}

// kept is what a directory has, but for this process's temporary files.
func kept(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !isStaging(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// uploads are contents, some of them with items that could be a hash.
var uploads = [][][]byte{
	nil, {[]byte("x")}, {bytes.Repeat([]byte("y"), 32)}, {bytes.Repeat([]byte("y"), 32), bytes.Repeat([]byte("z"), 32)},
	{nil, []byte("a"), nil}, many(2000, 32), {bytes.Repeat([]byte("long"), 10_000), bytes.Repeat([]byte("y"), 32), []byte("end")},
}

// many returns n items of a size, no two the same.
func many(n, size int) (items [][]byte) {
	for i := range n {
		items = append(items, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, size/2))
	}
	return items
}

func TestServeCountsUploads(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	for i, items := range uploads {
		r, err := uploaded(ctx, t, s, "name", digest(items...), items...)
		if want := (webReceipt{Bytes: int64(len(bytes.Join(items, nil))), SHA256: hex.EncodeToString(digest(items...))}); err != nil || r != want {
			t.Errorf("upload %d: %+v, %v, want %+v", i, r, err, want)
		}
	}
}

func TestServeKeepsUploads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, ctx, s := webPage(t, "--files", dir)
	for i, items := range uploads {
		r, err := uploaded(ctx, t, s, "a.txt", digest(items...), items...)
		want := "a (" + string(rune('2'+i)) + ").txt"
		if err != nil || r.File != want {
			t.Fatalf("upload %d: %+v, %v, want the name %s", i, r, err, want)
		}
		if got, err := os.ReadFile(filepath.Join(dir, want)); err != nil || !bytes.Equal(got, bytes.Join(items, nil)) {
			t.Errorf("upload %d: %d bytes were kept, %v", i, len(got), err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a.txt")); err != nil || string(got) != "mine" {
		t.Errorf("what was there is now %q, %v", got, err)
	}
	for _, name := range []string{".hidden", ".hidden"} {
		if _, err := uploaded(ctx, t, s, name, digest()); err != nil {
			t.Fatal(err)
		}
	}
	if got := kept(t, dir); !slices.Contains(got, ".hidden (2)") {
		t.Errorf("there are %q", got)
	}
}

func TestServeVerifiesUploads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, ctx, s := webPage(t, "--files", dir)
	x := []byte("x")
	for _, c := range []struct {
		sum    []byte
		items  [][]byte
		reason string
	}{
		{digest([]byte("y")), [][]byte{x}, "the SHA-256 does not match"},
		{digest(), [][]byte{x}, "the SHA-256 does not match"},
		{nil, [][]byte{x}, "no SHA-256 came"},
		{nil, nil, "no SHA-256 came"},
		{nil, [][]byte{digest(x), x}, "no SHA-256 came"},
	} {
		_, err := uploaded(ctx, t, s, "bad", c.sum, c.items...)
		wantError(t, err, codeFailed, c.reason)
	}
	if got := kept(t, dir); len(got) > 0 {
		t.Errorf("there are %q", got)
	}
	_, err := uploaded(ctx, t, s, strings.Repeat("n", 300), digest(x), x)
	var se *omni.StreamError
	if !errors.As(err, &se) || se.Code != codeFailed {
		t.Errorf("a name that no file system takes: %v", err)
	}
}

// However an upload is cut off, nothing of it remains.
func TestServeUploadCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, ctx, s := webPage(t, "--files", dir)
	cuts := map[string]func(*mux.Session, *mux.Duplex[[]byte, []byte]){
		"failed":    func(_ *mux.Session, c *mux.Duplex[[]byte, []byte]) { c.Out.Cancel(omni.ErrCanceled) },
		"left":      func(_ *mux.Session, c *mux.Duplex[[]byte, []byte]) { c.Out.Cancel(nil); c.In.Cancel(nil) },
		"no answer": func(_ *mux.Session, c *mux.Duplex[[]byte, []byte]) { c.In.Cancel(nil); c.Out.Cancel(nil) },
		"cut":       func(s *mux.Session, _ *mux.Duplex[[]byte, []byte]) { s.Close() },
	}
	for name, cut := range cuts {
		_, one := client(t, streamsOf(p.url()), nil)
		c, err := one.Call(ctx, encode(map[string]any{"name": "upload", "id": 5, "file": name}))
		if err != nil {
			t.Fatal(err)
		}
		write(ctx, t, c.Out, "content")
		watching(ctx, t, one, 5, func(l laneState) bool { return l.Taken == 1 })
		if got := temporary(t, dir); got != 1 {
			t.Fatalf("%s: %d temporary files", name, got)
		}
		cut(one, c)
		deadline := time.Now().Add(patience)
		for temporary(t, dir) > 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the temporary file stays", name)
			}
			time.Sleep(time.Millisecond)
		}
		one.Close()
	}
	// One that is killed leaves what the next one removes.
	c, err := s.Call(ctx, encode(map[string]any{"name": "upload", "id": 5, "file": "killed"}))
	if err != nil {
		t.Fatal(err)
	}
	write(ctx, t, c.Out, "content")
	watching(ctx, t, s, 5, func(l laneState) bool { return l.Taken == 1 })
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if got := kept(t, dir); len(got) > 0 {
		t.Errorf("there are %q", got)
	}
	q, _, _ := webPage(t, "--files", dir)
	if got := temporary(t, dir); got != 0 {
		t.Errorf("%d temporary files of a dead process", got)
	}
	if onUnix() {
		q.signal(os.Interrupt)
		q.want(exitOK)
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%v are left", entries)
		}
	}
}

// temporary counts the files of uploads that are under way.
func temporary(t *testing.T, dir string) (n int) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, stagingPrefix+"*"+stagingSuffix, "[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
