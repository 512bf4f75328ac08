// Command peer is the Go side of the interop matrix; README.md, one folder up,
// is what all such programs do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

func main() {
	flaw := flag.String("flaw", "", "what a server does wrong: "+strings.Join(flaws, ", "))
	flag.Parse()
	size, err := 1_000_000, error(nil)
	if flag.NArg() > 2 {
		size, err = strconv.Atoi(flag.Arg(2))
	}
	switch url := flag.Arg(1); {
	case err != nil:
	case flag.Arg(0) == "serve":
		err = serve(url, *flaw)
	case flag.Arg(0) == "drive":
		err = run(url, size)
	default:
		err = errors.New("usage: peer [-flaw NAME] serve URL, or peer drive URL [BYTES]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

const (
	maxMetadata = 16 << 10
	prefetch    = 64        // items that each peer lets come ahead of a reader
	window      = 512 << 10 // the same in bytes
)

// greeting is the metadata of HELLO.
func greeting(name string) string {
	name = "interop " + name + " "
	return name + strings.Repeat(".", maxMetadata-len(name))
}

func start(conn transport.Conn, name string) (*mux.Session, error) {
	return mux.New(conn, &mux.Options{
		Metadata: []byte(greeting(name)),
		MaxItem:  maxItem,
		Prefetch: prefetch,
		Window:   window,
		Budget:   256 << 20, // for a hundred answers at once
	})
}

// tell writes one line to standard output.
func tell(line any) {
	data, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", data)
}

// serve serves whoever connects, until SIGTERM, and tells how each session
// ended.
func serve(url, flaw string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	l, err := transport.Listen(ctx, url, nil)
	if err != nil {
		return err
	}
	defer l.Close()
	tell(map[string]string{"listening": l.URL()})
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for {
		conn, err := l.Accept(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		s, err := start(conn, "serve")
		if err != nil {
			return err
		}
		sessions.Go(func() {
			peer, err := s.Peer(ctx)
			if err == nil {
				err = s.Serve(ctx, newHandlers(s, flaw).router.Serve)
			}
			ended := map[string]string{"peer": strings.TrimRight(string(peer), "."), "error": ""}
			if err != nil {
				ended["error"] = err.Error()
			}
			tell(ended)
		})
	}
}

// run runs all scenarios against a server, and tells how each went.
func run(url string, size int) error {
	for _, scenario := range scenarios {
		outcome := result{Name: scenario.name, OK: true}
		if err := one(url, size, scenario, &outcome); err != nil {
			outcome.OK, outcome.Error = false, err.Error()
		}
		tell(outcome)
	}
	return nil
}

// one runs a scenario on a session of its own, which ends in order with it.
func one(url string, size int, sc scenario, outcome *result) error {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	conn, err := transport.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	s, err := start(conn, sc.name)
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(ctx, newHandlers(s, "").router.Serve) }) // the scenario tells
	defer serving.Wait()
	defer s.Close()
	began := time.Now()
	outcome.Bytes, err = sc.run(&drive{s, size}, ctx)
	outcome.Seconds = time.Since(began).Seconds()
	if err == nil && sc.name != "abrupt" {
		err = s.Shutdown(ctx)
	}
	return err
}

// result is how a scenario went.
type result struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Error   string  `json:"error"`
	Bytes   int     `json:"bytes"`
	Seconds float64 `json:"seconds"`
}
