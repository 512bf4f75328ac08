package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"omnistreams.dev/cmd/omni/conform"
)

// errNotConform ends a suite of which a case failed.
var errNotConform = errors.New("the echo does not keep to the protocol")

// conformance is what the flags of omni conform say.
type conformance struct {
	conn       connection
	opt        conform.Options
	run, html  string
	json, list bool
}

// newConformCommand is omni conform.
func newConformCommand(std stdio) *cobra.Command {
	var c conformance
	cmd := &cobra.Command{
		Use:   "conform [flags]",
		Short: "Test another implementation of the protocol by its echo",
		Long: `Test another implementation of the protocol by its echo: a program that does
what omni echo does. Each case has a connection of its own, keeps one rule of
SPEC.md in an unusual way or breaks one, and checks all that comes back against
all rules. What the rules leave open is open here, too.

With --listen the echo is the one that connects, once for each case: let it
connect again whenever a connection is over, in as many processes as --parallel
says. A line is printed for each case, then "N passed, N failed". Cases that
say nothing about an echo, as when it has no slots, are skipped. After ten cases
in a row without a connection or a HELLO the suite stops.

--trace, --html and --json have the frames of a case: > to the echo, >! one that
breaks a rule, < from the echo, and after ! why the case failed.

` + urlHelp,
		Example: `  omni echo -l tcp://127.0.0.1:7000 &
  omni conform -c tcp://127.0.0.1:7000
  omni conform -c tcp://127.0.0.1:7000 --run '^R7\.' --html report.html
  omni conform -c tcp://127.0.0.1:7000 --run '^R7.5 ' --trace
  omni conform -l ws://127.0.0.1:7001/ --parallel 1 &
  while omni echo -c ws://127.0.0.1:7001/; do :; done`,
		Args: cobra.NoArgs,
		RunE: started(func(cmd *cobra.Command, args []string) error {
			if c.list {
				return c.show(std)
			}
			if err := c.prepare(); err != nil {
				return err
			}
			return c.test(cmd.Context(), std)
		}),
	}
	c.register(cmd)
	return cmd
}

// register adds the flags to the command.
func (c *conformance) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&c.conn.connect, "connect", "c", "", "connect to the echo at `URL`")
	f.StringVarP(&c.conn.listen, "listen", "l", "", "wait at `URL` for the echo to connect")
	f.StringVar(&c.conn.cert, "tls-cert", "", "this side's certificate chain, a PEM `FILE`")
	f.StringVar(&c.conn.key, "tls-key", "", "the certificate's private key, a PEM `FILE`")
	f.StringVar(&c.conn.ca, "tls-ca", "", "PEM `FILE` of the authorities to trust instead of the system's")
	f.BoolVar(&c.conn.insecure, "insecure", false, "connect to whoever has any certificate at all")
	f.StringVar(&c.run, "run", "", "only the cases whose \"ID title\" matches `REGEXP`")
	f.Uint64Var(&c.opt.Seed, "seed", 1, "of the first random program")
	f.IntVar(&c.opt.Seeds, "seeds", 8, "how many random programs to run")
	f.IntVar(&c.opt.Parallel, "parallel", 8, "cases at work at a time; up to four times as many\nconnections wait for the echo to close them")
	f.DurationVar(&c.opt.Timeout, "timeout", 2*time.Second, "how long a case waits for anything that must come")
	f.BoolVar(&c.opt.Slow, "slow", false, "add the cases that take many seconds, or are many alike")
	f.BoolVar(&c.json, "json", false, "tell programs on standard output: one JSON object a case, a summary last")
	f.BoolVar(&c.opt.Trace, "trace", false, "show the frames of every case, in reports those of passed ones, too")
	f.StringVar(&c.html, "html", "", "write a report as one HTML page to `FILE`, too")
	f.BoolVar(&c.list, "list", false, "print the cases that would run, and run nothing")
	for _, name := range []string{"listen", "connect"} {
		_ = cmd.RegisterFlagCompletionFunc(name, completeURL)
	}
	for _, name := range []string{"tls-cert", "tls-key", "tls-ca"} {
		_ = cmd.MarkFlagFilename(name, "pem", "crt", "cer", "key")
	}
	_ = cmd.MarkFlagFilename("html", "html")
}

