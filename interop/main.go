// Command interop runs every implementation as client against every
// implementation as server, over WebSocket and TCP, and prints tables of what
// came of it. README.md says what the peers do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	m := matrix{log: os.Stderr}
	names := strings.Join(implementationNames(), ",")
	clients := flag.String("clients", names, "which implementations connect")
	servers := flag.String("servers", names, "which implementations listen")
	transports := flag.String("transports", "tcp,ws", "over what they talk")
	flag.StringVar(&m.root, "root", ".", "the repository")
	flag.IntVar(&m.bytes, "bytes", 1_000_000, "of each of the hundred streams")
	flag.DurationVar(&m.limit, "limit", 2*time.Minute, "how long one client may take with one server")
	flag.StringVar(&m.flaw, "flaw", "", "what the Go server does wrong, to see it found")
	asJSON := flag.Bool("json", false, "print JSON instead of tables")
	flag.Parse()
	m.clients, m.servers, m.transports = split(*clients), split(*servers), split(*transports)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cells, err := m.run(ctx)
	if err == nil {
		err = report(os.Stdout, m, cells, *asJSON)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// matrix is which cells are run, and how.
type matrix struct {
	clients, servers, transports []string

	root  string        // of the repository
	bytes int           // of each of the hundred streams
	limit time.Duration // for one cell
	flaw  string        // of the Go server
	race  bool          // the Go peer has the race detector
	log   io.Writer
}

// run makes what must be made and runs all cells. An error says that it could
// not; what failed in a cell is said there.
func (m *matrix) run(ctx context.Context) ([]cell, error) {
	dir, err := os.MkdirTemp("", "omnistreams-interop-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	peers, err := m.prepare(ctx, dir)
	if err != nil {
		return nil, err
	}
	return m.runCells(ctx, peers)
}

// runCells runs all cells of the peers that are there.
func (m *matrix) runCells(ctx context.Context, peers map[string]peer) ([]cell, error) {
	there := func(name string) bool { _, ok := peers[name]; return !ok }
	m.clients = slices.DeleteFunc(m.clients, there)
	m.servers = slices.DeleteFunc(m.servers, there)
	var cells []cell
	for _, transport := range m.transports {
		url, ok := urls[transport]
		if !ok {
			return nil, fmt.Errorf("there is no transport %q", transport)
		}
		for _, name := range m.servers {
			column, err := m.runServer(ctx, peers, name, transport, url)
			if err != nil {
				return nil, err
			}
			cells = append(cells, column...)
		}
	}
	if len(cells) == 0 {
		return nil, errors.New("there is nothing to run")
	}
	return cells, ctx.Err()
}

// urls are where servers listen.
var urls = map[string]string{"tcp": "tcp://127.0.0.1:0", "ws": "ws://127.0.0.1:0/"}

// runServer runs all clients against one server. A server that a client has
// failed with is replaced, so that each begins alike.
func (m *matrix) runServer(ctx context.Context, peers map[string]peer, name, transport, url string) ([]cell, error) {
	var flags []string
	if m.flaw != "" && name == "go" {
		flags = []string{"-flaw", m.flaw}
	}
	var cells []cell
	var s *server
	for _, client := range m.clients {
		if s == nil {
			var err error
			if s, err = startServer(ctx, peers[name], flags, url); err != nil {
				return nil, fmt.Errorf("%s does not listen on %s: %w", name, url, err)
			}
		}
		c := cell{Client: client, Server: name, Transport: transport}
		c.run(ctx, peers[client], s, m)
		if !c.ok() || client == m.clients[len(m.clients)-1] {
			if err := s.stop(); err != nil {
				c.fail("the server: %v", err)
			}
			s = nil
		}
		fmt.Fprintf(m.log, "%-6s to %-6s over %-3s %s, %.1f s\n", c.Client, c.Server, c.Transport, c.short(), c.Seconds)
		cells = append(cells, c)
	}
	return cells, nil
}

// report prints the cells, and returns an error if one of them failed.
func report(w io.Writer, m matrix, cells []cell, asJSON bool) error {
	if asJSON {
		data, err := json.MarshalIndent(cells, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\n", data)
	} else {
		for _, transport := range m.transports {
			printTable(w, m, transport, cells)
		}
	}
	failed := 0
	for _, c := range cells {
		if !c.ok() {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d pairs failed", failed, len(cells))
	}
	return nil
}

// printTable prints the cells of one transport, and below it what failed.
func printTable(w io.Writer, m matrix, transport string, cells []cell) {
	fmt.Fprintf(w, "\n%s: rows are clients, columns servers; bytes of items a second to the server and from it\n\n", transport)
	const width = "%-20s"
	fmt.Fprintf(w, "%-8s", "")
	for _, server := range m.servers {
		fmt.Fprintf(w, width, server)
	}
	var failures []string
	for _, client := range m.clients {
		fmt.Fprintf(w, "\n%-8s", client)
		for _, c := range cells {
			if c.Client != client || c.Transport != transport {
				continue
			}
			fmt.Fprintf(w, width, c.short())
			for _, f := range c.Failures {
				failures = append(failures, fmt.Sprintf("%s to %s over %s: %s", c.Client, c.Server, transport, f))
			}
		}
	}
	fmt.Fprintf(w, "\n")
	if len(failures) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(failures, "\n"))
	}
}

func exists(elements ...string) bool {
	_, err := os.Stat(filepath.Join(elements...))
	return err == nil
}
