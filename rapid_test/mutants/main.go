// Mutants breaks the laws on purpose: it applies each patch of
// testdata/mutants to a copy of the tree, runs the test that the patch names,
// and demands that it fails. A mutant that does not build is an error, and so
// is a patch that no longer applies, or a test that fails without any.
//
//	go run ./rapid_test/mutants              # all
//	go run ./rapid_test/mutants L7 prefix    # those whose file's name has one of the words
//
// It prints a line for each and killed/total, and ends with 1 unless all were
// killed. Copies are made in a temporary directory, which it removes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run runs the mutants whose names have one of words, all if there are none.
func run(words []string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	ms, err := load(filepath.Join(root, "testdata", "mutants"), words)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &lab{root: dir}
	if err := l.copyTree(root); err != nil {
		return err
	}
	if err := l.sane(ms); err != nil {
		return err
	}
	killed, wrong := 0, 0
	for _, m := range ms {
		start := time.Now()
		verdict, err := l.try(m)
		if err != nil {
			wrong++
			verdict = "ERROR: " + err.Error()
		} else if verdict == killedVerdict {
			killed++
		}
		fmt.Printf("%-40s %-4s %5.1fs  %s\n", m.name, m.law, time.Since(start).Seconds(), verdict)
	}
	fmt.Printf("%d/%d killed\n", killed, len(ms))
	if killed < len(ms) {
		return fmt.Errorf("%d mutants live, %d could not be tried", len(ms)-killed-wrong, wrong)
	}
	return nil
}

// moduleRoot is the directory of the module's go.mod, above the current one.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "omnistreams.dev").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// load reads the patches.
func load(dir string, words []string) ([]*mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var ms []*mutant
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".patch")
		if len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) }) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := parseMutant(name, string(text))
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	if len(ms) == 0 {
		return nil, errors.New("no such mutants")
	}
	return ms, nil
}

// lab is a copy of the tree to break.
type lab struct {
	root string
}

// copyTree copies the module's own files, without nested modules, so without
// go.work.
func (l *lab) copyTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); rel != "." && (err == nil || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(l.root, rel), 0o755)
		}
		if name := d.Name(); !d.Type().IsRegular() || !strings.HasSuffix(name, ".go") && name != "go.mod" && name != "go.sum" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(l.root, rel), text, 0o644)
	})
}

// sane runs every test that is named, once, on the tree as it is.
func (l *lab) sane(ms []*mutant) error {
	done := map[string]bool{}
	for _, m := range ms {
		if key := m.pkg + " " + m.test; !done[key] {
			done[key] = true
			verdict, err := l.test(m)
			if err != nil || verdict == killedVerdict {
				return fmt.Errorf("%s fails without a mutant: %v", key, err)
			}
		}
	}
	return nil
}

const killedVerdict = "killed"

// try applies a mutant, runs its test, and takes the mutant back.
func (l *lab) try(m *mutant) (verdict string, err error) {
	before := map[string]string{}
	defer func() {
		for file, text := range before {
			err = errors.Join(err, os.WriteFile(file, []byte(text), 0o644))
		}
	}()
	for _, h := range m.hunks {
		file := filepath.Join(l.root, filepath.FromSlash(h.file))
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if _, ok := before[file]; !ok {
			before[file] = string(text)
		}
		changed, err := h.apply(string(text))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			return "", err
		}
	}
	return l.test(m)
}

// test builds and runs the mutant's test.
func (l *lab) test(m *mutant) (verdict string, err error) {
	bin := filepath.Join(l.root, "mutant.test")
	if out, err := l.command(5*time.Minute, l.root, "go", "test", "-c", "-o", bin, m.pkg); err != nil {
		return "", fmt.Errorf("it does not build: %v\n%s", err, out)
	}
	args := []string{"-test.run", "^" + m.test + "$", "-test.timeout", "50s", "-test.v"}
	if m.pkg == "./rapid_test" {
		// A failure is all that is asked for, so it is not made smaller.
		args = append(args, "-rapid.nofailfile", "-rapid.shrinktime", "1ms")
	}
	if m.checks != "" {
		args = append(args, "-rapid.checks", m.checks)
	}
	out, err := l.command(time.Minute, filepath.Join(l.root, filepath.FromSlash(m.pkg)), bin, args...)
	switch {
	case !strings.Contains(out, "=== RUN   "+m.test):
		return "", fmt.Errorf("there is no such test: %s %s", m.pkg, m.test)
	case err == nil:
		return "LIVES: " + m.why, nil
	case strings.Contains(out, "panic: test timed out"), errors.Is(err, context.DeadlineExceeded):
		return "", errors.New("the test hangs, which tells nobody what is wrong")
	}
	return killedVerdict, nil
}

// command runs a program in the copy.
func (l *lab) command(limit time.Duration, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(out), err
}
