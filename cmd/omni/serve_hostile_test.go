package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// A rate too low for a turn in this century is no turn, and not any number of them.
func TestServePaceOfAnyRate(t *testing.T) {
	for _, rate := range []float64{0, math.SmallestNonzeroFloat64, 1e-300, 1e-11, 1e-9, math.NaN()} {
		p := newPace(rate)
		p.next()
		if ok, in, _ := p.next(); ok || in < time.Hour {
			t.Errorf("rate %g: the turn behind the first one comes in %v, %t", rate, in, ok)
		}
	}
	for _, rate := range []float64{-1, math.Inf(-1), -1e300, 1e300, math.Inf(1), 1e9} {
		p := newPace(rate)
		for range 1000 {
			if ok, in, _ := p.next(); !ok {
				t.Errorf("rate %g: a turn comes in %v", rate, in)
				break
			}
		}
	}
}

// A lane that the server does not read has no room when its writer waits, whatever
// its items are short of: that is what its bar shows.
func TestServeLaneUpFills(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	lane, err := s.Call(ctx, encode(map[string]any{"name": "lane", "id": 1, "up": true, "size": laneMost, "rate": 0}))
	if err != nil {
		t.Fatal(err)
	}
	timed, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	n := 0
	for item := make([]byte, laneMost); err == nil; n++ {
		err = lane.Out.Write(timed, item)
	}
	held := watching(ctx, t, s, 1, func(l laneState) bool { return true })
	if !errors.Is(err, context.DeadlineExceeded) || held.Room != 0 || held.Moved != uint64(n-1) {
		t.Errorf("the write behind %d items ended with %v at %+v", n, err, held)
	}
}

// hold serves in this process, so that what is left can be counted.
func hold(t *testing.T) (url string, leave func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, served := newWebServer("127.0.0.1"), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(served)
		s.serve(ctx, l)
	}()
	return "ws://" + l.Addr().String() + "/streams", func() {
		cancel()
		<-served
	}
}

