package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/transport"
)

// What is wrong with a URL is told by naming it, without what it may hold of secrets.
func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"":                           "no scheme",
		"127.0.0.1:1000":             "no scheme",
		":1000":                      "no scheme",
		"localhost:80":               `unknown scheme "localhost"`,
		"http://localhost":           `unknown scheme "http"`,
		"tcp://localhost":            "no port",
		"tcp:localhost:80":           "no port",
		"tls://localhost:80/path":    "no path",
		"tcp://localhost:80?q=1":     "no user, query or fragment",
		"tcp://u:secret@localhost:1": "no user, query or fragment",
		"ws:///path":                 "no host",
		"ws://localhost/#x":          "no fragment",
		"unix:":                      "no path",
		"unix://host/path":           `host "host"`,
		"unix:%zz":                   "invalid URL escape",
		"stdio:x":                    "nothing after the colon",
		"ws://u:secret@ho st/":       "invalid character",
		"ws://localhost:port/":       "invalid port",
	} {
		for name, f := range map[string]func() error{
			"Dial":   func() error { _, err := transport.Dial(bg, url, nil); return err },
			"Listen": func() error { _, err := transport.Listen(bg, url, nil); return err },
		} {
			err := f()
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s(%q): %v, want one that says %s", name, url, err, want)
			}
		}
	}
}

// The URL of a listener is one to dial.
func TestListenerURL(t *testing.T) {
	for _, url := range []string{
		"tcp://127.0.0.1:0", "tcp://:0", "tcp://localhost:0", "ws://localhost:0/a/b%2Fc?q=1", "ws://:0",
		"unix://" + filepath.Join(t.TempDir(), "with space"),
	} {
		l := listen(t, url)
		if strings.HasPrefix(url, "ws://localhost") && !strings.HasSuffix(l.URL(), "/a/b%2Fc?q=1") {
			t.Errorf("%s: URL %s", url, l.URL())
		}
		if l.Addr().String() == "" {
			t.Errorf("%s: no Addr", url)
		}
		a, b := connect(t, l)
		closeAll(a, b)
	}
}

func TestListenWithoutCertificate(t *testing.T) {
	for _, url := range []string{"tls://localhost:0", "wss://localhost:0"} {
		for _, opts := range []*transport.Options{nil, {TLS: &tls.Config{}}} {
			if _, err := transport.Listen(bg, url, opts); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("Listen(%s): %v", url, err)
			}
		}
	}
	if _, err := transport.Listen(bg, "ws://localhost:0", &transport.Options{Origins: []string{"[bad"}}); err == nil {
		t.Error("Listen with a bad pattern of an origin: nil")
	}
}

