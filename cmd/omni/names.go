package main

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// refusal says that the receiver will not have an entry, whatever the sender
// does: it goes to the sender with the code "refused".
type refusal struct{ reason string }

// Error is the reason, marked as a refusal.
func (r refusal) Error() string { return "refused: " + r.reason }

// refusef makes a refusal. Its text goes to the sender, so it says nothing of
// this side but what the sender has sent.
func refusef(format string, args ...any) error { return refusal{fmt.Sprintf(format, args...)} }

// checkName refuses every path that is not a plain name below the directory,
// on this system.
func checkName(name string) error {
	switch {
	case name == "":
		return refusef("an empty name")
	case strings.ContainsRune(name, 0):
		return refusef("a name with a NUL")
	case strings.HasPrefix(name, "/"):
		return refusef("an absolute name")
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return refusef("a name with ..")
		}
		if err := checkElement(element, runtime.GOOS); err != nil {
			return err
		}
	}
	// One file has one name: two spellings of it could pass each other by.
	if path.Clean(name) != name || name == "." {
		return refusef("a name that is not in its shortest form")
	}
	if first, _, _ := strings.Cut(name, "/"); isStaging(first) {
		return refusef("a name that omni keeps for temporary files")
	}
	// The system's own opinion: on Windows NUL, COM1 and such are devices,
	// in every directory and with any ending.
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return refusef("a name that this system reserves")
	}
	return nil
}

// checkElement refuses what the file system of goos would not take for one
// plain name, or would silently change: the Windows API drops dots and spaces
// at the end, and takes a colon for a drive or a stream inside a file.
func checkElement(element, goos string) error {
	if goos != "windows" {
		return nil
	}
	if strings.ContainsAny(element, `\:*?"<>|`) {
		return refusef("a name with a character that Windows reserves")
	}
	if strings.ContainsFunc(element, func(r rune) bool { return r < ' ' }) {
		return refusef("a name with a control character")
	}
	if strings.HasSuffix(element, ".") || strings.HasSuffix(element, " ") {
		return refusef("a name that ends in a dot or a space")
	}
	return nil
}

// checkTarget refuses the target of a symbolic link that could lead out of
// the directory. The link is at name, whose parents are real directories. The
// target may climb only at its beginning, and no higher than the directory:
// after that it goes down, through directories or through links that obey the
// same rule. A ".." behind a name could climb from wherever a link of that
// name leads to.
func checkTarget(name, target string) error {
	switch {
	case target == "":
		return refusef("a symbolic link to nothing")
	case strings.ContainsRune(target, 0):
		return refusef("a symbolic link to a name with a NUL")
	case strings.HasPrefix(target, "/"):
		return refusef("a symbolic link to an absolute name")
	case runtime.GOOS == "windows" && (strings.ContainsAny(target, `\:`) || filepath.IsAbs(target)):
		return refusef("a symbolic link to a name of Windows")
	}
	depth := strings.Count(name, "/") // how often it may climb
	down := false                     // a name came, so it may not climb any more
	for element := range strings.SplitSeq(target, "/") {
		switch element {
		case "", ".":
		case "..":
			if depth--; down || depth < 0 {
				return refusef("a symbolic link that could lead out of the directory")
			}
		default:
			down = true
		}
	}
	return nil
}

// The directory of temporary files is named .omni-0123abcd.tmp.
const (
	stagingPrefix = ".omni-"
	stagingSuffix = ".tmp"
)

// isStaging reports whether name may be, on whatever file system, that of a
// directory of temporary files: no sender may use it.
func isStaging(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, stagingPrefix) && strings.HasSuffix(name, stagingSuffix)
}
