package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func walked(ctx context.Context, list []source) (names []string) {
	walk(ctx, list, func(f found) bool {
		names = append(names, f.name)
		return true
	})
	return names
}

func TestWalkNamesThings(t *testing.T) {
	dir := spec{"d/f": "x", "d/e/": "", "d/l": "-> f", "d/sub/g": "y"}.build(t, t.TempDir())
	for _, c := range []struct {
		path string
		want []string
	}{
		{dir + "/d", []string{"d/e", "d/f", "d/l", "d/sub/g", "d/sub", "d"}},
		{dir + "/d/", []string{"e", "f", "l", "sub/g", "sub"}},
		{dir + "/d/.", []string{"e", "f", "l", "sub/g", "sub"}},
		{dir + "/d/f", []string{"f"}},
		{dir + "/d/l", []string{"l"}},
		{dir + "/d/sub/..", []string{"e", "f", "l", "sub/g", "sub"}},
	} {
		list, err := sources([]string{c.path})
		if err != nil {
			t.Fatal(err)
		}
		if got := walked(t.Context(), list); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.path, got, c.want)
		}
	}
}

func TestSourcesThatCannotBe(t *testing.T) {
	dir := spec{"a/x": "", "b/x": ""}.build(t, t.TempDir())
	for _, bad := range [][]string{{""}, {dir + "/none"}, {dir + "/a/x", dir + "/b/x"}, {dir + "/a/", dir + "/b/"}, {dir + "/a/", dir + "/b/x"}, {dir + "/b/x", dir + "/a/."}} {
		var usage usageError
		_, err := sources(bad)
		if !errors.As(err, &usage) {
			t.Errorf("%q: %v", bad, err)
			continue
		}
		if len(bad) == 2 && !(strings.Contains(err.Error(), "a/x") && strings.Contains(err.Error(), "b/x")) {
			t.Errorf("%q: %q does not name both", bad, err)
		}
	}
	for _, good := range [][]string{{dir + "/a", dir + "/b"}, {dir + "/a/", dir + "/b"}, {dir + "/a/"}} {
		if _, err := sources(good); err != nil {
			t.Error(err)
		}
	}
}

func TestWalkStops(t *testing.T) {
	dir := spec{"a": "", "b/c": "", "d": ""}.build(t, t.TempDir())
	n := 0
	walk(t.Context(), []source{{path: dir}}, func(found) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("it went on for %d", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := walked(ctx, []source{{path: dir}}); len(got) > 0 {
		t.Errorf("it yields %q after the end of its context", got)
	}
}

func TestWalkGoesOnAfterAnError(t *testing.T) {
	dir := spec{"a/x": "", "b": ""}.build(t, t.TempDir())
	var failed []string
	var rest []string
	walk(t.Context(), []source{{path: filepath.Join(dir, "none"), name: "none"}, {path: dir, name: "d"}}, func(f found) bool {
		if f.err != nil {
			failed = append(failed, f.name)
		} else {
			rest = append(rest, f.name)
		}
		return true
	})
	if !slices.Equal(failed, []string{"none"}) || !slices.Equal(rest, []string{"d/a/x", "d/a", "d/b", "d"}) {
		t.Errorf("failed %q, found %q", failed, rest)
	}
}

func TestSpecialFiles(t *testing.T) {
	for mode, want := range map[os.FileMode]bool{
		0o644: false, os.ModeDir | 0o755: false, os.ModeSymlink: false, os.ModeNamedPipe: true, os.ModeSocket: true,
		os.ModeDevice: true, os.ModeDevice | os.ModeCharDevice: true, os.ModeIrregular: true, os.ModeSetuid | 0o755: false,
	} {
		if got := special(mode); (got != "") != want {
			t.Errorf("%v: %q", mode, got)
		}
	}
}
