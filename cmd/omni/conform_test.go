package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"omnistreams.dev/cmd/omni/conform"
	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

func TestConformPassesEcho(t *testing.T) {
	urls := map[string]string{
		"ws": "ws://127.0.0.1:0/echo", "tcp": "tcp://127.0.0.1:0",
		"unix": "unix:" + filepath.ToSlash(filepath.Join(t.TempDir(), "s")),
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			echo := start(t, "echo", "--listen", url)
			code, stdout, stderr := runTool(t, "conform", "--connect", echo.url(), "--timeout", "10s", "--seeds", "2")
			last := stdout[strings.LastIndex(strings.TrimSpace(stdout), "\n")+1:]
			if code != exitOK || !strings.Contains(last, " passed, 0 failed") {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

func TestConformPassesEchoThatConnects(t *testing.T) {
	for _, at := range []string{"ws://127.0.0.1:0/", "tcp://127.0.0.1:0"} {
		suite := start(t, "conform", "--listen", at, "--run", "^(R7.3|R4.1|R12.3) ", "--parallel", "1", "--timeout", "10s")
		url := suite.await(suite.stderr, listening)
		for range 3 { // one connection for each case
			start(t, "echo", "--connect", url)
		}
		suite.want(exitOK)
		if got := suite.stdout.String(); !strings.HasSuffix(got, "\n3 passed, 0 failed\n") {
			t.Errorf("it says %q", got)
		}
	}
}

// refuser listens at a URL that it returns, and refuses all calls.
func refuser(t *testing.T) string {
	l, err := transport.Listen(t.Context(), "tcp://127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { // ends with the listener
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			s, err := mux.New(conn, nil)
			if err != nil {
				continue
			}
			serving.Go(func() {
				_ = s.Serve(ctx, func(_ context.Context, in *mux.Incoming) error { in.Refuse("no"); return nil })
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		serving.Wait()
	})
	return l.URL()
}

func TestConformTellsWhatFails(t *testing.T) {
	url := refuser(t)
	page := filepath.Join(t.TempDir(), "report.html")
	code, stdout, stderr := runTool(t, "conform", "-c", url, "--run", "^R(11.1|7.1) ", "--json", "--html", page)
	if code != exitFailure || !strings.Contains(stderr, errNotConform.Error()) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	d := json.NewDecoder(strings.NewReader(stdout))
	var first, second conform.Result
	var sum conform.Report
	for _, into := range []any{&first, &second, &sum} {
		if err := d.Decode(into); err != nil {
			t.Fatalf("%v in %s", err, stdout)
		}
	}
	if first.ID != "R7.1" || first.Outcome != conform.Failed || first.Why == "" || len(first.Trace) < 3 {
		t.Errorf("the first result is %+v", first)
	}
	if second.ID != "R11.1" || second.Outcome != conform.Passed || sum.Passed != 1 || sum.Failed != 1 {
		t.Errorf("the second result is %+v, the summary %+v", second, sum)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 passed, 1 failed", `id="R7.1"`, "&lt;  HELLO version 1", "items and END"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page has no %q:\n%s", want, html)
		}
	}
}

func TestConformShowsTheFramesOfCasesThatPass(t *testing.T) {
	echo := start(t, "echo", "--listen", "tcp://127.0.0.1:0")
	for _, trace := range []bool{true, false} {
		code, stdout, stderr := runTool(t, "conform", "-c", echo.url(), "--run", "^R11.1 ", "--timeout", "10s", fmt.Sprintf("--trace=%t", trace))
		if code != exitOK || strings.Contains(stdout, "\n        <  PONG 0 ffffffffffffffff\n") != trace || !strings.HasSuffix(stdout, "\n1 passed, 0 failed\n") {
			t.Errorf("--trace=%t: exit code %d: %s%s", trace, code, stdout, stderr)
		}
	}
}

func TestConformUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-c", "stdio:"}, {"-l", "tcp://127.0.0.1:0", "-c", "tcp://127.0.0.1:1"}, {"-c", "tcp://127.0.0.1:1", "--run", "("},
		{"-c", "tcp://127.0.0.1:1", "--parallel", "0"}, {"-c", "tcp://127.0.0.1:1", "--timeout", "-1s"},
	} {
		if code, _, stderr := runTool(t, append([]string{"conform"}, args...)...); code != exitUsage || stderr == "" {
			t.Errorf("omni conform %q exits with %d: %s", args, code, stderr)
		}
	}
	if code, _, stderr := runTool(t, "conform", "-c", "unix:"+filepath.ToSlash(filepath.Join(t.TempDir(), "nobody"))); code != exitFailure || stderr == "" {
		t.Errorf("with nobody there it exits with %d: %s", code, stderr)
	}
	code, stdout, _ := runTool(t, "conform", "--list", "--run", "^R5")
	if code != exitOK || !strings.Contains(stdout, "R5.3") || strings.Contains(stdout, "R6.1") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	if _, stdout, _ := runTool(t, "conform", "--list", "--run", `^R11\.7 `); stdout != "0 cases, 1 more with --slow\n" {
		t.Errorf("without --slow a slow case is listed: %s", stdout)
	}
	if _, stdout, _ := runTool(t, "conform", "--list", "--run", `^R11\.7 `, "--slow"); !strings.HasPrefix(stdout, "R11.7 ") {
		t.Errorf("with --slow it is not: %s", stdout)
	}
}
