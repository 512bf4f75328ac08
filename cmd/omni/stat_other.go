//go:build !unix

package main

import "io/fs"

// isSparse is not known: zeros are sent and written as any other content.
func isSparse(fs.FileInfo) bool { return false }
