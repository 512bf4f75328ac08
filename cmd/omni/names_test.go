package main

import (
	"errors"
	"strings"
	"testing"
)

func TestNamesThatLeadOutAreRefused(t *testing.T) {
	bad := []string{
		"", ".", "..", "/", "/etc/passwd", "../a", "a/../../b", "a/..", "a/./b", "./a", "a//b", "a/", "//a",
		"a\x00b", "\x00", ".omni-12345678.tmp", ".omni-x.tmp/1", ".OMNI-X.TMP", "a/../.omni-x.tmp/1",
	}
	for _, name := range bad {
		var no refusal
		if err := checkName(name); !errors.As(err, &no) {
			t.Errorf("checkName(%q) = %v, want a refusal", name, err)
		}
	}
	good := []string{"a", "a/b/c", "..a", "a..", "...", "-rf", " ", "a b", ".hidden", ".omni-notes", "ä/日本", "a\nb"}
	if onUnix() {
		good = append(good, `a\b`, "c:", "CON", "a.", "\xff\xfe", `..\a`)
	}
	for _, name := range good {
		if err := checkName(name); err != nil {
			t.Errorf("checkName(%q) = %v", name, err)
		}
	}
}

func TestNamesThatWindowsReserves(t *testing.T) {
	for _, element := range []string{`a\b`, "c:", "a:b", "a*", "a?", `"`, "<", ">", "|", "a.", "a ", "a\x01", "..."} {
		if checkElement(element, "windows") == nil {
			t.Errorf("%q is taken on Windows", element)
		}
		if err := checkElement(element, "linux"); err != nil {
			t.Errorf("%q is refused on Linux: %v", element, err)
		}
	}
	if err := checkElement("a.b", "windows"); err != nil {
		t.Error(err)
	}
}

func TestSymlinkTargets(t *testing.T) {
	for _, c := range []struct {
		name, target string
		ok           bool
	}{
		{"l", "a", true}, {"l", "a/b", true}, {"l", "./a", true}, {"l", ".", true}, {"d/l", "..", true},
		{"d/l", "../a", true}, {"d/e/l", "../../a/b", true}, {"d/l", "a//b/", true},
		{"l", "", false}, {"l", "/", false}, {"l", "/etc/passwd", false}, {"l", "..", false}, {"l", "../a", false},
		{"d/l", "../..", false}, {"d/l", "../../in/a", false}, {"l", "a\x00", false},
		// Where "a" is a link to something deep, ".." after it climbs from there.
		{"l", "a/..", false}, {"d/e/l", "a/../b", false}, {"d/e/l", "../a/..", false}, {"d/l", "./../..", false},
	} {
		if err := checkTarget(c.name, c.target); (err == nil) != c.ok {
			t.Errorf("%s -> %s: %v", c.name, c.target, err)
		}
	}
}

func TestPrintableIsOneLine(t *testing.T) {
	in := "a\nb\tc\x1b[31m\r\u202edetrever\u2028\x7f\u0085 ä"
	if got, want := printable(in), "a b c?[31m ?detrever??? ä"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := oneLine(errors.New("x\ny")); strings.Contains(got, "\n") {
		t.Errorf("%q has two lines", got)
	}
}
