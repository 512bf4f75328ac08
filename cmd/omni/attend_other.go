//go:build !unix

package main

import "os"

// explainSignals ask for an explanation; there are none here.
var explainSignals []os.Signal