// options checks the flags that --list has a use for, too.
func (c *conformance) options() (err error) {
	if c.opt.Parallel < 1 || c.opt.Seeds < 0 || c.opt.Timeout <= 0 {
		return usagef("--parallel and --timeout must be more than 0, --seeds not less")
	}
	if c.opt.Seeds == 0 {
		c.opt.Seeds = -1 // zero means the default there
	}
	if c.run != "" {
		if c.opt.Run, err = regexp.Compile(c.run); err != nil {
			return usagef("--run: %w", err)
		}
	}
	return nil
}

// prepare checks all flags.
func (c *conformance) prepare() error {
	if err := c.options(); err != nil {
		return err
	}
	c.conn.maxItem, c.conn.keepAlive = defaultMaxItem, time.Second // has no such flags
	if err := c.conn.prepare(""); err != nil {
		return err
	}
	if c.conn.usesStdout() {
		return usagef("stdio: is one connection, and each case needs its own")
	}
	c.opt.TLS = c.conn.tlsCfg
	if c.conn.listen != "" {
		c.opt.Listen = c.conn.url
	} else {
		c.opt.Connect = c.conn.url
	}
	return nil
}

// show prints the cases.
func (c *conformance) show(std stdio) error {
	if err := c.options(); err != nil {
		return err
	}
	out := bufio.NewWriter(std.out)
	shown, more := 0, 0
	for _, k := range conform.Cases(c.opt.Seed, c.opt.Seeds) {
		if c.opt.Run != nil && !c.opt.Run.MatchString(k.ID+" "+k.Title) {
			continue
		}
		if k.Slow && !c.opt.Slow {
			more++
			continue
		}
		shown++
		if c.json {
			_ = json.NewEncoder(out).Encode(k) // its error is Flush's as well
			continue
		}
		slow := ""
		if k.Slow {
			slow = " (slow)"
		}
		fmt.Fprintf(out, "%-7s %s%s\n        %s\n", k.ID, k.Title, slow, k.Must)
	}
	if !c.json {
		fmt.Fprintf(out, "%d cases, %d more with --slow\n", shown, more)
	}
	return out.Flush()
}

// test runs the suite and tells of it.
func (c *conformance) test(ctx context.Context, std stdio) error {
	lines := json.NewEncoder(std.out)
	c.opt.Progress = func(r conform.Result) {
		if c.json {
			_ = lines.Encode(r) // what stdout does not take is found by execute
			return
		}
		fmt.Fprintln(std.out, printable(r.String()))
		if c.opt.Trace {
			for _, line := range r.Trace {
				fmt.Fprintln(std.out, "        "+printable(line))
			}
		}
	}
	c.opt.Listening = func(url string) { fmt.Fprintf(std.err, "listening on %s\n", url) }
	report, err := conform.Run(ctx, c.opt)
	if report == nil {
		return err
	}
	if c.json {
		_ = lines.Encode(report)
	} else {
		if hint := report.Hint(); hint != "" {
			fmt.Fprintln(std.out, hint)
		}
		fmt.Fprintln(std.out, report)
	}
	if c.html != "" {
		if err := writeReport(c.html, report); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case report.Failed > 0:
		return errNotConform
	case report.Passed == 0:
		return usagef("no case has run: see --list")
	}
	return nil
}

// writeReport writes the page.
func writeReport(path string, report *conform.Report) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	if err := report.HTML(f); err != nil {
		_ = f.Close() // the first error tells more
		return fmt.Errorf("--html: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}
