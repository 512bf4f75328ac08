//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package main

import (
	"errors"
	"os"
)

// lockDir is not available: what a killed process leaves behind is not found.
func lockDir(*os.Root, string) (*os.File, error) { return nil, errors.ErrUnsupported }
