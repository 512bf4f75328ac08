package main

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Tests of what is on the disk when something goes wrong on the way: they run
// sender and receiver as processes and look at every name afterwards.

// content is what is under one name.
type content struct {
	sum    [32]byte // of a file
	size   int64    // of a file
	mode   fs.FileMode
	time   int64  // of a file, in nanoseconds since 1970
	target string // of a symbolic link
}

// contents is what is under each name of a tree but the directories, whose
// modes and times come last, and the temporary files.
func contents(t *testing.T, dir string) map[string]content {
	t.Helper()
	all := map[string]content{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			if isStaging(name) {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		c := content{mode: info.Mode().Type()}
		if c.mode == fs.ModeSymlink {
			c.target, err = os.Readlink(path)
		} else {
			c.mode, c.size, c.time = info.Mode(), info.Size(), info.ModTime().UnixNano()
			c.sum, err = hashFile(path)
		}
		all[filepath.ToSlash(name)] = c
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// only fails if anything is under a name that is not, to the last bit, mode and
// time, what one of the versions has there. It returns how many names there are.
func only(t *testing.T, dir string, versions ...map[string]content) int {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return 0 // killed before there was a directory
	}
	all := contents(t, dir)
	for name, c := range all {
		found := false
		for _, v := range versions {
			want, ok := v[name]
			found = found || ok && want == c
		}
		if !found {
			t.Errorf("%s is wrong: %d bytes, %v", name, c.size, c.mode)
		}
	}
	return len(all)
}

// mixed builds a tree of files of very different sizes. Two versions have the
// same names; two thirds of the files differ.
func mixed(t *testing.T, dir string, version int) map[string]content {
	t.Helper()
	sizes := rand.New(rand.NewPCG(1, uint64(version)))
	modes := []fs.FileMode{0o644, 0o600, 0o755, 0o444, 0o640}
	files := spec{}
	for i := range 150 {
		n := sizes.IntN(2000)
		switch {
		case i%30 == 0:
			n = 1<<20 + sizes.IntN(2<<20)
		case i%5 == 0:
			n = sizes.IntN(150_000)
		}
		seed := "mixed" + strconv.Itoa(i)
		if i%3 != 0 {
			seed += "v" + strconv.Itoa(version)
		} else if n > 2000 {
			n = 100_000 + i
		} else {
			n = i
		}
		files["d"+strconv.Itoa(i%7)+"/e"+strconv.Itoa(i%3)+"/"+strconv.Itoa(i)] = blob(seed, n)
	}
	if onUnix() {
		files["d1/link"] = "-> e" + strconv.Itoa(version) + "/none"
	}
	files.build(t, dir)
	for name, c := range files {
		path := filepath.Join(dir, name)
		if strings.HasPrefix(c, "-> ") {
			continue
		}
		// Of the same size in both versions, so that only the time tells.
		if strings.HasSuffix(name, "/7") {
			if err := os.WriteFile(path, []byte(blob(strconv.Itoa(version), 5000)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, old, old.Add(time.Duration(version)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(path, modes[len(name)*version%len(modes)]); err != nil {
			t.Fatal(err)
		}
	}
	sparseFile(t, filepath.Join(dir, "d2", "sparse"), 3<<20, int64(version)<<20)
	readOnly := filepath.Join(dir, "d3")
	if err := os.Chmod(readOnly, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(readOnly, 0o755) })
	return contents(t, dir)
}

// sparseFile makes a file with holes, and a little in between at these places.
func sparseFile(t *testing.T, path string, size int64, places ...int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range places {
		if _, err := f.WriteAt([]byte(blob(strconv.FormatInt(at, 10), 5000)), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}

// setting is a number from the environment, by which the tests are made longer.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a number", name, text)
	}
	return n
}

// ends waits for the end, however long what a process does takes.
func (p *process) ends(within time.Duration) int {
	p.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.t.Fatalf("omni %q does not end within %v", p.cmd.Args[1:], within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// completes sends from to to until both sides are satisfied, once, and checks that
// they have the same and nothing else.
func completes(t *testing.T, from, to string, args ...string) (sent, received *Summary) {
	t.Helper()
	rx := start(t, "recv", "--dir", to, "--once", "--json")
	url := rx.await(rx.stdout, listeningJSON)
	tx := start(t, append([]string{"send", "--json", "-c", url, from + "/"}, args...)...)
	if a, b := tx.ends(5*time.Minute), rx.ends(5*time.Minute); a != exitOK || b != exitOK {
		t.Fatalf("exit codes %d and %d", a, b)
	}
	same(t, from, to)
	noStaging(t, to)
	_, sent = events(t, tx.stdout.String())
	_, received = events(t, rx.stdout.String())
	return sent, received
}
