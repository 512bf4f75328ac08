package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// patience is how long a server may take to listen, to tell how a session
// ended, and to stop.
const patience = 15 * time.Second

// line is what a server tells: where it listens, or how a session ended.
type line struct {
	Listening string `json:"listening"`
	Peer      string `json:"peer"`
	Error     string `json:"error"`
}

// server is a server that runs.
type server struct {
	url    string
	cmd    *exec.Cmd
	lines  chan line // what it tells; closed when it has ended
	read   error     // why the lines ended early, once they are closed
	stderr tail
}

// startServer starts a server and waits until it listens.
func startServer(ctx context.Context, p peer, flags []string, url string) (*server, error) {
	s := &server{lines: make(chan line, 64)}
	s.cmd = p.start(ctx, append(flags, "serve", url), &s.stderr)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		s.read = readLines(stdout, func(l line) { s.lines <- l })
		close(s.lines)
	}()
	l, err := s.next()
	if err == nil && l.Listening == "" {
		err = fmt.Errorf("its first line is %+v", l)
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.url = l.Listening
	return s, nil
}

// start is the command of a peer.
func (p peer) start(ctx context.Context, arguments []string, stderr io.Writer) *exec.Cmd {
	arguments = slices.Concat(p.command[1:], arguments)
	cmd := exec.CommandContext(ctx, p.command[0], arguments...)
	cmd.Env = append(cmd.Environ(), p.env...)
	cmd.Stderr = stderr
	cmd.WaitDelay = time.Second
	return cmd
}

// readLines reads lines of JSON to the end.
func readLines[T any](r io.Reader, f func(T)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var first error
	for lines.Scan() {
		var l T
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			first = errors.Join(first, fmt.Errorf("%q: %w", lines.Text(), err))
			continue
		}
		f(l)
	}
	return errors.Join(first, lines.Err())
}

// next is the server's next line.
func (s *server) next() (line, error) {
	select {
	case l, ok := <-s.lines:
		if !ok {
			return l, errors.Join(errors.New("it has ended"), s.read)
		}
		return l, nil
	case <-time.After(patience):
		return line{}, errors.New("it says nothing")
	}
}

// stop ends the server; its exit must be a good one.
func (s *server) stop() error {
	kill := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		_ = s.cmd.Process.Kill()
	}
	for range s.lines { // the pipe must be read before Wait
	}
	err := errors.Join(s.cmd.Wait(), s.read)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, s.stderr.String())
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	const most = 4000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	t.last = t.last[max(0, len(t.last)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.last))
}
