package main

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// spec describes a tree: names to contents; "dir/" is an empty directory and
// "-> target" the content of a symbolic link.
type spec map[string]string

// old is a time that no test produces by chance.
var old = time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)

// build makes the tree below dir, with times of long ago.
func (s spec) build(t *testing.T, dir string) string {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range s {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			check(os.MkdirAll(path, 0o755))
			continue
		}
		check(os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			check(os.Symlink(target, path))
			continue
		}
		check(os.WriteFile(path, []byte(content), 0o644))
		check(os.Chtimes(path, old, old))
	}
	// Last, or what is made in a directory would change its time.
	check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != dir {
			err = os.Chtimes(path, old, old)
		}
		return err
	}))
	return dir
}

// blob is n bytes that differ with seed.
func blob(seed string, n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(b) // never fails
	return string(b)
}

// same fails unless the two trees are.
func same(t *testing.T, a, b string) comparison {
	t.Helper()
	c, err := compareTrees(context.Background(), a, b)
	if err != nil {
		t.Fatalf("%s and %s: %v", a, b, err)
	}
	return c
}

// whole fails if a file in b is not as in a: there may be fewer, but none that
// is half there, and no temporary file.
func whole(t *testing.T, a, b string) (files int) {
	t.Helper()
	err := filepath.WalkDir(b, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			name, _ := filepath.Rel(b, path)
			want, _ := os.ReadFile(filepath.Join(a, name))
			got, err := os.ReadFile(path)
			if err != nil || string(got) != string(want) {
				t.Errorf("%s is not whole: %d bytes of %d (%v)", name, len(got), len(want), err)
			}
			files++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	noStaging(t, b)
	return files
}

// noStaging fails if temporary files are left in dir.
func noStaging(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if isStaging(e.Name()) {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// isLinux is where even a file that was written and got its time back is told.
const isLinux = runtime.GOOS == "linux"

// onUnix ends a test that is about things which only Unix has. It is not a
// skip: there is nothing to test elsewhere.
func onUnix() bool { return runtime.GOOS != "windows" && runtime.GOOS != "plan9" }

// testTree opens a tree in a new directory.
func testTree(t *testing.T) *tree {
	t.Helper()
	tr, err := openTree(filepath.Join(t.TempDir(), "in"), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		noStaging(t, tr.root.Name())
	})
	return tr
}
