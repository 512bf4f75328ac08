//go:build unix

package main

import (
	"runtime"
	"syscall"
)

// peakOfSystem is the most memory that was resident, in bytes, 0 if the system
// does not say.
func peakOfSystem() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss) // bytes there, kilobytes elsewhere
	}
	return int64(u.Maxrss) << 10
}
