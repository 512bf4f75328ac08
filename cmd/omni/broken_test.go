package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// slow is a transfer that a test stops half way: small files, which arrive
// soon, and a large one, which does not.
type slow struct {
	from, to string
	rx, tx   *process
}

func startSlow(t *testing.T) *slow {
	t.Helper()
	s := &slow{from: filepath.Join(t.TempDir(), "from"), to: filepath.Join(t.TempDir(), "to")}
	files := spec{"z/large": blob("large", 4<<20)}
	for _, name := range []string{"a", "b", "c", "d/e"} {
		files[name] = blob(name, 1000)
	}
	files.build(t, s.from)
	// One at a time, in order: when "a" is there, "z/large" is far from it.
	s.rx = start(t, "recv", "--dir", s.to, "--once", "--limit", "1MB/s")
	s.tx = start(t, "send", "-c", s.rx.url(), "--json", "--parallel", "2", s.from+"/")
	s.tx.await(s.tx.stdout, regexp.MustCompile(`"path":"a","status":"moved"`))
	return s
}

// again runs the transfer to its end and checks that it was the rest.
func (s *slow) again(t *testing.T) {
	t.Helper()
	rx := start(t, "recv", "--dir", s.to, "--once")
	tx := start(t, "send", "-c", rx.url(), "--json", s.from+"/")
	tx.want(exitOK)
	rx.want(exitOK)
	if _, sum := events(t, tx.stdout.String()); sum.Had < 1 || sum.Had+sum.Files != 5 {
		t.Errorf("summary %+v", sum)
	}
	same(t, s.from, s.to)
}

// lastLine is what the tool said why it failed: one line.
func lastLine(t *testing.T, p *process) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(p.stderr.String(), "\n"), "\n")
	var told []string
	for _, l := range lines {
		if strings.HasPrefix(l, "omni ") {
			told = append(told, l)
		}
	}
	if len(told) != 1 {
		t.Errorf("not one line but %q", lines)
		return ""
	}
	return told[0]
}

func TestSenderKilled(t *testing.T) {
	s := startSlow(t)
	s.tx.signal(os.Kill)
	s.rx.want(exitFailure)
	if line := lastLine(t, s.rx); !strings.Contains(line, "the connection to the sender was lost") {
		t.Errorf("it says %q", line)
	}
	if n := whole(t, s.from, s.to); n < 1 || n > 4 {
		t.Errorf("%d files are there", n)
	}
	s.again(t)
}

func TestReceiverKilled(t *testing.T) {
	s := startSlow(t)
	s.rx.signal(os.Kill)
	s.tx.want(exitFailure)
	if line := lastLine(t, s.tx); !strings.Contains(line, "the connection to the receiver was lost") {
		t.Errorf("it says %q", line)
	}
	s.again(t) // which removes what the dead one left
	if onUnix() {
		noStaging(t, s.to)
	}
}

func TestSenderInterrupted(t *testing.T) {
	if !onUnix() {
		return
	}
	s := startSlow(t)
	s.tx.signal(os.Interrupt)
	s.tx.want(exitInterrupted)
	if line := lastLine(t, s.tx); !strings.HasPrefix(line, "omni send: interrupted; ") {
		t.Errorf("it says %q", line)
	}
	s.rx.want(exitFailure)
	if line := lastLine(t, s.rx); !strings.HasPrefix(line, "omni recv: the sender broke off: ") {
		t.Errorf("it says %q", line)
	}
	whole(t, s.from, s.to)
	s.again(t)
}

func TestReceiverInterrupted(t *testing.T) {
	if !onUnix() {
		return
	}
	s := startSlow(t)
	s.rx.signal(syscall.SIGTERM)
	s.rx.want(exitInterrupted)
	if line := lastLine(t, s.rx); line != "omni recv: interrupted" {
		t.Errorf("it says %q", line)
	}
	s.tx.want(exitFailure)
	if line := lastLine(t, s.tx); !strings.HasPrefix(line, "omni send: the receiver broke off: ") {
		t.Errorf("it says %q", line)
	}
	whole(t, s.from, s.to)
	s.again(t)
}

