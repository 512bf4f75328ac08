package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"omnistreams.dev/clients/js"
	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// webPage starts omni serve with these flags and connects as its page does.
func webPage(t *testing.T, flags ...string) (*process, context.Context, *mux.Session) {
	t.Helper()
	p := start(t, append([]string{"serve", "--web", "127.0.0.1:0"}, flags...)...)
	ctx, s := client(t, streamsOf(p.url()), nil)
	return p, ctx, s
}

// streamsOf is the WebSocket of the page at url.
func streamsOf(url string) string { return "ws" + strings.TrimPrefix(url, "http") + "streams" }

// streamID is the newest number of a stream, where any will do: one is free
// again only a while after its stream has ended.
var streamID atomic.Uint32

func init() { streamID.Store(100) }

// ask opens a call that has no items, with metadata that v is as JSON.
func ask(ctx context.Context, t *testing.T, s *mux.Session, v any) *omni.Producer[[]byte] {
	t.Helper()
	c, err := s.Call(ctx, encode(v))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Out.End() // it may be refused already, which the answer says
	return c.In
}

// fails reads the answer to its end, which is a failure with this code.
func fails(ctx context.Context, t *testing.T, in *omni.Producer[[]byte], code omni.Code, reason string) {
	t.Helper()
	var err error
	for err == nil {
		_, err = in.Next(ctx)
	}
	wantError(t, err, code, reason)
}

// get asks the server for a path, as host and with these headers.
func get(t *testing.T, url, host string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestServePage(t *testing.T) {
	t.Parallel()
	url := start(t, "serve", "--web", "127.0.0.1:0").url()
	for path, want := range map[string]string{
		"": "text/html; charset=utf-8", "index.html": "text/html; charset=utf-8", "app.js": "text/javascript; charset=utf-8",
		"omnistreams.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		res, body := get(t, url+path, "", nil)
		h := res.Header
		if res.StatusCode != http.StatusOK || h.Get("Content-Type") != want || body == "" {
			t.Errorf("/%s: %s, type %q, %d bytes", path, res.Status, h.Get("Content-Type"), len(body))
		}
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") ||
			strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("/%s: headers %v", path, h)
		}
		if path == "omnistreams.js" && body != string(js.Module) {
			t.Error("omnistreams.js is not the client's module")
		}
		if path == "" && (strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "http://") || strings.Contains(body, "https://")) {
			t.Error("the page has something inline or from elsewhere")
		}
	}
	for _, path := range []string{"none", "web/app.js", "test/page.mjs", "package.json", "%2e%2e/serve.go", ".", "test/"} {
		if res, _ := get(t, url+path, "", nil); res.StatusCode == http.StatusOK {
			t.Errorf("/%s is served", path)
		}
	}
	if res, _ := get(t, url+"streams", "", nil); res.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("/streams: %s", res.Status)
	}
}

// Whoever has a name point here must not be taken for this page.
func TestServeHosts(t *testing.T) {
	t.Parallel()
	url := start(t, "serve", "--web", "127.0.0.1:0").url()
	self, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"": 200, "localhost": 200, "LOCALHOST:1": 200, "127.0.0.1:99": 200, "[::1]:80": 200, "[::1]": 200, self: 200,
		"example.com": 421, "localhost.example.com": 421, "127.0.0.1.example.com:80": 421, "example.com:80": 421, "a:b:c": 421,
	} {
		for _, path := range []string{"", "streams"} {
			res, _ := get(t, url+path, host, nil)
			if got := res.StatusCode; got != want && !(path == "streams" && want == 200 && got == http.StatusUpgradeRequired) {
				t.Errorf("host %q: /%s gives %s", host, path, res.Status)
			}
		}
	}
}

