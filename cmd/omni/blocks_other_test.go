//go:build !unix

package main

import (
	"os"
	"testing"
)

// diskUse is how long a file is, since the system does not say what it takes.
func diskUse(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
