package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// smallDisk makes a file system in memory with these options of mount, in a
// name space of its own, so that it takes no rights and leaves nothing behind. ok is
// false where there is no such thing.
func smallDisk(t *testing.T, options string) (dir string, ok bool) {
	t.Helper()
	mount := t.TempDir()
	for _, flags := range []string{"-Urm", "-m"} { // the latter is root's
		holder := exec.Command("unshare", flags, "sh", "-c",
			`mount -t tmpfs -o "$1" tmpfs "$2" && echo mounted && exec cat`, "sh", options, mount)
		in, err := holder.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := holder.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if holder.Start() != nil {
			in.Close()
			out.Close()
			continue
		}
		line, _ := bufio.NewReader(out).ReadString('\n')
		if line != "mounted\n" {
			in.Close()
			_ = holder.Wait()
			continue
		}
		// It lives as long as the process that has it, and is seen by way
		// of that process from outside.
		t.Cleanup(func() { in.Close(); _ = holder.Wait() })
		dir := fmt.Sprintf("/proc/%d/root%s", holder.Process.Pid, mount)
		if os.WriteFile(filepath.Join(dir, "probe"), []byte("x"), 0o600) == nil && os.Remove(filepath.Join(dir, "probe")) == nil {
			return dir, true
		}
	}
	return "", false
}

// fill leaves room for so many bytes more on a disk, by a file.
func fill(t *testing.T, dir string, room int64) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for block := make([]byte, 4096); ; size += int64(len(block)) {
		if _, err := f.WriteAt(block, size); err != nil {
			break
		}
	}
	if err := f.Truncate(size - room); err != nil {
		t.Fatal(err)
	}
	return ballast
}

// limited is the tool with a limit to the length of files of about a megabyte: a
// write beyond it fails as one to a full disk does.
func limited(t *testing.T, args ...string) *process {
	t.Helper()
	p := tool(t, args...)
	// Some shells count in blocks of 512 bytes as POSIX has it, some in 1024.
	shell := exec.Command("sh", append([]string{"-c", `ulimit -f 1400 && exec "$0" "$@"`, p.cmd.Path}, args...)...)
	shell.Env, shell.Stdout, shell.Stderr = p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr
	p.cmd = shell
	p.begin()
	return p
}

func TestFullDisk(t *testing.T) {
	if !onUnix() {
		return
	}
	from := spec{
		"a": blob("a", 1000), "b/large": blob("large", 2<<20), "b/small": blob("small", 1000), "c/d": "x",
	}.build(t, filepath.Join(t.TempDir(), "from"))
	sparseFile(t, filepath.Join(from, "c", "holes"), 600_000, 300_000)
	large := spec{"b/large": blob("before", 50_000)}

	t.Run("no room", func(t *testing.T) {
		disk, ok := smallDisk(t, "size=6m")
		if !ok {
			t.Log("no file system can be mounted: the limit to the length of files stands for it")
			return
		}
		to := filepath.Join(disk, "to")
		large.build(t, to)
		ballast := fill(t, disk, 1<<20)
		rx := start(t, "recv", "--dir", to, "--once")
		doesNotFit(t, rx, from, to, "no space left on device")
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		completes(t, from, to)
	})
	t.Run("file too long", func(t *testing.T) {
		to := filepath.Join(t.TempDir(), "to")
		large.build(t, to)
		rx := limited(t, "recv", "--dir", to, "--once")
		doesNotFit(t, rx, from, to, "file too large")
		completes(t, from, to)
	})
}

// doesNotFit sends what has one file too large for the receiver, and looks what
// each side says and what is there.
func doesNotFit(t *testing.T, rx *process, from, to, reason string) {
	t.Helper()
	before, want := contents(t, to), contents(t, from)
	// One after the other: those behind the large file find its room free
	// again, and none before it is full.
	tx := start(t, "send", "--parallel", "1", "-c", rx.url(), from+"/")
	tx.want(exitFailure)
	rx.want(exitFailure)
	for p, text := range map[*process]string{
		rx: "omni recv: warning: b/large: failed: " + reason + "\nomni recv: 1 entry failed\n",
		tx: "omni send: warning: b/large: failed: at the receiver: " + reason + "\nomni send: 1 entry failed\n",
	} {
		if got := p.stderr.String(); got != text {
			t.Errorf("it says %q, not %q", got, text)
		}
	}
	// What fits is there, what was there before is as it was, and what was
	// written in vain takes no room.
	want["b/large"] = before["b/large"]
	if n := only(t, to, want); n != len(want) {
		t.Errorf("%d files are there, not %d", n, len(want))
	}
	noStaging(t, to)
}