func TestSenderOnStdioGoesAway(t *testing.T) {
	to := filepath.Join(t.TempDir(), "to")
	rx := tool(t, "recv", "--dir", to, "--listen", "stdio:")
	stdin, theirs := pipePair(t)
	ours, stdout := pipePair(t)
	rx.cmd.Stdin, rx.cmd.Stdout = stdin, stdout
	rx.begin()
	stdin.Close()
	stdout.Close()
	rx.await(rx.stderr, listening)
	// A write to a pipe that nobody reads must not kill it: files of its own
	// would be left.
	ours.Close()
	theirs.Close()
	rx.want(exitFailure)
	noStaging(t, to)
}

func TestFileThatChangesWhileItIsSent(t *testing.T) {
	dir := spec{"f": blob("f", 1000)}.build(t, t.TempDir())
	path := filepath.Join(dir, "f")
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	w := worker{sender: &sender{itemSize: 100}}
	change := func(f func() error) error {
		first := true
		return w.read(found{path: path, name: "f", info: info}, func([]byte) error {
			if first {
				first = false
				return f()
			}
			return nil
		})
	}
	if err := change(func() error { return nil }); err != nil {
		t.Errorf("nothing changed: %v", err)
	}
	for why, f := range map[string]func() error{
		"touched": func() error { return os.Chtimes(path, old, old.Add(time.Second)) },
		"cut":     func() error { return os.Truncate(path, 500) },
		"longer":  func() error { return os.WriteFile(path, []byte(blob("f", 2000)), 0o644) },
	} {
		spec{"f": blob("f", 1000)}.build(t, dir)
		if err := change(f); !errors.Is(err, errChanged) {
			t.Errorf("%s: %v", why, err)
		}
	}
	// Another file under the name, before it is opened.
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	spec{"f": blob("f", 1000)}.build(t, dir)
	if err := change(func() error { return nil }); !errors.Is(err, errChanged) && onUnix() {
		t.Errorf("another file: %v", err)
	}
}

func TestBuffersAreNoLongerThanFiles(t *testing.T) {
	dir := spec{"short": "xy", "long": blob("f", 250), "empty": ""}.build(t, t.TempDir())
	w := worker{sender: &sender{itemSize: 100}}
	for _, c := range []struct {
		name string
		want int
	}{{"empty", 0}, {"short", 2}, {"long", 100}, {"short", 100}} {
		path := filepath.Join(dir, c.name)
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if err := w.read(found{path: path, info: info}, func(b []byte) error { got += len(b); return nil }); err != nil {
			t.Error(err)
		}
		if len(w.buf) != c.want || int64(got) != info.Size() {
			t.Errorf("%s: a buffer of %d bytes, %d were read", c.name, len(w.buf), got)
		}
	}
}

func TestFilesThatDoNotSayTheirSize(t *testing.T) {
	const file = "/proc/version"
	if info, err := os.Stat(file); err != nil || info.Size() != 0 {
		return // only Linux has such files
	}
	to := filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once")
	tx := start(t, "send", "-c", rx.url(), file)
	tx.want(exitSkipped)
	rx.want(exitSkipped)
	if line := tx.stderr.String(); !strings.Contains(line, "warning: version: skipped: it has content") {
		t.Errorf("it says %q", line)
	}
	if n := whole(t, "/proc", to); n > 0 {
		t.Error("there is a file")
	}
}

func TestNobodyListens(t *testing.T) {
	from := spec{"a": "x"}.build(t, t.TempDir())
	code, _, stderr := runTool(t, "send", "-c", "unix:"+filepath.ToSlash(filepath.Join(from, "none")), from)
	if code != exitFailure || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d, it says %q", code, stderr)
	}
}

func TestSenderMeetsWhatIsNoReceiver(t *testing.T) {
	for _, from := range []string{
		spec{"d/": ""}.build(t, t.TempDir()), spec{"f": ""}.build(t, t.TempDir()),
		spec{"l": "-> f"}.build(t, t.TempDir()), t.TempDir(),
	} {
		p := start(t, "echo", "-l", "tcp://127.0.0.1:0")
		tx := start(t, "send", "-c", p.url(), from+"/")
		tx.want(exitFailure)
		if line := lastLine(t, tx); !strings.Contains(line, "its answer is not that of omni recv") {
			t.Errorf("it says %q", line)
		}
	}
}

