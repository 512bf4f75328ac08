package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

// tree writes below one directory and nowhere else, whatever names it is
// given. Three things see to that, each on its own: checkName and checkTarget
// refuse names by their text, ensureDir refuses a symbolic link among the
// parents, and os.Root refuses to follow one out.
//
// It is safe for concurrent use, by several senders too.
type tree struct {
	root    *os.Root
	staging *staging // where files are until they are whole
	fsync   bool     // have files on the disk before they get their name
	folds   bool     // upper and lower case are the same here

	mu      sync.Mutex
	busy    map[string]bool   // by key: being received
	claimed map[string]string // by key: the path that was received; used if folds
	known   map[string]bool   // directories that ensureDir has seen
}

// Directories that are remembered as real, at most; then it starts over. A
// sender must not be able to fill the memory with names.
const maxKnown = 4096

// openTree makes dir if it is missing, and what is needed inside it.
func openTree(dir string, fsync bool) (*tree, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	staging, err := newStaging(root)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("cannot write to %s: %w", dir, bare(err))
	}
	return &tree{
		root: root, staging: staging, fsync: fsync, folds: staging.folds(),
		busy: map[string]bool{}, claimed: map[string]string{}, known: map[string]bool{},
	}, nil
}

// Close removes the temporary files, those of entries that are being
// received too.
func (t *tree) Close() error { return errors.Join(t.staging.Close(), t.root.Close()) }

// key is the same for names that the file system takes for the same.
func (t *tree) key(name string) string {
	if t.folds {
		return strings.ToLower(name)
	}
	return name
}

// claim checks an entry's name and reserves it until release.
func (t *tree) claim(name string) (release func(), err error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	key := t.key(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[key] {
		return nil, refusef("another file of that name is just being received")
	}
	if other, ok := t.claimed[key]; t.folds && ok && other != name {
		return nil, refusef("its name differs from that of %q in case only, which is the same here", other)
	}
	t.busy[key] = true
	if t.folds {
		t.claimed[key] = name
	}
	return func() {
		t.mu.Lock()
		delete(t.busy, key)
		t.mu.Unlock()
	}, nil
}

// ensureDir makes the directory name and its parents, as far as they are
// missing. A new one is its owner's alone until its mode comes, which is last.
func (t *tree) ensureDir(name string) error {
	if name == "." || t.isKnown(name) {
		return nil
	}
	if err := t.ensureDir(path.Dir(name)); err != nil {
		return err
	}
	info, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = t.root.Mkdir(name, 0o700); errors.Is(err, fs.ErrExist) {
			err = nil // another worker was faster; Lstat says with what
		}
		if err == nil {
			info, err = t.root.Lstat(name)
		}
	}
	switch {
	case err != nil:
		return err
	// os.Root would follow it if it stays inside. But what the sender calls
	// a directory is a directory, or a link that it planted a moment ago
	// would decide where its next file goes.
	case info.Mode().Type() == fs.ModeSymlink:
		return refusef("%q is a symbolic link here, not a directory", name)
	case !info.IsDir():
		return fmt.Errorf("%q is a file here, not a directory", name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	t.known[name] = true
	return nil
}

// isKnown reports whether ensureDir has seen that name as a directory. It stays
// one: nothing here takes a directory's place.
func (t *tree) isKnown(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[name]
}

// reach runs f, and once more with its parents made accessible if f was not
// permitted: an earlier run may have made a directory read-only, as it is at
// the sender. Its mode is set again at the end.
func (t *tree) reach(name string, f func() error) error {
	// Only once it failed: most trees have no such directories.
	err := f()
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for i, c := range name {
		if c != '/' {
			continue
		}
		info, e := t.root.Lstat(name[:i])
		if e != nil || !info.IsDir() {
			return err
		}
		if info.Mode().Perm()&0o700 != 0o700 && t.root.Chmod(name[:i], info.Mode().Perm()|0o700) != nil {
			return err
		}
	}
	return f()
}

// directory makes a directory as the sender has it. It is called when all
// that is in it has arrived: after that it may be read-only, and its time is
// not changed any more.
func (t *tree) directory(e *entry) error {
	name := string(e.Path)
	release, err := t.claim(name)
	if err != nil {
		return err
	}
	defer release()
	return t.reach(name, func() error {
		if err := t.ensureDir(name); err != nil {
			return err
		}
		return t.setAttributes(name, e)
	})
}

// setAttributes sets mode and time of a file or directory.
func (t *tree) setAttributes(name string, e *entry) error {
	// The mode last: it may forbid everything. The zero time changes nothing.
	if err := t.root.Chtimes(name, time.Time{}, e.MTime.settable()); err != nil {
		return err
	}
	return t.root.Chmod(name, e.perm())
}

// symlink makes a symbolic link, by a rename like a file, and reports whether
// it was there already.
func (t *tree) symlink(e *entry) (had bool, err error) {
	name := string(e.Path)
	release, err := t.claim(name)
	if err != nil {
		return false, err
	}
	defer release()
	if err := checkTarget(name, string(e.Target)); err != nil {
		return false, err
	}
	err = t.reach(name, func() error {
		if err := t.ensureDir(path.Dir(name)); err != nil {
			return err
		}
		info, err := t.root.Lstat(name)
		if err == nil && info.IsDir() {
			return errors.New("it is a directory here")
		}
		if err == nil && info.Mode().Type() == fs.ModeSymlink {
			if target, err := t.root.Readlink(name); err == nil && target == string(e.Target) {
				had = true
				return nil // links have no mode or time to set
			}
		}
		temp := t.staging.next()
		if err := t.root.Symlink(string(e.Target), temp); err != nil {
			return err
		}
		if err := t.root.Rename(temp, name); err != nil {
			_ = t.root.Remove(temp)
			return err
		}
		return nil
	})
	return had, err
}

// has reports whether a file is here that need not be sent: of the same size
// and time, or with a hash the same by that, in which case checked says so.
// Its mode, and with a hash its time, are made those of the sender.
func (t *tree) has(e *entry) (had, checked bool, err error) {
	name := string(e.Path)
	info, err := t.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, false, nil
	case err != nil:
		return false, false, err
	case info.IsDir():
		return false, false, errors.New("it is a directory here")
	case !info.Mode().IsRegular() || info.Size() != e.Size:
		return false, false, nil
	case e.SHA256 == "":
		if !sameTime(info.ModTime(), e.MTime.settable()) {
			return false, false, nil
		}
		if info.Mode().Perm() == e.perm() {
			return true, false, nil
		}
		return true, false, t.root.Chmod(name, e.perm())
	}
	if sum, err := t.hash(name); err != nil || sum != e.SHA256 {
		return false, false, nil // what cannot be read is replaced
	}
	return true, true, t.setAttributes(name, e)
}

// hash is the SHA-256 of a file in hex.
func (t *tree) hash(name string) (string, error) {
	f, err := t.root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sameTime compares as coarsely as the coarsest of the usual file systems
// that keep fractions at all does (NTFS: 100 ns).
func sameTime(a, b time.Time) bool {
	d := a.Sub(b)
	return d > -time.Microsecond && d < time.Microsecond
}

// bare is the reason inside an error of package os, without the call and the
// names, which the line around it has.
func bare(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}