// A disk that has room for content, and for fewer and fewer names: something
// else fails first with each.
func TestFullDiskWithoutRoomForNames(t *testing.T) {
	if !onUnix() {
		return
	}
	disk, ok := smallDisk(t, "size=8m,nr_inodes=64")
	if !ok {
		t.Log("no file system can be mounted; see TestStagingThatCannotBeMarked")
		return
	}
	from := spec{"a": "a", "b/c": "c", "b/d/e": "e"}.build(t, filepath.Join(t.TempDir(), "from"))
	want := contents(t, from)
	to := filepath.Join(disk, "to")
	unable, failed := 0, 0
	for room := 0; ; room++ {
		takeNames(t, disk, room)
		rx := start(t, "recv", "--dir", to, "--once")
		code, text := exitFailure, ""
		if url, listens := rx.mayListen(); listens {
			tx := start(t, "send", "-c", url, from+"/")
			code = tx.code()
			text = tx.stderr.String()
		} else {
			unable++
		}
		if got := rx.code(); got != code {
			t.Errorf("room for %d names: exit codes %d and %d", room, got, code)
		}
		text += rx.stderr.String()
		only(t, to, want)
		if _, err := os.Stat(to); err == nil {
			noStaging(t, to)
		}
		for _, n := range names(filepath.Join(disk, "fill")) {
			if err := os.Remove(filepath.Join(disk, "fill", n)); err != nil {
				t.Fatal(err)
			}
		}
		if code == exitOK {
			break
		}
		if failed++; !strings.Contains(text, "no space left on device") {
			t.Errorf("room for %d names: it says %q", room, text)
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
	if unable < 3 || failed < unable+2 {
		t.Errorf("it did not begin %d times and failed %d times: not all was tried", unable, failed)
	}
	completes(t, from, to)
}

// takeNames leaves room for so many names on a disk.
func takeNames(t *testing.T, disk string, room int) {
	t.Helper()
	dir := filepath.Join(disk, "fill")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var made []string
	for {
		name := filepath.Join(dir, fmt.Sprint(len(made)))
		if os.WriteFile(name, nil, 0o600) != nil {
			break
		}
		made = append(made, name)
	}
	for _, name := range made[:room] {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// mayListen waits until a process listens, or ends without.
func (p *process) mayListen() (url string, ok bool) {
	p.t.Helper()
	for {
		found, more := p.stdout.find(listening)
		if found != nil {
			return found[1], true
		}
		select {
		case <-more:
		case <-p.exited:
			found, _ := p.stdout.find(listening)
			return "", found != nil
		}
	}
}

// A sparse file that is larger than the disk, but not what is in it.
func TestSparseFileOnSmallDisk(t *testing.T) {
	disk, ok := smallDisk(t, "size=2m")
	if !ok {
		return // TestSparseFile looks at the blocks
	}
	from := t.TempDir()
	sparseFile(t, filepath.Join(from, "f"), 16<<20, 0, 5<<20+77)
	if diskUse(t, filepath.Join(from, "f")) > 1<<20 {
		return // the file system of the tests has no holes
	}
	completes(t, from, filepath.Join(disk, "to"))
}

func TestStagingThatCannotBeMarked(t *testing.T) {
	tr := testTree(t)
	for _, locked := range []bool{false, true} {
		s := &staging{root: tr.root, name: ".omni-89abcdef.tmp"}
		// A directory where the mark should be stands for any reason.
		spec{s.name + "/" + stagingMark + "/": ""}.build(t, tr.root.Name())
		if locked && tr.staging.lock != nil {
			lock, err := lockDir(tr.root, s.name)
			if err != nil {
				t.Fatal(err)
			}
			s.lock = lock
		}
		if got, err := marked(s); got != nil || err == nil {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := tr.root.Lstat(s.name); err == nil {
			t.Error("the directory is left")
		}
		if s.lock != nil && s.lock.Close() == nil {
			t.Error("the lock is held")
		}
	}
}
