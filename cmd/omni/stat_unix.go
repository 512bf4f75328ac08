//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// isSparse reports whether a file has fewer blocks on the disk than its size
// takes. That may also be since the file system compresses it, which does no
// harm: zeros are still zeros.
func isSparse(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	const blockSize = 512 // whatever the blocks of the file system are
	return ok && int64(s.Blocks)*blockSize < s.Size
}
