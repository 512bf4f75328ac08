package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
)

// staging is the directory of temporary files, inside the directory that is
// written to: a rename out of it is atomic there. It is locked while its
// process lives, so that what a killed process left behind can be told from
// what another one is using.
type staging struct {
	root *os.Root      // the directory that is written to
	name string        // below root
	lock *os.File      // nil where directories cannot be locked
	last atomic.Uint64 // number of the newest file
}

// newStaging removes what dead processes left in root and makes a directory.
func newStaging(root *os.Root) (*staging, error) {
	removeStale(root)
	var err error
	for range 10 {
		var random [4]byte
		rand.Read(random[:]) // never fails
		name := stagingPrefix + hex.EncodeToString(random[:]) + stagingSuffix
		if err = root.Mkdir(name, 0o700); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		var lock *os.File
		lock, err = lockDir(root, name)
		if errors.Is(err, errors.ErrUnsupported) {
			return marked(&staging{root: root, name: name})
		}
		// Between Mkdir and lock it looked like a dead process's, and
		// another process may have removed it, or be doing so.
		if err == nil {
			if _, err = root.Lstat(name); err == nil {
				return marked(&staging{root: root, name: name, lock: lock})
			}
			lock.Close()
		}
		_ = root.Remove(name) // it is empty
	}
	return nil, err
}

// stagingName is what newStaging calls its directories.
var stagingName = regexp.MustCompile(`^\.omni-[0-9a-f]{8}\.tmp$`)

// stagingMark is a file that says whose directory it is: a user may have one
// of such a name too.
const stagingMark = "made-by-omni"

// marked makes that file. If it cannot, on a full disk for example, nothing is
// left of the directory.
func marked(s *staging) (*staging, error) {
	if err := s.root.WriteFile(s.name+"/"+stagingMark, nil, 0o600); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// removeStale removes those of these directories that no process holds. What it cannot
// remove stays; it is not this process's.
func removeStale(root *os.Root) {
	dir, err := root.Open(".")
	if err != nil {
		return
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(-1)
	for _, e := range entries {
		if !e.IsDir() || !stagingName.MatchString(e.Name()) {
			continue
		}
		lock, err := lockDir(root, e.Name())
		if err != nil {
			continue
		}
		if info, err := root.Lstat(e.Name() + "/" + stagingMark); err == nil && info.Mode().IsRegular() {
			_ = removeMarked(root, e.Name())
		} else {
			_ = root.Remove(e.Name()) // it was killed before the mark, or it is someone else's and full
		}
		lock.Close()
	}
}

// removeMarked removes a directory of temporary files, its mark after all
// others: if this process is killed on the way, the next one must still see
// whose the rest is.
func removeMarked(root *os.Root, name string) error {
	if dir, err := root.Open(name); err == nil {
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		for _, n := range names {
			if n != stagingMark {
				_ = root.RemoveAll(name + "/" + n) // what stays is found below
			}
		}
	}
	return root.RemoveAll(name)
}

// next returns the name of a file that does not exist yet.
func (s *staging) next() string {
	return s.name + "/" + strconv.FormatUint(s.last.Add(1), 10)
}

// folds reports whether the file system takes upper and lower case for the
// same.
func (s *staging) folds() bool {
	_, err := s.root.Lstat(strings.ToUpper(s.name))
	return err == nil
}

// Close removes the directory with all that is in it.
func (s *staging) Close() error {
	err := removeMarked(s.root, s.name)
	if s.lock != nil {
		s.lock.Close()
	}
	return err
}
