package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// demoRun is one transfer of the demonstration.
type demoRun struct {
	title    string   // of the column
	limit    rateFlag // of the receiver; 0 for none
	sender   Summary  // what the processes say about themselves
	receiver Summary
	memory   []int64    // of the sender, resident, as its progress events say
	compared comparison // what this process found on the disk
}

// newDemoCommand is omni demo.
func newDemoCommand(std stdio) *cobra.Command {
	var (
		source string
		limit  = rateFlag(10_000_000)
	)
	cmd := &cobra.Command{
		Use:   "demo [flags]",
		Short: "Send a large tree between two processes, and check and measure it",
		Long: `Send a large tree from one process to another through one WebSocket, and again
with the receiver slowed down: the sender's memory stays where it was, since it
never runs further ahead than the receiver asks for. Afterwards every file is
hashed again on both sides. It ends with a table, and fails if anything differs.

The tree is the source of Go unless another one is given; the copies are made
in a temporary directory and removed.`,
		Example: `  omni demo
  omni demo --source ~/photos --limit 50MB/s`,
		Args: cobra.NoArgs,
		RunE: started(func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if source == "" {
				out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
				if err != nil {
					return fmt.Errorf("cannot find the source of Go, use --source: %w", err)
				}
				source = filepath.Join(strings.TrimSpace(string(out)), "src")
			}
			if info, err := os.Stat(source); err != nil || !info.IsDir() {
				return usagef("--source %s: not a directory", source)
			}
			return demo(ctx, std, source, limit)
		}),
	}
	cmd.Flags().StringVar(&source, "source", "", "send this `DIR` instead")
	cmd.Flags().Var(&limit, "limit", "how slow the slowed receiver is")
	_ = cmd.MarkFlagDirname("source")
	return cmd
}

// demo runs both transfers, one after the other so that they do not disturb
// each other, and prints the table whatever came of them.
func demo(ctx context.Context, std stdio, source string, limit rateFlag) (err error) {
	dir, err := os.MkdirTemp("", "omni-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeTree(dir)) }()
	runs := []*demoRun{
		{title: "full speed"},
		{title: "receiver at " + formatSize(int64(limit)) + "/s", limit: limit},
	}
	var problems []error
	for i, run := range runs {
		fmt.Fprintf(std.err, "\n%s, %s\n", source, run.title)
		to := filepath.Join(dir, fmt.Sprint(i+1))
		err := run.transfer(ctx, std, source, to)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			fmt.Fprintln(std.err, "comparing every file ...")
			run.compared, err = compareTrees(ctx, source, to)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", run.title, err))
		}
	}
	fmt.Fprintln(std.out)
	printTable(std.out, runs)
	return errors.Join(problems...)
}

// removeTree removes a copy, whatever modes its directories were given.
func removeTree(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// transfer runs a receiver and a sender, each a process of its own, and waits
// for both.
func (run *demoRun) transfer(ctx context.Context, std stdio, from, to string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := []string{"recv", "--dir", to, "--listen", "ws://127.0.0.1:0/demo", "--once", "--json", "--quiet"}
	if run.limit > 0 {
		args = append(args, "--limit", fmt.Sprint(int64(run.limit)))
	}
	rx, err := startChild(ctx, std, args...)
	if err != nil {
		return err
	}
	// The port is the system's choice, so the receiver says where it is
	// before there can be a sender.
	first, err := rx.next()
	if err != nil || first.URL == "" {
		cancel()
		return errors.Join(errors.New("the receiver does not listen"), rx.wait())
	}
	received := make(chan error, 1)
	go func() { received <- rx.drain(&run.receiver, func(event) {}) }() // ends with the receiver

	tx, err := startChild(ctx, std, "send", "--connect", first.URL, "--json", from+string(os.PathSeparator))
	if err == nil {
		err = tx.drain(&run.sender, func(e event) {
			if e.Event == "progress" {
				run.memory = append(run.memory, e.Memory)
			}
		})
	}
	if err != nil {
		cancel() // a receiver whose sender did not come would wait for ever
		return errors.Join(fmt.Errorf("sender: %w", err), <-received)
	}
	if err := <-received; err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	return nil
}

// printTable prints what was measured, a column for each run.
func printTable(w io.Writer, runs []*demoRun) {
	row := func(name string, value func(*demoRun) string) {
		fmt.Fprintf(w, "%-36s", name)
		for _, run := range runs {
			fmt.Fprintf(w, "%24s", value(run))
		}
		fmt.Fprintln(w)
	}
	n := func(v int64) string { return fmt.Sprint(v) }
	row("", func(r *demoRun) string { return r.title })
	row("files", func(r *demoRun) string { return n(r.sender.Files) })
	row("bytes", func(r *demoRun) string { return n(r.sender.Bytes) })
	row("seconds", func(r *demoRun) string { return fmt.Sprintf("%.1f", r.sender.Seconds) })
	row("MB/s", func(r *demoRun) string {
		return fmt.Sprintf("%.1f", float64(r.sender.Bytes)/1e6/max(r.sender.Seconds, 1e-9))
	})
	row("streams", func(r *demoRun) string { return n(r.sender.Streams) })
	row("peak memory, sender", func(r *demoRun) string { return formatSize(r.sender.PeakMemory) })
	row("peak memory, receiver", func(r *demoRun) string { return formatSize(r.receiver.PeakMemory) })
	// If the sender ran ahead of a slow receiver, this would grow.
	for _, quarter := range []int{1, 2, 3, 4} {
		row(fmt.Sprintf("sender's memory after %d %%", 25*quarter), func(r *demoRun) string {
			if len(r.memory) == 0 {
				return "-" // it was over before it could be looked at
			}
			return formatSize(r.memory[max(0, len(r.memory)*quarter/4-1)])
		})
	}
	row("hashes checked by the receiver", func(r *demoRun) string { return n(r.receiver.Checked) })
	row("files hashed again, both sides", func(r *demoRun) string { return n(r.compared.hashed) })
	row("differences", func(r *demoRun) string { return n(r.compared.differ) })
}
