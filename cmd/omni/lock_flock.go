//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"errors"
	"os"
	"syscall"
)

// lockDir locks a directory for as long as the file that it returns is open;
// the system lets go of it when the process dies. A file system that cannot
// lock is errors.ErrUnsupported, a directory that is locked any other error.
func lockDir(root *os.Root, name string) (*os.File, error) {
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return dir, nil
	}
	dir.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, err
	}
	return nil, errors.ErrUnsupported
}
