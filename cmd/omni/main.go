package main

import "os"

// main leaves everything to run, whose deferred calls os.Exit would skip.
func main() { os.Exit(run()) }

// run is main with the exit code as its result.
func run() int {
	ctx, stop := signalContext()
	defer stop()
	return execute(ctx, stdio{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
}
