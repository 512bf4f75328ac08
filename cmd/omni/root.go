package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// version is that of the tool; the protocol has its own.
const (
	version         = "0.1.0"
	protocolVersion = 1
)

// stdio is what the process was started with.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, std stdio, args []string) int {
	stdout := &checkedWriter{w: std.out}
	std.out = stdout
	root := newRootCommand(std)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var begun startedError
	if err != nil && !errors.As(err, &begun) {
		err = usageError{err} // the library found it, before anything ran
	}
	// What somebody asked for and did not get is not well.
	if lost := stdout.failure(); lost != nil && (err == nil || errors.Is(err, errSkipped) || errors.Is(err, lost)) {
		err = fmt.Errorf("standard output: %w", bare(lost))
	}
	if err == nil {
		return exitOK
	}
	code := exitCode(err)
	events, text := streams(cmd, std, args)
	if code == exitUsage && events != nil { // others are in the summary
		_ = json.NewEncoder(events).Encode(event{Event: "error", Reason: oneLine(err)})
	}
	if code != exitSkipped { // which has been told by the summary
		fmt.Fprintf(text, "%s: %s\n", cmd.CommandPath(), oneLine(err))
	}
	if code == exitUsage {
		fmt.Fprintf(text, "Run '%s --help' for how to call it.\n", cmd.CommandPath())
	}
	return code
}

// streams says where events go, nil without --json, and where text does. It
// looks at the command line too, which may be wrong before the flags are set.
func streams(cmd *cobra.Command, std stdio, args []string) (events, text io.Writer) {
	given := func(name string, in func(string) bool) bool {
		f := cmd.Flags().Lookup(name)
		return f != nil && in(f.Value.String())
	}
	isStdio := func(s string) bool { return strings.Contains(strings.ToLower(s), "stdio:") }
	if !given("json", func(s string) bool { return s == "true" }) && !slices.Contains(args, "--json") {
		return nil, std.err
	}
	if given("listen", isStdio) || given("connect", isStdio) || slices.ContainsFunc(args, isStdio) {
		return std.err, io.Discard
	}
	return std.out, std.err
}

// checkedWriter keeps the first error of a writer.
type checkedWriter struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

// Write implements io.Writer.
func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err == nil {
			c.err = err
		}
	}
	return n, err
}

// failure is that error.
func (c *checkedWriter) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// startedError marks the errors of commands that ran, to tell them from those
// of the command line.
type startedError struct{ error }

// Unwrap returns the error itself.
func (e startedError) Unwrap() error { return e.error }

// started makes a command's function mark its errors.
func started(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			return startedError{err}
		}
		return nil
	}
}

// newRootCommand is omni with all its commands.
func newRootCommand(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "omni",
		Short: "Streams between two processes, with backpressure",
		Long: `Streams between two processes, with backpressure: many at a time over one
WebSocket, TCP or TLS connection, Unix socket or pair of pipes. A writer never
runs further ahead than its reader asked for.

` + exitCodes,
		Version:       fmt.Sprintf("%s (protocol %d, %s, %s/%s)", version, protocolVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return fmt.Errorf("a command is needed: recv, send, pipe, echo, conform, serve or demo")
		},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetHelpCommand(newHelpCommand())
	root.AddCommand(newRecvCommand(std), newSendCommand(std), newPipeCommand(std), newEchoCommand(std), newConformCommand(std), newServeCommand(std), newDemoCommand(std))
	for _, cmd := range root.Commands() {
		cmd.Long += "\n\n" + exitCodes
		cmd.DisableFlagsInUseLine = true
	}
	return root
}

// newHelpCommand is omni help. The library's own takes any word.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			for _, c := range cmd.Root().Commands() {
				if len(args) == 0 && c.IsAvailableCommand() {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("there is no command %q", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// display is the flags of the commands that show progress.
type display struct{ quiet, json bool }

// register adds the flags to a command.
func (d *display) register(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&d.quiet, "quiet", "q", false, "no progress and no summary, only warnings")
	cmd.Flags().BoolVar(&d.json, "json", false, "tell programs on standard output: one JSON object a line, a summary last;\nif that carries the data, on standard error in place of the text")
}

// output makes the output of a command; data says that stdout is taken.
func (d *display) output(cmd string, std stdio, data bool) *output {
	o := &output{cmd: cmd, data: data, quiet: d.quiet, stdout: std.out, text: std.err}
	if d.json {
		w := std.out
		if data {
			w, o.text, o.quiet = std.err, io.Discard, true
		}
		o.events = json.NewEncoder(w)
	}
	return o
}

// summarize says at the end what happened. The error is told by execute.
func (o *output) summarize(c *counts, verb string, began time.Time, err error) {
	s := c.summary(began)
	s.OK, s.Error = err == nil, errorText(err)
	o.emit(event{Event: "summary", Summary: s})
	if err == nil || errors.Is(err, errSkipped) {
		o.say("%s", s.line(verb))
	}
}

// errorText is err for a JSON field, "" for none.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return oneLine(err)
}
