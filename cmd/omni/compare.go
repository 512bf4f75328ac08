package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// comparison is how alike two trees are.
type comparison struct {
	hashed int64 // files that were hashed on both sides
	differ int64 // names that are not the same on both sides
	first  error // one of the differences
}

// compareTrees looks at every name in either tree: kind, mode, time, content,
// and where a link leads. It shares no code with sending and receiving. The error
// says what the first difference is.
func compareTrees(ctx context.Context, a, b string) (comparison, error) {
	var c comparison
	// Everything in a must be in b and be like it ...
	err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(a, path)
		if err != nil || name == "." {
			return err
		}
		c.note(name, c.compare(path, filepath.Join(b, name)))
		return nil
	})
	if err == nil {
		// ... and nothing else may be in b, temporary files for example.
		err = filepath.WalkDir(b, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(b, path)
			if err != nil {
				return err
			}
			if _, err := os.Lstat(filepath.Join(a, name)); err != nil {
				c.note(name, errors.New("only in the copy"))
			}
			return nil
		})
	}
	if err == nil && c.differ > 0 {
		err = fmt.Errorf("%d names differ, one of them: %w", c.differ, c.first)
	}
	return c, err
}

// note counts one difference. The first one is kept to be told: with it one
// knows where to look, and a list could be as long as the tree.
func (c *comparison) note(name string, err error) {
	if err == nil {
		return
	}
	if c.differ++; c.first == nil {
		c.first = fmt.Errorf("%s: %w", name, err)
	}
}

// compare returns how the two differ, nil if they do not.
func (c *comparison) compare(a, b string) error {
	x, err := os.Lstat(a)
	if err != nil {
		return err
	}
	y, err := os.Lstat(b)
	if err != nil {
		return err
	}
	switch {
	// The mode of a link means nothing, and some systems give it one all the same.
	case x.Mode().Type() != y.Mode().Type(), x.Mode() != y.Mode() && x.Mode().Type() != fs.ModeSymlink:
		return fmt.Errorf("%v and %v", x.Mode(), y.Mode())
	case x.Mode().Type() == fs.ModeSymlink:
		p, _ := os.Readlink(a)
		if q, err := os.Readlink(b); err != nil || p != q {
			return fmt.Errorf("links to %q and %q", p, q)
		}
		return nil
	// The times of links cannot be set everywhere, so they come before this.
	case !sameTime(x.ModTime(), y.ModTime()):
		return fmt.Errorf("of %v and %v", x.ModTime(), y.ModTime())
	case x.IsDir():
		return nil
	case x.Size() != y.Size():
		return fmt.Errorf("%d bytes and %d", x.Size(), y.Size())
	}
	p, err := hashFile(a)
	if err != nil {
		return err
	}
	q, err := hashFile(b)
	if err != nil {
		return err
	}
	c.hashed++
	if p != q {
		return errors.New("the content differs")
	}
	return nil
}

// hashFile reads path to its end. Nothing of it is kept, so that it does not
// matter how long the file is.
func hashFile(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