// A TLS server that does not know the protocol is none of ours, and the other way round.
func TestTLSProtocol(t *testing.T) {
	server, client := certificate()
	ln, err := tls.Listen("tcp", "localhost:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	_, err = transport.Dial(bg, "tls://localhost:"+port, &transport.Options{TLS: client})
	if err == nil || !strings.Contains(err.Error(), "omni/1") {
		t.Errorf("Dial: %v", err)
	}

	l := listen(t, "tls://localhost:0")
	cfg := client.Clone()
	cfg.ServerName, cfg.NextProtos = "localhost", []string{"h2"}
	if c, err := tls.Dial("tcp", l.Addr().String(), cfg); err == nil {
		c.Close()
		t.Error("a client of another protocol was let in")
	}
	if client.NextProtos != nil || server.NextProtos != nil {
		t.Error("Options.TLS was changed")
	}
	if _, err := transport.Dial(bg, l.URL(), nil); err == nil {
		t.Error("Dial trusts a certificate that nobody vouches for")
	}
}

// If ctx ends first, Accept takes nothing: the next one gets the connection.
func TestAcceptCtx(t *testing.T) {
	for scheme, url := range urls(t) {
		l := listen(t, url)
		ctx, cancel := context.WithCancelCause(bg)
		waiting := make(chan error)
		go func() {
			_, err := l.Accept(ctx)
			waiting <- err
		}()
		why := errors.New("why")
		cancel(why)
		if err := <-waiting; !errors.Is(err, why) {
			t.Errorf("%s: Accept: %v", scheme, err)
		}
		// Half of these are dialed while calls of Accept give up.
		var dialed sync.WaitGroup
		_, client := certificate()
		for range 10 {
			dialed.Go(func() {
				c, err := transport.Dial(bg, l.URL(), &transport.Options{TLS: client})
				if err != nil {
					t.Errorf("%s: Dial: %v", scheme, err)
					return
				}
				c.Recv(bg)
				c.Close()
			})
		}
		for accepted, tries := 0, 0; accepted < 10; tries++ {
			ctx, cancel := context.WithTimeout(bg, time.Duration(tries)*100*time.Microsecond)
			c, err := l.Accept(ctx)
			cancel()
			if err == nil {
				accepted++
				go c.Close()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%s: Accept: %v", scheme, err)
			}
		}
		dialed.Wait()
	}
}

// Clients that say nothing hold up neither the others nor Close, which lets go of them, and of the
// connections that nobody accepted.
func TestListenerD13SlowClients(t *testing.T) {
	for scheme, url := range urls(t) {
		t.Run(scheme, func(t *testing.T) {
			before := runtime.NumGoroutine()
			server, client := certificate()
			l, err := transport.Listen(bg, url, &transport.Options{TLS: server})
			if err != nil {
				t.Fatal(err)
			}
			silent := make([]net.Conn, 20)
			for i := range silent {
				if silent[i], err = net.Dial(l.Addr().Network(), l.Addr().String()); err != nil {
					t.Fatal(err)
				}
			}
			// On the schemes without a handshake the silent ones are connections like any other.
			late := make(chan transport.Conn, 1)
			go func() {
				c, err := transport.Dial(bg, l.URL(), &transport.Options{TLS: client})
				if err != nil {
					t.Errorf("Dial: %v", err)
				}
				late <- c
			}()
			a, err := l.Accept(bg)
			if err != nil {
				t.Fatal(err)
			}
			waiting := make(chan error)
			if scheme != "tcp" && scheme != "unix" {
				go func() {
					_, err := l.Accept(bg)
					waiting <- err
				}()
			} else {
				close(waiting)
			}
			b := <-late
			closeAll(a, b)
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err, ok := <-waiting; ok && !errors.Is(err, transport.ErrClosed) {
				t.Errorf("Accept beside Close: %v", err)
			}
			if _, err := l.Accept(bg); !errors.Is(err, transport.ErrClosed) {
				t.Errorf("Accept after Close: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			for _, c := range silent {
				c.SetReadDeadline(time.Now().Add(20 * time.Second))
				_, err := io.Copy(io.Discard, c)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a client that was not accepted: %v", err)
				}
				c.Close()
			}
			for range 10000 {
				if runtime.NumGoroutine() <= before {
					break
				}
				runtime.Gosched()
			}
			if n := runtime.NumGoroutine(); n > before+2 {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines, %d before:\n%s", n, before, stacks[:runtime.Stack(stacks, true)])
			}
		})
	}
}

// A ctx that ends before Dial or Listen, or in the middle of a handshake, is told, and after it
// nothing is open.
func TestDialCtx(t *testing.T) {
	why := errors.New("why")
	ended, cancel := context.WithCancelCause(bg)
	cancel(why)
	for scheme, url := range urls(t) {
		l := listen(t, url)
		if _, err := transport.Dial(ended, l.URL(), nil); !errors.Is(err, why) {
			t.Errorf("%s: Dial: %v", scheme, err)
		}
	}
	mute, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for _, scheme := range []string{"ws", "wss", "tls"} {
		ctx, cancel := context.WithCancelCause(bg)
		hungUp := make(chan struct{})
		go func() {
			defer close(hungUp)
			c, err := mute.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1)) // it is in the handshake
			cancel(why)
			io.Copy(io.Discard, c)
			c.Close()
		}()
		if _, err := transport.Dial(ctx, scheme+"://"+mute.Addr().String(), nil); !errors.Is(err, why) {
			t.Errorf("%s: Dial: %v", scheme, err)
		}
		<-hungUp
	}
}

func TestUnixStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	url := "unix:" + path
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close() // and its file is there still
	l := listen(t, url)
	a, b := connect(t, l)
	defer closeAll(a, b)
	if _, err := transport.Listen(bg, url, nil); err == nil {
		t.Error("Listen on the socket of a listener that lives: nil")
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file after Close: %v", err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := transport.Listen(bg, url, nil); err == nil {
		t.Error("Listen on a file that is no socket: nil")
	}
	if got, err := os.ReadFile(path); string(got) != "mine" {
		t.Errorf("the file: %q, %v", got, err)
	}
}

func TestStdioAcceptsOnce(t *testing.T) {
	l, err := transport.Listen(bg, "stdio:", &transport.Options{Stdin: strings.NewReader(framed("hello")), Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if l.URL() != "stdio:" || l.Addr().Network() != "stdio" {
		t.Errorf("URL %s, Addr %v", l.URL(), l.Addr())
	}
	c, err := l.Accept(bg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(bg); err != io.EOF {
		t.Errorf("second Accept: %v, want io.EOF", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := l.Accept(bg); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	// The Conn is not the Listener's.
	if msg, err := c.Recv(bg); string(msg) != "hello" || err != nil {
		t.Errorf("Recv: %q, %v", msg, err)
	}
	if _, err := c.Recv(bg); err != io.EOF {
		t.Errorf("Recv at the end: %v", err)
	}
	c.Close()
}

// A read and a write that the system does not interrupt are left behind by Close, and end when
// they can.
func TestStdioUninterruptible(t *testing.T) {
	free := make(chan struct{})
	hang := func([]byte) (int, error) { <-free; return 0, io.EOF }
	in := struct{ io.Reader }{stream{read: hang}}
	out := struct{ io.Writer }{stream{write: hang}}
	c, err := transport.Dial(bg, "stdio:", &transport.Options{Stdin: in, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 2)
	go func() {
		_, err := c.Recv(bg)
		errs <- err
	}()
	go func() { errs <- c.Send(bg, []byte("x")) }()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
	close(free)
}