func TestServeOrigins(t *testing.T) {
	t.Parallel()
	url := start(t, "serve", "--web", "127.0.0.1:0").url()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for origin, in := range map[string]bool{
		strings.TrimSuffix(url, "/"): true, "": true,
		"http://example.com": false, "http://127.0.0.1:1": false, "http://localhost": false, "null": false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		c, err := transport.Dial(ctx, streamsOf(url), &transport.Options{Header: header})
		if (err == nil) != in {
			t.Errorf("origin %q: %v", origin, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestServeUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--web", "8080"}, {"--web", "127.0.0.1"}, {"--web", "127.0.0.1:x"}, {"--web", "127.0.0.1:65536"},
		{"--web", "127.0.0.1:0", "--files", "/nowhere/at/all"}, {"--web", "127.0.0.1:0", "more"},
	} {
		if code, stdout, _ := inProcess(t, append([]string{"serve"}, args...)...); code != exitUsage || stdout != "" {
			t.Errorf("omni serve %q: exit code %d, stdout %q", args, code, stdout)
		}
	}
}

func TestServeWarns(t *testing.T) {
	t.Parallel()
	p := start(t, "serve", "--web", "0.0.0.0:0")
	if url := p.url(); !strings.HasPrefix(url, "http://localhost:") {
		t.Errorf("the page is at %q", url)
	}
	p.await(p.stderr, regexp.MustCompile("warning: anyone who can reach this address"))
}

// watched waits until the server's figures of a lane are as ok says, and
// returns them.
func watched(ctx context.Context, t *testing.T, watch *omni.Producer[[]byte], id uint32, ok func(laneState) bool) laneState {
	t.Helper()
	for item, err := range watch.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		var state webState
		if err := json.Unmarshal(item, &state); err != nil {
			t.Fatal(err)
		}
		is := func(l laneState) bool { return l.ID == id }
		i := slices.IndexFunc(state.Lanes, is)
		switch {
		case i < 0:
		case slices.ContainsFunc(state.Lanes[i+1:], is):
			t.Fatalf("lane %d is told of twice: %+v", id, state.Lanes)
		case ok(state.Lanes[i]):
			return state.Lanes[i]
		}
	}
	t.Fatal("the watch ended")
	return laneState{}
}

// watching opens the stream "watch" and looks at it until cond holds of a lane.
func watching(ctx context.Context, t *testing.T, s *mux.Session, id uint32, ok func(laneState) bool) laneState {
	t.Helper()
	return watched(ctx, t, ask(ctx, t, s, map[string]any{"name": "watch"}), id, ok)
}

func TestServeLane(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	lane := ask(ctx, t, s, map[string]any{"name": "lane", "id": 7, "size": 100, "rate": -1})
	lane.Request(10)
	waiting := watching(ctx, t, s, 7, func(l laneState) bool { return l.Stuck && l.Since > 0.3 })
	if waiting.Moved != waiting.Granted || waiting.Moved < 10 || waiting.Bytes != 100*waiting.Moved || waiting.Waits != "the peer's reader" {
		t.Errorf("a lane that nobody reads: %+v", waiting)
	}
	if again := watching(ctx, t, s, 7, func(l laneState) bool { return l.Since > waiting.Since }); again.Moved != waiting.Moved {
		t.Errorf("%d items were written, and then %d", waiting.Moved, again.Moved)
	}
	for n := range uint64(1000) {
		item, err := lane.Next(ctx)
		if err != nil || len(item) != 100 || beNumber(item) != n {
			t.Fatalf("item %d is %x, %v", n, item, err)
		}
	}
	order := control(ctx, t, s)
	write(ctx, t, order, `{"id":99,"rate":1}`, `{"id":7,"end":{"code":300,"reason":"asked to"}}`)
	fails(ctx, t, lane, 300, "asked to")
}

func beNumber(item []byte) (n uint64) {
	for _, b := range item[:8] {
		n = n<<8 | uint64(b)
	}
	return n
}

func control(ctx context.Context, t *testing.T, s *mux.Session) *omni.Consumer[[]byte] {
	t.Helper()
	c, err := s.Open(ctx, mux.RouteMetadata("control"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A lane on which the page writes: the server reads as fast as it is told to.
func TestServeLaneUp(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	lane, err := s.Call(ctx, encode(map[string]any{"name": "lane", "id": 1, "up": true, "size": 8, "rate": 0}))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lane.Metadata(ctx); err != nil || string(got) != `{"id":1}` {
		t.Fatalf("answered with %q, %v", got, err)
	}
	item := func(n int) string { return "\x00\x00\x00\x00\x00\x00\x00" + string(rune(n)) }
	for n := range webPrefetch {
		write(ctx, t, lane.Out, item(n))
	}
	timed, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := lane.Out.Write(timed, []byte(item(webPrefetch))); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("there is credit beyond what was granted: %v", err)
	}
	held := watching(ctx, t, s, 1, func(l laneState) bool { return l.Moved == webPrefetch })
	if held.Taken != 0 || held.Granted != webPrefetch {
		t.Errorf("a lane that the server does not read: %+v", held)
	}
	order := control(ctx, t, s)
	write(ctx, t, order, `{"id":1,"rate":-1}`)
	write(ctx, t, lane.Out, item(webPrefetch), item(webPrefetch+1))
	watching(ctx, t, s, 1, func(l laneState) bool { return l.Taken == webPrefetch+2 })
	write(ctx, t, lane.Out, item(99)) // which is not the next one
	fails(ctx, t, lane.In, codeFailed, "item 34 is not the one that comes next")
}

func TestServeLanePace(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	lane := ask(ctx, t, s, map[string]any{"name": "lane", "id": 1, "size": 8, "rate": 100})
	began := time.Now()
	for range 50 {
		if _, err := lane.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// Half a second, but for what is caught up with.
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("50 items at 100 a second took %v", took)
	}
	write(ctx, t, control(ctx, t, s), `{"id":1,"rate":0}`, `{"id":1,"rate":1000000}`)
	for range 5000 {
		if _, err := lane.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	_, ctx, s := webPage(t)
	first := ask(ctx, t, s, map[string]any{"name": "lane", "id": 1, "size": 8, "rate": 0})
	watching(ctx, t, s, 1, func(laneState) bool { return true })
	for metadata, reason := range map[string]string{
		`{"name":"lane","id":1,"size":8}`:               "there is a stream 1 already",
		`{"name":"lane","size":8}`:                      "it has no number",
		`{"name":"lane","id":-1,"size":8}`:              "its metadata is not that of this page",
		`{"name":"lane","id":2,"size":7}`:               "items must be of 8 to 65536 bytes",
		`{"name":"lane","id":2,"size":65537}`:           "items must be of 8 to 65536 bytes",
		`{"name":"files"}`:                              "there are no files here",
		`{"name":"download","id":2,"size":-1}`:          "too large to be made up",
		`{"name":"download","id":2,"size":4294967297}`:  "too large to be made up",
		`{"name":"download","id":2,"file":"serve.go"}`:  "there is no such file",
		`{"name":"upload","id":2,"file":""}`:            "refused: an empty name",
		`{"name":"upload","id":2,"file":"../x"}`:        "refused: a name with a slash",
		`{"name":"upload","id":2,"file":".omni-x.tmp"}`: "refused: a name that omni keeps for temporary files",
		`{"name":"upload","id":2,"file":"a\u0000b"}`:    "refused: a name with a NUL",
		`{"name":"upload","id":2,"file":".."}`:          "refused: a name with ..",
		`{"name":"upload","id":2,"file":"a\\b"}`:        "refused: a name with a slash",
	} {
		metadata = strings.Replace(metadata, `"id":2`, fmt.Sprintf(`"id":%d`, streamID.Add(1)), 1)
		fails(ctx, t, ask(ctx, t, s, json.RawMessage(metadata)), omni.CodeRefused, reason)
	}
	one, err := s.Open(ctx, encode(map[string]any{"name": "lane", "id": 3, "size": 8}))
	if err != nil {
		t.Fatal(err)
	}
	<-one.Done()
	wantError(t, one.Err(), omni.CodeRefused, "it must be a call")
	first.Cancel(nil)

	order := control(ctx, t, s)
	write(ctx, t, order, "no order")
	<-order.Done()
	wantError(t, order.Err(), codeFailed, "an order that is none")
}

// Lanes and the watch have no end of their own: at SIGTERM they end, and what
// does end goes on.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	if !onUnix() {
		return // there is no SIGTERM
	}
	p, ctx, s := webPage(t)
	lane := ask(ctx, t, s, map[string]any{"name": "lane", "id": 1, "size": 8, "rate": -1})
	download := ask(ctx, t, s, map[string]any{"name": "download", "id": 2, "size": 20_000_000})
	if _, err := download.Next(ctx); err != nil {
		t.Fatal(err)
	}
	watching(ctx, t, s, 1, func(l laneState) bool { return l.Stuck })
	watch := ask(ctx, t, s, map[string]any{"name": "watch"})
	if _, err := watch.Next(ctx); err != nil {
		t.Fatal(err)
	}
	order, other := control(ctx, t, s), ask(ctx, t, s, map[string]any{"name": "lane", "id": 3, "size": 8, "rate": 0})
	watching(ctx, t, s, 3, func(laneState) bool { return true })
	write(ctx, t, order, `{"id":3,"end":{"code":300}}`)
	fails(ctx, t, other, 300, "")
	p.signal(syscall.SIGTERM)
	fails(ctx, t, lane, omni.CodeShuttingDown, "")
	if err := omni.ForEach(ctx, watch, func([]byte) error { return nil }); err != nil {
		t.Errorf("the watch ended with %v", err)
	}
	<-order.Done()
	got := uint64(0)
	for item, err := range download.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		got += uint64(len(item))
	}
	if got < 20_000_000-itemSize {
		t.Errorf("the download ended after %d bytes", got)
	}
	<-s.Done()
	if err := s.Err(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
	p.want(exitOK)
}

func TestServeSlots(t *testing.T) {
	t.Parallel()
	url := start(t, "serve", "--web", "127.0.0.1:0").url()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var conns []transport.Conn
	for range webSessions {
		c, err := transport.Dial(ctx, streamsOf(url), nil)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if _, err := transport.Dial(ctx, streamsOf(url), nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("one more than there is room for: %v", err)
	}
	for _, c := range conns {
		c.Close()
	}
}

func TestServeHelp(t *testing.T) {
	code, stdout, stderr := inProcess(t, "serve", "--help")
	if code != exitOK || stderr != "" || !strings.Contains(stdout, "Examples:") || !strings.Contains(stdout, exitCodes) {
		t.Errorf("exit code %d, stderr %q, stdout %q", code, stderr, stdout)
	}
	for line := range strings.Lines(stdout) {
		if len([]rune(line)) > 101 {
			t.Errorf("the line %q is long", line)
		}
	}
}
