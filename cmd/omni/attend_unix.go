//go:build unix

package main

import (
	"os"
	"syscall"
)

// explainSignals ask for an explanation.
var explainSignals = []os.Signal{syscall.SIGUSR1}