// heap is what lives of this process's memory, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Pages that use up every stream, read nothing, and leave without a word: what
// they take is bounded, and gone with them.
func TestServeHostilePages(t *testing.T) {
	url, leave := hold(t)
	defer leave()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	const pages, streams = 4, 128
	before, goroutines := heap(), runtime.NumGoroutine()
	for _, metadata := range []string{
		`{"name":"lane","id":%d,"size":65536,"rate":-1}`,
		`{"name":"lane","id":%d,"up":true,"size":65536,"rate":0}`,
		`{"name":"download","id":%d,"size":4294967296}`,
		`{"name":"upload","id":%d,"file":"x"}`,
		`{"name":"watch","more":"` + strings.Repeat("x", 16000) + `"}`,
		`{"name":"control"}`,
	} {
		var sessions []*mux.Session
		for range pages {
			conn, err := transport.Dial(ctx, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			s, err := mux.New(conn, &mux.Options{Prefetch: 1, Budget: 1 << 30})
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		var used sync.WaitGroup
		for _, s := range sessions {
			for id := range streams {
				used.Go(func() { useUp(ctx, t, s, strings.Replace(metadata, "%d", fmt.Sprint(id+1), 1)) })
			}
		}
		used.Wait()
		took, n := heap()-before, runtime.NumGoroutine()
		for _, s := range sessions {
			s.Close()
		}
		// A session's budget is 64 MiB, and both ends are in this process.
		if most := uint64(pages * 80 << 20); took > most {
			t.Errorf("%.40s: %d MB are taken", metadata, took>>20)
		}
		if most := goroutines + pages*(16+5*streams); n > most {
			t.Errorf("%.40s: %d goroutines", metadata, n)
		}
		for ctx.Err() == nil && (runtime.NumGoroutine() > goroutines+4 || heap() > before+8<<20) {
			time.Sleep(10 * time.Millisecond)
		}
		if left := heap(); ctx.Err() != nil {
			t.Fatalf("%.40s: %d goroutines are left, of %d, and %d MB", metadata, runtime.NumGoroutine(), goroutines, (left-before)>>20)
		}
		t.Logf("%.40s: %d MB, %d goroutines", metadata, took>>20, n)
	}
}

// useUp makes one call and writes as much as there is credit for within a moment.
func useUp(ctx context.Context, t *testing.T, s *mux.Session, metadata string) {
	c, err := s.Call(ctx, []byte(metadata))
	if err != nil {
		t.Error(err)
		return
	}
	if !strings.Contains(metadata, "upload") && !strings.Contains(metadata, `"up"`) {
		_ = c.Out.End()
		if !strings.Contains(metadata, "control") {
			_, _ = c.Metadata(ctx)
		}
		return
	}
	timed, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	for item := make([]byte, 60000); c.Out.Write(timed, item) == nil; {
	}
}

// Whatever a page says of an end, it is the lane's and not the session's.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	order := control(ctx, t, s)
	for _, code := range []omni.Code{0, 1, 2, 5, 8, 9, 255, math.MaxUint32} {
		for _, up := range []bool{false, true} {
			id := streamID.Add(1)
			c, err := s.Call(ctx, encode(map[string]any{"name": "lane", "id": id, "up": up, "size": 8, "rate": 100}))
			if err != nil {
				t.Fatal(err)
			}
			if !up {
				_ = c.Out.End()
			}
			if _, err := c.Metadata(ctx); err != nil {
				t.Fatal(err)
			}
			write(ctx, t, order, string(encode(map[string]any{"id": id, "end": map[string]any{"code": code, "reason": strings.Repeat("é", 3000)}})))
			fails(ctx, t, c.In, code, strings.Repeat("é", 512))
		}
	}
}

// Names are what the page shows and asks for by: one that is no text is not offered.
func TestServeOffersOnlyText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if os.WriteFile(filepath.Join(dir, "a\xff"), []byte("x"), 0o644) != nil {
		return // this file system has no such names
	}
	if err := os.WriteFile(filepath.Join(dir, "b"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, ctx, s := webPage(t, "--files", dir)
	if got := offered(ctx, t, s); !slices.Equal(got, []string{"b"}) {
		t.Errorf("offered are %q", got)
	}
}

// What a session looks like is found out once, for however many watch it.
func TestServeLooksOnce(t *testing.T) {
	a, b := transport.Pair()
	defer b.Close()
	session, err := mux.New(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	s := &webSession{Session: session, lanes: make(map[uint32]*lane)}
	once, again := s.look(0), s.look(0)
	for deadline := time.Now().Add(patience); &once[0] == &again[0]; again = s.look(0) {
		if time.Now().After(deadline) {
			t.Fatal("it is never looked at again")
		}
	}
	looks := 0
	for began := time.Now(); time.Since(began) < 3*watchEvery; {
		if now := s.look(0); &now[0] != &again[0] {
			looks, again = looks+1, now
		}
	}
	if looks == 0 || looks > 6 {
		t.Errorf("in three times %v it was looked at %d times", watchEvery, looks)
	}
}

// Connections that say nothing take a bounded number of places, and give them back.
func TestServeSilentConnections(t *testing.T) {
	url, leave := hold(t)
	before := runtime.NumGoroutine()
	addr := strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/streams")
	var conns []net.Conn
	for range webConns + 50 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	await := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what, runtime.NumGoroutine())
			}
		}
	}
	await("they are not served: goroutines", func() bool { return runtime.NumGoroutine() >= before+webConns })
	time.Sleep(50 * time.Millisecond) // in which more could come
	if n := runtime.NumGoroutine(); n > before+webConns+4 {
		t.Errorf("there are %d goroutines more", n-before)
	}
	for _, c := range conns[:100] {
		c.Close()
	}
	if res, _ := get(t, "http://"+addr+"/", "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("the page: %s", res.Status)
	}
	for range 60 { // all places are taken again, which must not hold up the end
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	leave()
	await("some are left: goroutines", func() bool { return runtime.NumGoroutine() <= before })
}
