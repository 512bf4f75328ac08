package jsgi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"omnistreams.dev/adapters/jsgi"
)

// post begins a POST whose body is what is written to the pipe.
func (g *gateway) post(t *testing.T, path string) (*io.PipeWriter, *http.Response) {
	t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequest("POST", g.URL+path, r)
	must(t, err)
	res, err := g.client.Do(req)
	must(t, err)
	return w, res
}

// Each piece comes back before the next is sent: nothing is held, in either
// direction, and what is there is flushed.
func TestEchoPieceByPiece(t *testing.T) {
	both(t, echo, nil, func(t *testing.T, g *gateway) {
		w, res := g.post(t, "/")
		defer res.Body.Close()
		for i := range 100 {
			piece := fmt.Sprintf("piece %d\n", i)
			_, err := io.WriteString(w, piece)
			must(t, err)
			got := make([]byte, len(piece))
			_, err = io.ReadFull(res.Body, got)
			must(t, err)
			if string(got) != piece {
				t.Fatalf("got %q, want %q", got, piece)
			}
		}
		must(t, w.Close())
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
			t.Errorf("rest %q, error %v", rest, err)
		}
	})
}

// The header goes out although the body has not begun.
func TestHeaderIsFlushed(t *testing.T) {
	body := make(chan *jsgi.Stream[[]byte], 1)
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		s := r.JSGI.Stream(nil)
		body <- s
		return &jsgi.Response{Status: 200, Body: s}, nil
	}
	both(t, app, nil, func(t *testing.T, g *gateway) {
		res, err := g.client.Get(g.URL) // returns with the header
		must(t, err)
		defer res.Body.Close()
		s := <-body
		s.Write([]byte("later"))
		s.Close()
		b, err := io.ReadAll(res.Body)
		must(t, err)
		if string(b) != "later" {
			t.Errorf("body %q", b)
		}
	})
}

// block is what a pattern repeats; its length has no factor in common with that
// of any buffer, so that pieces in the wrong place are noticed.
var block = func() []byte {
	b := make([]byte, 99991)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}()

// pattern is a reader of n bytes that are cheap to make.
type pattern struct {
	left int64
	at   int
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), p.left)], block[p.at:])
	p.at = (p.at + n) % len(block)
	p.left -= int64(n)
	return n, nil
}

// A large body comes back whole, while what lives in this process, which is
// client and server both, stays small.
func TestLargeEchoKeepsMemoryFlat(t *testing.T) {
	const size, most = 32 << 20, 12 << 20
	both(t, echo, nil, func(t *testing.T, g *gateway) {
		sent, back := sha256.New(), sha256.New()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		before, peak := m.HeapInuse, uint64(0)
		res, err := g.client.Post(g.URL, "application/octet-stream", io.TeeReader(&pattern{left: size}, sent))
		must(t, err)
		defer res.Body.Close()
		var got int64
		for buf := make([]byte, 256<<10); err == nil; {
			var n int
			n, err = res.Body.Read(buf)
			back.Write(buf[:n])
			if (got+int64(n))>>22 != got>>22 { // every 4 MiB
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
			got += int64(n)
		}
		if err != io.EOF || got != size || !bytes.Equal(sent.Sum(nil), back.Sum(nil)) {
			t.Fatalf("%d bytes came back, the same: %v; error %v", got, bytes.Equal(sent.Sum(nil), back.Sum(nil)), err)
		}
		if peak > before+most {
			t.Errorf("the heap has grown by %d MiB", (peak-before)>>20)
		}
		t.Logf("the heap has grown by %.1f MiB at most", (float64(peak)-float64(before))/(1<<20))
	})
}

// An application that writes without end is stopped by a client that does not
// read; it goes on when that reads.
func TestSlowClientStopsTheApplication(t *testing.T) {
	var written atomic.Int64
	stopped := make(chan struct{}, 1)
	chunk := make([]byte, 64<<10)
	app := func(_ context.Context, r *jsgi.Request) (jsgi.Result, error) {
		s := r.JSGI.Stream(nil)
		more := func() {
			for {
				on, err := s.Write(chunk)
				if err != nil {
					stopped <- struct{}{}
					return
				}
				written.Add(int64(len(chunk)))
				if !on {
					return
				}
			}
		}
		s.AddListener(jsgi.Listener[[]byte]{Drain: more, Error: func(error) { more() }})
		more()
		return &jsgi.Response{Status: 200, Body: s}, nil
	}
	both(t, app, nil, func(t *testing.T, g *gateway) {
		written.Store(0)
		res, err := g.client.Get(g.URL)
		must(t, err)
		level := settle(&written)
		if level > 32<<20 {
			t.Errorf("%d bytes were written for nobody", level)
		}
		_, err = io.CopyN(io.Discard, res.Body, level+1<<20)
		must(t, err)
		if now := written.Load(); now <= level {
			t.Error("reading does not make it go on")
		}
		res.Body.Close()
		<-stopped
	})
}

// settle waits until n does not change any more.
func settle(n *atomic.Int64) int64 {
	for was := int64(-1); ; {
		time.Sleep(50 * time.Millisecond)
		if now := n.Load(); now == was && now > 0 {
			return now
		} else {
			was = now
		}
	}
}

// counter counts what is read from it.
type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// A client that sends without end is stopped by an application that has paused
// its input.
func TestPausedInputStopsTheClient(t *testing.T) {
	inputs := make(chan *jsgi.Stream[[]byte], 1)
	app := func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
		seen := false
		done := make(chan *jsgi.Response, 1)
		r.Input.AddListener(jsgi.Listener[[]byte]{
			Data: func([]byte) {
				if !seen {
					seen = true
					r.Input.Pause()
					inputs <- r.Input
				}
			},
			End: func() { done <- text("all") },
		})
		return jsgi.Later(done), nil
	}
	both(t, app, nil, func(t *testing.T, g *gateway) {
		const size = 40 << 20
		var sent atomic.Int64
		got := make(chan string, 1)
		go func() {
			res, err := g.client.Post(g.URL, "", counter{&pattern{left: size}, &sent})
			if err != nil {
				got <- err.Error()
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			got <- string(b)
		}()
		input := <-inputs
		if level := settle(&sent); level >= size/2 {
			t.Errorf("the client has sent %d bytes to nobody", level)
		}
		input.Resume()
		if s := <-got; s != "all" || sent.Load() != size {
			t.Errorf("answer %q after %d bytes", s, sent.Load())
		}
	})
}

// Middleware may put another stream in the place of Input.
func TestInputIsFiltered(t *testing.T) {
	upper := func(next jsgi.App) jsgi.App {
		return func(ctx context.Context, r *jsgi.Request) (jsgi.Result, error) {
			r.Input = jsgi.Map(r.Input, func(b []byte) ([]byte, error) { return bytes.ToUpper(b), nil })
			return next(ctx, r)
		}
	}
	both(t, upper(echo), nil, func(t *testing.T, g *gateway) {
		if _, body := g.do(t, "POST", "/", strings.NewReader("hello")); body != "HELLO" {
			t.Errorf("body %q", body)
		}
	})
}
