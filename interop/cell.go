package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scenarios are what each client must tell of, in this order.
var scenarios = []string{
	"hello", "echo", "calls", "long", "metadata", "one-way", "hundred-up", "hundred-down", "slow-up", "slow-down",
	"cancel-up", "cancel-down", "give-up", "fail-up", "fail-down", "refuse", "churn", "back", "shutdown", "leave", "abrupt",
}

// result is what a client tells of a scenario.
type result struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Error   string  `json:"error"`
	Bytes   int     `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// cell is one client with one server.
type cell struct {
	Client    string   `json:"client"`
	Server    string   `json:"server"`
	Transport string   `json:"transport"`
	Failures  []string `json:"failures,omitempty"`
	Up        float64  `json:"up"`   // MB/s to the server
	Down      float64  `json:"down"` // MB/s from the server
	Seconds   float64  `json:"seconds"`
	Scenarios []result `json:"scenarios"`
}

func (c *cell) ok() bool { return len(c.Failures) == 0 }

func (c *cell) fail(format string, args ...any) {
	c.Failures = append(c.Failures, fmt.Sprintf(format, args...))
}

// short is the cell in a table.
func (c *cell) short() string {
	if c.ok() {
		return fmt.Sprintf("ok %.0f/%.0f MB/s", c.Up, c.Down)
	}
	what, _, _ := strings.Cut(c.Failures[0], ":")
	if len(c.Failures) > 1 {
		what += fmt.Sprintf(" +%d", len(c.Failures)-1)
	}
	return "FAILED " + what
}

// run runs the client against the server.
func (c *cell) run(ctx context.Context, client peer, s *server, m *matrix) {
	began := time.Now()
	defer func() { c.Seconds = time.Since(began).Seconds() }()
	ctx, stop := context.WithTimeout(ctx, m.limit)
	defer stop()
	var stderr tail
	cmd := client.start(ctx, []string{"drive", s.url, strconv.Itoa(m.bytes)}, &stderr)
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.fail("the client does not start: %v", err)
		return
	}
	err = readLines(stdout, func(r result) { c.Scenarios = append(c.Scenarios, r) })
	if err != nil {
		c.fail("what the client tells: %v", err)
	}
	c.judge(m.bytes)
	if err := cmd.Wait(); err != nil {
		c.fail("the client: %v\n%s", err, stderr.String())
	}
	if c.ok() {
		c.judgeServer(s)
	}
}

// judge looks at what the client told. bytes are those of each of the hundred
// streams.
func (c *cell) judge(bytes int) {
	for i, name := range scenarios {
		if i >= len(c.Scenarios) {
			c.fail("%s: the client does not come to its end", name)
			return
		}
		r := c.Scenarios[i]
		switch {
		case r.Name != name:
			c.fail("%s: the client tells of %q instead", name, r.Name)
			return
		case !r.OK || r.Error != "":
			c.fail("%s: %s", name, r.Error)
		case name == "hundred-up":
			c.Up = c.rate(r, bytes)
		case name == "hundred-down":
			c.Down = c.rate(r, bytes)
		}
	}
	if len(c.Scenarios) > len(scenarios) {
		c.fail("%s: nobody knows what that is", c.Scenarios[len(scenarios)].Name)
	}
}

// judgeServer looks at what the server tells of each session: all ended in
// order, but for the one that the client broke off.
func (c *cell) judgeServer(s *server) {
	saw := make(map[string]string)
	for range scenarios {
		l, err := s.next()
		if err != nil {
			c.fail("the server: how the sessions ended: %v\n%s", err, s.stderr.String())
			return
		}
		saw[strings.TrimSpace(l.Peer)] = l.Error
	}
	for _, name := range scenarios {
		switch how, ok := saw["interop "+name]; {
		case !ok:
			c.fail("%s: the server does not tell how the session ended", name)
		case name != "abrupt" && how != "":
			c.fail("%s: the server says that the session did not end in order: %s", name, how)
		case name == "abrupt" && how == "":
			c.fail("%s: the server says that the session ended in order", name)
		}
	}
}

// rate is how many millions of bytes a second moved.
func (c *cell) rate(r result, bytes int) float64 {
	if r.Bytes != 100*bytes || r.Seconds <= 0 {
		c.fail("%s: %d bytes in %g s instead of %d bytes", r.Name, r.Bytes, r.Seconds, 100*bytes)
		return 0
	}
	return float64(r.Bytes) / r.Seconds / 1e6
}