// client is a session of the test itself with a process.
func client(t *testing.T, url string, opt *mux.Options) (context.Context, *mux.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	conn, err := transport.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mux.New(conn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return ctx, s
}

// offer makes one call of a sender that obeys no rule, and returns how it
// ended.
func offer(ctx context.Context, t *testing.T, s *mux.Session, metadata string, items ...string) error {
	t.Helper()
	call, err := s.Call(ctx, []byte(metadata))
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if call.Out.Write(ctx, []byte(item)) != nil {
			break
		}
	}
	_ = call.Out.End()
	return awaitEnd(ctx, call)
}

func TestHostileSender(t *testing.T) {
	parent := t.TempDir()
	to := filepath.Join(parent, "to")
	outside := filepath.Join(parent, "outside")
	spec{"mine": "mine"}.build(t, outside)
	rx := start(t, "recv", "--dir", to, "--once")
	ctx, s := client(t, rx.url(), nil)
	x := string(sumOf("x"))
	escapes(ctx, t, s)
	for name, metadata := range map[string]string{
		"escaping base64": `{"name":"file","path":{"base64":"Li4vb3V0c2lkZS94"},"size":1}`,
		"link out":        `{"name":"symlink","path":"l","target":"../outside"}`,
		"link to root":    `{"name":"symlink","path":"l","target":"/"}`,
		"size below zero": `{"name":"file","path":"f","size":-1}`,
		"not JSON":        `file`,
		"no such name":    `{"name":"exec","path":"f"}`,
		"no tally":        `{"name":"totals","files":-5}`,
	} {
		if err := offer(ctx, t, s, metadata); !errors.Is(err, omni.ErrRefused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	// A link that stays inside is taken, but nothing goes through it.
	if err := offer(ctx, t, s, `{"name":"symlink","path":"link","target":"dir"}`); err != nil {
		t.Error(err)
	}
	if err := offer(ctx, t, s, `{"name":"file","path":"dir/f","size":1,"mode":420}`, "x", x); err != nil {
		t.Error(err)
	}
	if err := offer(ctx, t, s, `{"name":"file","path":"link/g","size":1,"mode":420}`, "x", x); !errors.Is(err, omni.ErrRefused) {
		t.Errorf("a file through a link: %v", err)
	}
	lies(ctx, t, s)
	if err := offer(ctx, t, s, `{"name":"done","files":1,"bytes":1}`); err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	rx.want(exitFailure) // since files failed
	want := filepath.Join(parent, "want")
	spec{"to/dir/f": "x", "to/link": "-> dir", "outside/mine": "mine"}.build(t, want)
	for _, name := range []string{"to/dir/f", "to/dir", "to", "outside"} {
		info, err := os.Lstat(filepath.Join(parent, name))
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(filepath.Join(want, name), info.Mode().Perm())
		_ = os.Chtimes(filepath.Join(want, name), info.ModTime(), info.ModTime())
	}
	same(t, filepath.Join(want, "to"), to)
	same(t, filepath.Join(want, "outside"), outside)
}

// escapes offers everything under names that lead out.
func escapes(ctx context.Context, t *testing.T, s *mux.Session) {
	t.Helper()
	for _, name := range []string{
		`/etc/x`, `../outside/x`, `a/../../outside/x`, `..`, `.`, ``, `a//b`, `a/./b`, `a\u0000b`, `.omni-1.tmp/x`,
	} {
		for _, kind := range []string{nameFile, nameDirectory, nameSymlink} {
			err := offer(ctx, t, s, `{"name":"`+kind+`","path":"`+name+`","size":1,"mode":511,"target":"x"}`)
			if !errors.Is(err, omni.ErrRefused) {
				t.Errorf("%s %q: %v, want a refusal", kind, name, err)
			}
		}
	}
}

// lies offers files that are not what their sender says.
func lies(ctx context.Context, t *testing.T, s *mux.Session) {
	t.Helper()
	x := string(sumOf("x"))
	for name, items := range map[string][]string{
		"wrong hash": {"y", x}, "no hash": {"x"}, "nothing": nil, "too much": {"xx", x}, "more": {"x", x, x},
	} {
		err := offer(ctx, t, s, `{"name":"file","path":"lie","size":1,"mode":420}`, items...)
		var se *omni.StreamError
		if !errors.As(err, &se) || !se.Remote || se.Code != codeFailed || se.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
