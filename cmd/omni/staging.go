package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
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
			return &staging{root: root, name: name}, nil
		}
		// Between Mkdir and lock it looked like a dead process's, and
		// another process may have removed it, or be doing so.
		if err == nil {
			if _, err = root.Lstat(name); err == nil {
				return &staging{root: root, name: name, lock: lock}, nil
			}
			lock.Close()
		}
	}
	return nil, err
}

// removeStale removes the directories that no process holds. What it cannot
// remove stays; it is not this process's.
func removeStale(root *os.Root) {
	dir, err := root.Open(".")
	if err != nil {
		return
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(-1)
	for _, e := range entries {
		if !e.IsDir() || !isStaging(e.Name()) {
			continue
		}
		if lock, err := lockDir(root, e.Name()); err == nil {
			_ = root.RemoveAll(e.Name())
			lock.Close()
		}
	}
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
	err := s.root.RemoveAll(s.name)
	if s.lock != nil {
		s.lock.Close()
	}
	return err
}
