//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
)

// diskUse is how much of the disk a file takes, in bytes.
func diskUse(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int64(info.Sys().(*syscall.Stat_t).Blocks) * 512
}
