package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// upload starts the examples in a process of their own, sends size bytes to the
// echo, with each client over each version of HTTP, and prints what came back,
// how fast, and how much memory the server had meanwhile.
func upload(size int64) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	base, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("%d bytes to %s/echo and back\n\n", size, base)
	fmt.Printf("%-22s %12s %8s  %-5s %14s %14s\n", "client", "bytes back", "MB/s", "same", "heap, at most", "memory so far")
	for _, c := range []struct {
		name string
		send func(ctx context.Context, url string, body io.Reader, back io.Writer) error
	}{
		{"curl, HTTP/1.1", byCurl("--http1.1")},
		{"curl, HTTP/2", byCurl("--http2-prior-knowledge")},
		{"Go, HTTP/1.1", byGo(false)},
		{"Go, HTTP/2", byGo(true)},
	} {
		sent, back := newSum(), newSum()
		heap := watch(ctx, base)
		begin := time.Now()
		err := c.send(ctx, base+"/echo", io.TeeReader(&noise{left: size, block: block}, sent), back)
		took := time.Since(begin)
		most, resident := heap()
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Printf("%-22s is not installed\n", c.name)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		same := bytes.Equal(sent.Sum(nil), back.Sum(nil)) && back.n == size
		fmt.Printf("%-22s %12d %8.0f  %-5v %10.1f MiB %10.1f MiB\n", c.name, back.n,
			float64(size)/1e6/took.Seconds(), same, float64(most)/(1<<20), float64(resident)/(1<<20))
		if !same {
			return errors.New("what came back is not what was sent")
		}
	}
	return nil
}

// startServer runs this program as a server on a free port. stop ends it.
func startServer() (base string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, "-addr", "127.0.0.1:0", "-until-eof")
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // it ends with this process
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill() // over already, at worst
		_ = cmd.Wait()         // says that it was killed
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, err
	}
	return strings.TrimSpace(line), stop, nil
}

func byCurl(version string) func(context.Context, string, io.Reader, io.Writer) error {
	return func(ctx context.Context, url string, body io.Reader, back io.Writer) error {
		cmd := exec.CommandContext(ctx, "curl", "-sS", "--fail", version, "-X", "POST", "-T", "-", url)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = body, back, os.Stderr
		return cmd.Run()
	}
}

func byGo(http2 bool) func(context.Context, string, io.Reader, io.Writer) error {
	return func(ctx context.Context, url string, body io.Reader, back io.Writer) error {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(!http2)
		protocols.SetUnencryptedHTTP2(http2)
		t := &http.Transport{Protocols: protocols}
		defer t.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, "POST", url, io.NopCloser(body))
		if err != nil {
			return err
		}
		res, err := t.RoundTrip(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(back, res.Body)
		return err
	}
}

// watch asks the server for its memory ten times a second. What it returns
// ends that, and says the most it has seen, and what the system has.
func watch(ctx context.Context, base string) func() (heap, resident int) {
	ctx, stop := context.WithCancel(ctx)
	type figures struct{ heap, resident int }
	result := make(chan figures)
	go func() {
		var most figures
		for {
			var now figures
			if res, err := http.Get(base + "/memory"); err == nil {
				fmt.Fscan(res.Body, &now.heap, &now.resident)
				res.Body.Close()
			}
			most = figures{max(most.heap, now.heap), max(most.resident, now.resident)}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				result <- most
				return
			}
		}
	}()
	return func() (int, int) {
		stop()
		most := <-result
		return most.heap, most.resident
	}
}

// sum is a hash that counts.
type sum struct {
	hash.Hash
	n int64
}

func newSum() *sum { return &sum{Hash: sha256.New()} }

func (s *sum) Write(b []byte) (int, error) {
	s.n += int64(len(b))
	return s.Hash.Write(b)
}

// block is what is sent, again and again. Its length is a prime, so that a piece
// in the wrong place changes the hash.
var block = func() []byte {
	b := make([]byte, 1<<20-3)
	r := rand.NewChaCha8([32]byte{})
	r.Read(b)
	return b
}()

// noise is a reader of that many bytes, none of which it keeps.
type noise struct {
	left  int64
	block []byte
}

func (n *noise) Read(b []byte) (int, error) {
	if n.left == 0 {
		return 0, io.EOF
	}
	if len(n.block) == 0 {
		n.block = block
	}
	m := copy(b[:min(int64(len(b)), n.left)], n.block)
	n.block = n.block[m:]
	n.left -= int64(m)
	return m, nil
}
