package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// child is another process of this program, which speaks --json.
type child struct {
	cmd    *exec.Cmd
	events *json.Decoder
}

// startChild starts this program again. When ctx ends, the child is asked to
// stop, and stopped if it does not.
func startChild(ctx context.Context, std stdio, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = std.err // a file, so that a child sees that it is a terminal
	cmd.Cancel = func() error {
		if cmd.Process.Signal(os.Interrupt) != nil {
			return cmd.Process.Kill() // Windows has no such signal
		}
		return nil
	}
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd: cmd, events: json.NewDecoder(out)}, nil
}

// next returns the next event, io.EOF after the last.
func (c *child) next() (event, error) {
	var e event
	err := c.events.Decode(&e)
	return e, err
}

// drain reads all events, keeps the summary, and waits for the process.
func (c *child) drain(into *Summary, each func(event)) error {
	for {
		e, err := c.next()
		if err != nil {
			// After nonsense nobody would read on, and it would block.
			if err != io.EOF {
				_ = c.cmd.Process.Kill()
			} else {
				err = nil
			}
			return errors.Join(err, c.wait())
		}
		if e.Event == "summary" && e.Summary != nil {
			*into = *e.Summary
		}
		each(e)
	}
}

// wait waits for the process, after all of its output was read, and returns
// how it exited.
func (c *child) wait() error {
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("omni %s: %w", c.cmd.Args[1], err)
	}
	return nil
}
