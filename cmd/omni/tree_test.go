package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// put receives a file the way the receiver does.
func put(tr *tree, e entry, content string, sum []byte) (had bool, err error) {
	p, _, err := tr.begin(&e)
	if err != nil || p == nil {
		return err == nil, err
	}
	defer p.abort()
	for _, item := range [][]byte{[]byte(content), sum} {
		if item != nil {
			if err := p.add(item); err != nil {
				return false, err
			}
		}
	}
	return false, p.commit()
}

func sumOf(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return sum[:]
}

func fileEntry(name, content string) entry {
	return entry{Name: nameFile, Path: wireName(name), Size: int64(len(content)), Mode: 0o640, MTime: wireTime{old}}
}

func TestFileArrivesWhole(t *testing.T) {
	tr := testTree(t)
	if had, err := put(tr, fileEntry("a/b/c", "content"), "content", sumOf("content")); had || err != nil {
		t.Fatal(had, err)
	}
	path := filepath.Join(tr.root.Name(), "a", "b", "c")
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "content" {
		t.Fatalf("%q, %v", data, err)
	}
	info, _ := os.Stat(path)
	if !info.ModTime().Equal(old) || onUnix() && info.Mode() != 0o640 {
		t.Errorf("mode %v, time %v", info.Mode(), info.ModTime())
	}
	// What is there need not be sent again, but its mode is made right.
	e := fileEntry("a/b/c", "content")
	e.Mode = 0o600
	if had, err := put(tr, e, "", nil); !had || err != nil {
		t.Errorf("had %v, %v", had, err)
	}
	if info, _ := os.Stat(path); onUnix() && info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestFileThatIsNotWholeLeavesNothing(t *testing.T) {
	tr := testTree(t)
	long := fileEntry("f", "cont")
	short := fileEntry("f", "content and more")
	for why, err := range map[string]error{
		"wrong hash":    second(put(tr, fileEntry("f", "content"), "content", sumOf("Content"))),
		"short hash":    second(put(tr, fileEntry("f", "content"), "content", sumOf("content")[:31])),
		"no hash":       second(put(tr, fileEntry("f", "content"), "content", nil)),
		"too long":      second(put(tr, long, "content", sumOf("content"))),
		"too short":     second(put(tr, short, "content", nil)),
		"hash as data":  second(put(tr, short, "content", sumOf("content"))),
		"empty no hash": second(put(tr, fileEntry("f", ""), "", nil)),
	} {
		if err == nil {
			t.Errorf("%s: no error", why)
		}
	}
	if _, err := tr.root.Lstat("f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("f is there: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(tr.root.Name(), tr.staging.name)); len(left) != 1 || left[0].Name() != stagingMark {
		t.Errorf("temporary files are left: %v", left)
	}
	p, _, err := tr.begin(ptr(fileEntry("f", "content")))
	if err != nil {
		t.Fatal(err)
	}
	if p.add([]byte("content")) != nil || p.add(sumOf("content")) != nil || p.add(nil) == nil {
		t.Error("an item after the hash is taken")
	}
	p.abort()
	p.abort()
}

func second(_ bool, err error) error { return err }
func ptr[T any](v T) *T              { return &v }

func TestNothingIsWrittenOutside(t *testing.T) {
	tr := testTree(t)
	outside := filepath.Join(filepath.Dir(tr.root.Name()), "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(tr.root.Name(), "planted")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../outside/f", "planted/f", "planted/d/f", outside + "/f"} {
		if _, err := put(tr, fileEntry(name, "x"), "x", sumOf("x")); err == nil {
			t.Errorf("%s is taken", name)
		}
		e := fileEntry(name, "")
		if err := tr.directory(&e); err == nil {
			t.Errorf("directory %s is taken", name)
		}
		e.Target = "x"
		if _, err := tr.symlink(&e); err == nil {
			t.Errorf("link %s is taken", name)
		}
	}
	// A link that is in the way of a file is replaced, never followed.
	if err := os.WriteFile(filepath.Join(outside, "f"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "f"), filepath.Join(tr.root.Name(), "f")); err != nil {
		t.Fatal(err)
	}
	if _, err := put(tr, fileEntry("f", "theirs"), "theirs", sumOf("theirs")); err != nil {
		t.Error(err)
	}
	if data, _ := os.ReadFile(filepath.Join(outside, "f")); string(data) != "mine" {
		t.Errorf("the file outside is now %q", data)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("outside there is now %v", entries)
	}
}

func TestLinkPlantedInTheSameTransfer(t *testing.T) {
	tr := testTree(t)
	if _, err := put(tr, fileEntry("real/f", "x"), "x", sumOf("x")); err != nil {
		t.Fatal(err)
	}
	// Even one that stays inside is not written through.
	if _, err := tr.symlink(&entry{Path: "d", Target: "real"}); err != nil {
		t.Fatal(err)
	}
	var no refusal
	if _, err := put(tr, fileEntry("d/g", "x"), "x", sumOf("x")); !errors.As(err, &no) {
		t.Errorf("a file through a link: %v", err)
	}
	// And a directory that was written to does not become a link.
	if _, err := tr.symlink(&entry{Path: "real", Target: "d"}); err == nil {
		t.Error("a link takes the place of a directory")
	}
}

func TestKindsThatDoNotReplaceEachOther(t *testing.T) {
	tr := testTree(t)
	if err := tr.directory(&entry{Path: "d/e", Mode: 0o755, MTime: wireTime{old}}); err != nil {
		t.Fatal(err)
	}
	if _, err := put(tr, fileEntry("d/e", "x"), "x", sumOf("x")); err == nil {
		t.Error("a file takes the place of a directory")
	}
	if _, err := put(tr, fileEntry("f", "x"), "x", sumOf("x")); err != nil {
		t.Fatal(err)
	}
	if err := tr.directory(&entry{Path: "f", Mode: 0o755}); err == nil {
		t.Error("a directory takes the place of a file")
	}
	if _, err := put(tr, fileEntry("f/g", "x"), "x", sumOf("x")); err == nil {
		t.Error("there is a file below a file")
	}
}

func TestSymlinksAreMadeAndReplaced(t *testing.T) {
	tr := testTree(t)
	for i, target := range []string{"a", "a", "b/c"} {
		had, err := tr.symlink(&entry{Path: "d/l", Target: wireName(target)})
		if err != nil || had != (i == 1) {
			t.Errorf("%s: had %v, %v", target, had, err)
		}
		if got, _ := tr.root.Readlink("d/l"); got != target {
			t.Errorf("it links to %s, not %s", got, target)
		}
	}
}

func TestDirectoryGetsModeAndTime(t *testing.T) {
	tr := testTree(t)
	e := entry{Path: "d", Mode: 0o550, MTime: wireTime{old}}
	if err := tr.directory(&e); err != nil {
		t.Fatal(err)
	}
	info, _ := tr.root.Lstat("d")
	if !info.ModTime().Equal(old) || onUnix() && info.Mode().Perm() != 0o550 {
		t.Errorf("mode %v, time %v", info.Mode(), info.ModTime())
	}
	// A later run still gets into it.
	if _, err := put(tr, fileEntry("d/f", "x"), "x", sumOf("x")); err != nil {
		t.Error(err)
	}
	_ = tr.root.Chmod("d", 0o700)
}

func TestNewDirectoriesArePrivateUntilTheEnd(t *testing.T) {
	tr := testTree(t)
	if _, err := put(tr, fileEntry("secret/f", "x"), "x", sumOf("x")); err != nil {
		t.Fatal(err)
	}
	if info, _ := tr.root.Lstat("secret"); onUnix() && info.Mode().Perm() != 0o700 {
		t.Errorf("mode is %v before the sender said which", info.Mode())
	}
}

func TestChecksumComparesContent(t *testing.T) {
	tr := testTree(t)
	if _, err := put(tr, fileEntry("f", "content"), "content", sumOf("content")); err != nil {
		t.Fatal(err)
	}
	e := fileEntry("f", "content")
	e.MTime = wireTime{old.Add(time.Hour)}
	e.SHA256 = hex.EncodeToString(sumOf("content"))
	p, checked, err := tr.begin(&e)
	if p != nil || !checked || err != nil {
		t.Errorf("the same content: needed %v, checked %v, %v", p != nil, checked, err)
	}
	if info, _ := tr.root.Lstat("f"); !info.ModTime().Equal(e.MTime.Time) {
		t.Errorf("its time is %v", info.ModTime())
	}
	e.SHA256 = hex.EncodeToString(sumOf("cOntent"))
	p, _, err = tr.begin(&e)
	if p == nil || err != nil {
		t.Fatalf("other content of the same size and time is taken for the same: %v", err)
	}
	p.abort()
}

func TestSameNameTwice(t *testing.T) {
	tr := testTree(t)
	p, _, err := tr.begin(ptr(fileEntry("f", "x")))
	if err != nil {
		t.Fatal(err)
	}
	var no refusal
	if _, err := put(tr, fileEntry("f", "x"), "x", sumOf("x")); !errors.As(err, &no) {
		t.Errorf("the same name twice at a time: %v", err)
	}
	p.abort()
	if _, err := put(tr, fileEntry("f", "x"), "x", sumOf("x")); err != nil {
		t.Errorf("after the first gave up: %v", err)
	}
}

func TestNamesThatDifferInCase(t *testing.T) {
	tr := testTree(t)
	tr.folds = true // as the file systems of macOS and Windows do
	if _, err := put(tr, fileEntry("Makefile", "x"), "x", sumOf("x")); err != nil {
		t.Fatal(err)
	}
	var no refusal
	if _, err := put(tr, fileEntry("makefile", "y"), "y", sumOf("y")); !errors.As(err, &no) {
		t.Errorf("got %v, want a refusal", err)
	}
	if had, err := put(tr, fileEntry("Makefile", "x"), "", nil); !had || err != nil {
		t.Errorf("the same name again: %v, %v", had, err)
	}
}

func TestManyDirectoriesAreNotRemembered(t *testing.T) {
	tr := testTree(t)
	for i := range maxKnown + 10 {
		tr.known[strings.Repeat("x", i)] = true
	}
	if err := tr.ensureDir("a/b"); err != nil {
		t.Fatal(err)
	}
	if len(tr.known) > maxKnown {
		t.Errorf("%d are remembered", len(tr.known))
	}
}

func TestStaleTemporariesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, ".omni-00000000.tmp")
	spec{"1": "half a file", stagingMark: ""}.build(t, stale)
	mine := []string{".omni-notes.tmp", ".omni-0123abcd.tmp", ".omni-0123ABCD.tmp", ".omni-0123abcde.tmp", ".omni-.tmp"}
	for i, name := range mine {
		files := spec{"1": "mine"}
		if i != 1 { // this one has the name, but not the mark
			files[stagingMark] = ""
		}
		files.build(t, filepath.Join(dir, name))
	}
	first, err := openTree(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.staging.lock == nil {
		return // a system that cannot tell who is alive
	}
	if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of a dead process is left: %v", err)
	}
	for _, name := range mine {
		if data, _ := os.ReadFile(filepath.Join(dir, name, "1")); string(data) != "mine" {
			t.Errorf("%s was not made by omni and is gone", name)
		}
	}
	second, err := openTree(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := put(first, fileEntry("f", "x"), "x", sumOf("x")); err != nil {
		t.Errorf("the directory of a living process is gone: %v", err)
	}
}

func TestTreeIsForMany(t *testing.T) {
	tr := testTree(t)
	done := make(chan error)
	for i := range 8 {
		go func() {
			content := blob(string(rune('a'+i)), 1000)
			_, err := put(tr, fileEntry("d/e/"+string(rune('a'+i)), content), content, sumOf(content))
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestBareErrors(t *testing.T) {
	_, err := os.Open(filepath.Join(t.TempDir(), "none"))
	if got := bare(err); strings.Contains(got.Error(), "none") {
		t.Errorf("%v has the name in it", got)
	}
	if got := bare(os.Rename(filepath.Join(t.TempDir(), "none"), "x")); bytes.Contains([]byte(got.Error()), []byte("none")) {
		t.Errorf("%v has the name in it", got)
	}
}
