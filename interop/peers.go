package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// peer is how to run the program of one implementation.
type peer struct {
	command []string
	env     []string
}

// implementation is one that the matrix knows.
type implementation struct {
	name, tool string
	// prepare makes what the program needs; dir is for what may be deleted.
	prepare func(m *matrix, ctx context.Context, dir string) (peer, error)
}

var implementations = []implementation{
	{"go", "go", (*matrix).prepareGo},
	{"js", "node", (*matrix).prepareJS},
	{"python", "python3", (*matrix).preparePython},
	{"rust", "cargo", (*matrix).prepareRust},
}

func implementationNames() []string {
	var names []string
	for _, i := range implementations {
		names = append(names, i.name)
	}
	return names
}

// prepare makes the programs that are needed, and says which it skips since
// their tools are missing. With OMNI_REQUIRE=all that is an error.
func (m *matrix) prepare(ctx context.Context, dir string) (map[string]peer, error) {
	wanted := slices.Concat(m.clients, m.servers)
	for _, name := range wanted {
		if !slices.Contains(implementationNames(), name) {
			return nil, fmt.Errorf("there is no implementation %q", name)
		}
	}
	peers := make(map[string]peer)
	for _, i := range implementations {
		if !slices.Contains(wanted, i.name) {
			continue
		}
		if _, err := exec.LookPath(i.tool); err != nil {
			if os.Getenv("OMNI_REQUIRE") == "all" {
				return nil, fmt.Errorf("%s: there is no %s", i.name, i.tool)
			}
			fmt.Fprintf(m.log, "skipped: %s, since there is no %s\n", i.name, i.tool)
			continue
		}
		p, err := i.prepare(m, ctx, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.name, err)
		}
		peers[i.name] = p
	}
	return peers, nil
}

// do runs a command in a folder of the repository; what it prints is in the
// error.
func (m *matrix) do(ctx context.Context, folder string, command ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = filepath.Join(m.root, folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return nil
}

func (m *matrix) prepareGo(ctx context.Context, dir string) (peer, error) {
	program := filepath.Join(dir, "peer.exe")
	p := peer{command: []string{program}}
	build := []string{"go", "build", "-o", program}
	if m.race {
		build = append(build, "-race")
		p.env = []string{"GORACE=atexit_sleep_ms=10"} // instead of a second
	}
	return p, m.do(ctx, ".", append(build, "./interop/peer")...)
}

func (m *matrix) prepareJS(ctx context.Context, _ string) (peer, error) {
	p := peer{command: []string{"node", filepath.Join(m.root, "interop/js/peer.mjs")}}
	if exists(m.root, "clients/js/node_modules/ws") {
		return p, nil
	}
	return p, m.do(ctx, "clients/js", "npm", "ci", "--silent")
}

func (m *matrix) preparePython(ctx context.Context, _ string) (peer, error) {
	root, err := filepath.Abs(m.root)
	if err != nil {
		return peer{}, err
	}
	venv := filepath.Join(root, "clients/python/.venv/bin/python")
	p := peer{
		command: []string{venv, filepath.Join(root, "interop/python/peer.py")},
		env:     []string{"PYTHONPATH=" + filepath.Join(root, "clients/python/src")},
	}
	hasWebSockets := func(python string) bool { return m.do(ctx, ".", python, "-c", "import websockets") == nil }
	if exists(venv) && hasWebSockets(venv) {
		return p, nil
	}
	if hasWebSockets("python3") {
		p.command[0] = "python3"
		return p, nil
	}
	if !exists(venv) {
		if err := m.do(ctx, "clients/python", "python3", "-m", "venv", ".venv"); err != nil {
			return p, err
		}
	}
	return p, m.do(ctx, ".", venv, "-m", "pip", "install", "-q", "websockets")
}

func (m *matrix) prepareRust(ctx context.Context, _ string) (peer, error) {
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		var err error
		if target, err = filepath.Abs(filepath.Join(m.root, "clients/rust/target")); err != nil {
			return peer{}, err
		}
	}
	p := peer{command: []string{filepath.Join(target, "release/omnistreams-interop")}}
	return p, m.do(ctx, "interop/rust", "cargo", "build", "-q", "--release", "--target-dir", target)
}
