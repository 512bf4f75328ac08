package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sample is a tree with a bit of everything that is sent.
func sample(t *testing.T) string {
	t.Helper()
	s := spec{
		"empty": "", "small": "content", "d/e/deep": blob("deep", 70_000), "d/exact": blob("exact", itemSize),
		"d/over": blob("over", itemSize+1), "hollow/inner/": "", "d/name with space": "x",
	}
	if onUnix() {
		s["d/up"] = "-> ../small"
		s["dangling"] = "-> nowhere"
		s["not utf-8 \xff"] = "y"
		s[`d/back\slash`] = "z"
	}
	dir := s.build(t, filepath.Join(t.TempDir(), "from"))
	for name, mode := range map[string]os.FileMode{"small": 0o400, "d/exact": 0o755, "d/e": 0o750, "hollow/inner": 0o700} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// events reads what --json printed.
func events(t *testing.T, stdout string) (list []event, last *Summary) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(stdout))
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		list = append(list, e)
	}
	if len(list) == 0 || list[len(list)-1].Event != "summary" {
		t.Fatalf("the last of these is not a summary:\n%s", stdout)
	}
	return list, list[len(list)-1].Summary
}

func TestSendAndReceive(t *testing.T) {
	from := sample(t)
	certs := newCerts(t)
	socket := filepath.Join(t.TempDir(), "s")
	for name, c := range map[string]struct {
		url       string
		rxTLS     []string
		txTLS     []string
		txListens bool
	}{
		"ws":           {url: "ws://127.0.0.1:0/in"},
		"ws sender":    {url: "ws://127.0.0.1:0", txListens: true},
		"wss":          {url: "wss://127.0.0.1:0", rxTLS: certs.server, txTLS: certs.trust},
		"tcp":          {url: "tcp://127.0.0.1:0"},
		"tcp sender":   {url: "tcp://127.0.0.1:0", txListens: true},
		"tls":          {url: "tls://127.0.0.1:0", rxTLS: certs.mutual, txTLS: certs.client},
		"tls insecure": {url: "tls://127.0.0.1:0", rxTLS: certs.server, txTLS: []string{"--insecure"}},
		"unix":         {url: "unix:" + filepath.ToSlash(socket)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := filepath.Join(t.TempDir(), "to")
			rxArgs := append([]string{"recv", "--dir", to}, c.rxTLS...)
			txArgs := append([]string{"send", from + "/"}, c.txTLS...)
			var rx, tx *process
			if c.txListens {
				tx = start(t, append(txArgs, "--listen", c.url)...)
				rx = start(t, append(rxArgs, "--connect", tx.url())...)
			} else {
				rx = start(t, append(rxArgs, "--once", "--listen", c.url)...)
				tx = start(t, append(txArgs, "--connect", rx.url())...)
			}
			tx.want(exitOK)
			rx.want(exitOK)
			same(t, from, to)
			noStaging(t, to)
		})
	}
}

func TestSendAndReceiveOverStdio(t *testing.T) {
	from, to := sample(t), filepath.Join(t.TempDir(), "to")
	rx := tool(t, "recv", "--dir", to, "--listen", "stdio:", "--json")
	tx := tool(t, "send", from+"/", "--connect", "stdio:", "--json")
	a, b := pipePair(t)
	c, d := pipePair(t)
	rx.cmd.Stdin, rx.cmd.Stdout = a, d
	tx.cmd.Stdin, tx.cmd.Stdout = c, b
	rx.begin()
	tx.begin()
	for _, f := range []*os.File{a, b, c, d} {
		f.Close()
	}
	tx.want(exitOK)
	rx.want(exitOK)
	same(t, from, to)
	// stdout carried the data, so the events are on stderr, alone.
	if _, s := events(t, tx.stderr.String()); !s.OK || s.Files == 0 {
		t.Errorf("summary %+v", s)
	}
	if list, _ := events(t, rx.stderr.String()); list[0].Event != "listening" {
		t.Errorf("the first event is %+v", list[0])
	}
}

