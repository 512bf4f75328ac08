//go:build unix

package main

import "syscall"

// openFlags keep the open of a file that has become a named pipe since it was
// looked at from waiting for a writer.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOFOLLOW
