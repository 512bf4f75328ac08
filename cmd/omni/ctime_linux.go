package main

import (
	"io/fs"
	"syscall"
)

// rewritten reports whether the inode of a file changed between two looks, for no
// reason that can be seen: its content may have been written and its time put
// back. A change of mode, owner or links (what happens to a file that is
// replaced by another) is a reason of its own, and the content stays. A new name
// or attribute cannot be told from a rewrite: such a file is sent again.
func rewritten(before, now fs.FileInfo) bool {
	a, ok := before.Sys().(*syscall.Stat_t)
	b, also := now.Sys().(*syscall.Stat_t)
	return ok && also && a.Ctim != b.Ctim &&
		a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid && a.Nlink == b.Nlink
}