func pipePair(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func TestOneFileUnderItsName(t *testing.T) {
	dir := spec{"a/one": "content"}.build(t, t.TempDir())
	to := filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once")
	start(t, "send", "-c", rx.url(), filepath.Join(dir, "a", "one")).want(exitOK)
	rx.want(exitOK)
	if data, err := os.ReadFile(filepath.Join(to, "one")); string(data) != "content" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestAgainSendsOnlyWhatDiffers(t *testing.T) {
	from := spec{"a": blob("a", 1000), "b": blob("b", 1000), "d/c": blob("c", 1000), "d/e": "x"}.build(t, filepath.Join(t.TempDir(), "from"))
	to := filepath.Join(t.TempDir(), "to")
	send := func(want Summary, args ...string) {
		t.Helper()
		rx := start(t, "recv", "--dir", to, "--once")
		code, stdout, _ := runTool(t, append([]string{"send", "--json", "-c", rx.url(), from + "/"}, args...)...)
		rx.want(exitOK)
		_, s := events(t, stdout)
		if code != exitOK || s.Files != want.Files || s.Had != want.Had || s.Bytes != want.Bytes || s.Checked != want.Checked {
			t.Errorf("exit code %d, summary %+v", code, s)
		}
		same(t, from, to)
	}
	send(Summary{Files: 4, Bytes: 3001, Checked: 4})
	send(Summary{Had: 4})
	// Other content of the same size, with the time kept: only hashes tell.
	sly := filepath.Join(from, "b")
	if err := os.WriteFile(sly, []byte(blob("B", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(sly, old, old); err != nil {
		t.Fatal(err)
	}
	send(Summary{Files: 1, Had: 3, Bytes: 1000, Checked: 4}, "--checksum")
	// Another time, another mode, another size.
	if err := os.Chtimes(filepath.Join(from, "a"), old, old.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(sly, 0o600); err != nil {
		t.Fatal(err)
	}
	spec{"d/c": "shorter"}.build(t, from)
	send(Summary{Files: 2, Had: 2, Bytes: 1007, Checked: 2})
}

func TestReceiverServesManySenders(t *testing.T) {
	if !onUnix() {
		return // there is no way to stop it in order
	}
	from, to := spec{"a": blob("a", 100_000), "b/c": "x"}.build(t, t.TempDir()), filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to)
	first, second := start(t, "send", "-c", rx.url(), from+"/a"), start(t, "send", "-c", rx.url(), from+"/b")
	first.want(exitOK)
	second.want(exitOK)
	rx.await(rx.stderr, regexp.MustCompile(`(?s)(received 1 file.*){2}\n`))
	rx.signal(syscall.SIGTERM)
	rx.want(exitOK) // to be stopped is how it ends
	same(t, from, to)
	if text := rx.stderr.String(); !strings.Contains(text, "received 2 files, 100.0 kB in ") {
		t.Errorf("it says %q", text)
	}
}

func TestJSONTellsEverything(t *testing.T) {
	from, to := sample(t), filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once", "--json")
	first := rx.await(rx.stdout, regexp.MustCompile(`^\{"event":"listening","url":"([^"]+)"\}`))
	tx := start(t, "send", "--json", "-c", first, from+"/")
	tx.want(exitOK)
	rx.want(exitOK)
	c := same(t, from, to)
	for who, p := range map[string]*process{"sender": tx, "receiver": rx} {
		list, s := events(t, p.stdout.String())
		kinds := map[string]int64{}
		for _, e := range list {
			kinds[e.Event+" "+e.Status]++
			if e.Event == "file" && len(e.SHA256) != 64 {
				t.Errorf("%s: no hash in %+v", who, e)
			}
		}
		// totals and done are two more streams each, with their answers.
		streams := 2 * (s.Files + s.Dirs + s.Links + 2)
		if !s.OK || s.Files != c.hashed || s.Checked != c.hashed || kinds["file moved"] != c.hashed ||
			s.Dirs == 0 || kinds["directory moved"] != s.Dirs || kinds["symlink moved"] != s.Links ||
			s.Streams != streams || s.PeakMemory < 1<<20 || s.Seconds <= 0 || s.Error != "" {
			t.Errorf("%s: %+v, events %v", who, s, kinds)
		}
	}
}

func TestQuietSaysNothing(t *testing.T) {
	from, to := sample(t), filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once", "--quiet")
	tx := start(t, "send", "--quiet", "-c", rx.url(), from+"/")
	tx.want(exitOK)
	rx.want(exitOK)
	if text := tx.stdout.String() + tx.stderr.String() + rx.stderr.String(); text != "" {
		t.Errorf("they say %q", text)
	}
}

func TestSpecialFilesAreSkipped(t *testing.T) {
	if !onUnix() {
		return
	}
	from, to := sample(t), filepath.Join(t.TempDir(), "to")
	makeFIFO(t, filepath.Join(from, "d", "fifo"))
	if err := os.Chtimes(filepath.Join(from, "d"), old, old); err != nil {
		t.Fatal(err)
	}
	rx := start(t, "recv", "--dir", to, "--once")
	tx := start(t, "send", "-c", rx.url(), from+"/")
	tx.want(exitSkipped)
	rx.want(exitSkipped)
	if text := tx.stderr.String(); !strings.Contains(text, "warning: d/fifo: skipped: it is a named pipe") {
		t.Errorf("it says %q", text)
	}
	if err := os.Remove(filepath.Join(from, "d", "fifo")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(from, "d"), old, old); err != nil {
		t.Fatal(err)
	}
	same(t, from, to)
}

func TestLinksThatLeadOutAreSkipped(t *testing.T) {
	if !onUnix() {
		return
	}
	from := spec{"f": "x", "abs": "-> /etc/passwd", "up": "-> ../../x", "ok": "-> f"}.build(t, filepath.Join(t.TempDir(), "from"))
	to := filepath.Join(t.TempDir(), "to")
	rx := start(t, "recv", "--dir", to, "--once")
	tx := start(t, "send", "-c", rx.url(), from+"/")
	tx.want(exitSkipped)
	rx.want(exitSkipped)
	for _, name := range []string{"abs", "up"} {
		if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
			t.Errorf("%s is there", name)
		}
		if !strings.Contains(tx.stderr.String(), "warning: "+name+": skipped: the receiver refused it") {
			t.Errorf("nothing is said of %s", name)
		}
	}
	if target, _ := os.Readlink(filepath.Join(to, "ok")); target != "f" {
		t.Errorf("ok links to %q", target)
	}
}

func TestOneFailureDoesNotStopTheRest(t *testing.T) {
	from := spec{"a/x": "x", "b": "y", "c": "z"}.build(t, filepath.Join(t.TempDir(), "from"))
	to := spec{"b/in the way": ""}.build(t, filepath.Join(t.TempDir(), "to"))
	rx := start(t, "recv", "--dir", to, "--once")
	tx := start(t, "send", "-c", rx.url(), from+"/")
	tx.want(exitFailure)
	rx.want(exitFailure)
	if text := tx.stderr.String(); !strings.Contains(text, "b: failed: at the receiver: it is a directory here") ||
		!strings.Contains(text, "omni send: 1 entry failed\n") {
		t.Errorf("it says %q", text)
	}
	for _, name := range []string{"a/x", "c"} {
		if _, err := os.Stat(filepath.Join(to, name)); err != nil {
			t.Error(err)
		}
	}
}
