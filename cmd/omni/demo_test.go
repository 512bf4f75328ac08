package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	from := sample(t)
	code, stdout, stderr := runTool(t, "demo", "--source", from, "--limit", "2MB/s")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	for _, row := range []string{
		`files +(\d+) +(\d+)`, `bytes +[1-9]\d+ +[1-9]\d+`, `MB/s +[\d.]+ +[\d.]+`, `streams +[1-9]\d* +[1-9]\d*`,
		`peak memory, sender +[\d.]+ MB +[\d.]+ MB`, `peak memory, receiver +[\d.]+ MB +[\d.]+ MB`,
		`hashes checked by the receiver +[1-9]\d* +[1-9]\d*`, `files hashed again, both sides +[1-9]\d* +[1-9]\d*`,
		`differences +0 +0`,
	} {
		if !regexp.MustCompile(`(?m)^` + row + `$`).MatchString(stdout) {
			t.Errorf("there is no row %q in\n%s", row, stdout)
		}
	}
	if !strings.Contains(stderr, "receiver at 2.0 MB/s") {
		t.Errorf("it says %q", stderr)
	}
}

func TestCompareFindsEveryDifference(t *testing.T) {
	tree := spec{"a": "content", "d/b": "x", "d/e/": "", "l": "-> a"}
	a := tree.build(t, t.TempDir())
	for why, change := range map[string]func(b string) error{
		"content": func(b string) error {
			if err := os.WriteFile(filepath.Join(b, "a"), []byte("cOntent"), 0o644); err != nil {
				return err
			}
			return os.Chtimes(filepath.Join(b, "a"), old, old)
		},
		"time":    func(b string) error { return os.Chtimes(filepath.Join(b, "a"), old, old.AddDate(1, 0, 0)) },
		"mode":    func(b string) error { return os.Chmod(filepath.Join(b, "d", "b"), 0o400) },
		"missing": func(b string) error { return os.Remove(filepath.Join(b, "l")) },
		"more":    func(b string) error { return os.Mkdir(filepath.Join(b, "f"), 0o755) },
		"link": func(b string) error {
			if err := os.Remove(filepath.Join(b, "l")); err != nil {
				return err
			}
			return os.Symlink("d", filepath.Join(b, "l"))
		},
	} {
		b := tree.build(t, t.TempDir())
		if c := same(t, a, b); c.hashed != 2 {
			t.Errorf("%d files were hashed", c.hashed)
		}
		if err := change(b); err != nil {
			t.Fatal(err)
		}
		if c, err := compareTrees(context.Background(), a, b); c.differ != 1 || err == nil {
			t.Errorf("%s: %d differences, %v", why, c.differ, err)
		}
	}
}
