package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// found is one thing that the walk came across.
type found struct {
	path string      // on this system
	name string      // at the receiver, elements parted by slashes
	info fs.FileInfo // nil with err
	err  error       // it cannot be looked at
}

// source is one PATH of the command line.
type source struct {
	path string
	name string // what the receiver calls it; "" if only its content is sent
}

// sources reads the command line. As with cp, a PATH arrives under its last
// element; as with rsync, one that ends in a slash (or is . or ..) stands for
// its content. Two that would arrive under one name are an error: the second would
// replace the first.
func sources(paths []string) ([]source, error) {
	var list []source
	seen := map[string]string{} // names at the receiver, and what has them
	arrives := func(name, path string) error {
		if other, ok := seen[name]; ok {
			return usagef("%s and %s would arrive under the same name", other, path)
		}
		seen[name] = path
		return nil
	}
	for _, p := range paths {
		if p == "" {
			return nil, usagef("an empty PATH")
		}
		if _, err := os.Lstat(p); err != nil {
			return nil, usagef("%s: %w", p, bare(err))
		}
		s := source{path: p}
		base := filepath.Base(p)
		if !os.IsPathSeparator(p[len(p)-1]) && base != "." && base != ".." {
			s.name = base
			if err := arrives(base, p); err != nil {
				return nil, err
			}
		} else if len(paths) > 1 {
			// What cannot be read is told of by the walk.
			entries, _ := os.ReadDir(p)
			for _, e := range entries {
				if err := arrives(e.Name(), filepath.Join(p, e.Name())); err != nil {
					return nil, err
				}
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// walk yields everything below the sources, a directory after what is in it,
// without following symbolic links. It holds one directory's names for each
// level that it is deep. It stops when yield returns false or ctx ends.
func walk(ctx context.Context, list []source, yield func(found) bool) {
	for _, s := range list {
		look := os.Lstat
		if s.name == "" {
			look = os.Stat // its content is what was asked for
		}
		info, err := look(s.path)
		if !walkOne(ctx, found{s.path, s.name, info, bareOrNil(err)}, yield) {
			return
		}
	}
}

// walkOne yields what is below f, then f. It reports whether to go on.
func walkOne(ctx context.Context, f found, yield func(found) bool) bool {
	if ctx.Err() != nil {
		return false
	}
	if f.err != nil || !f.info.IsDir() {
		return yield(f)
	}
	// Even with an error there may be entries, as far as it could be read.
	entries, err := os.ReadDir(f.path)
	for _, e := range entries {
		below := found{path: filepath.Join(f.path, e.Name()), name: path.Join(f.name, e.Name())}
		below.info, below.err = e.Info()
		if errors.Is(below.err, fs.ErrNotExist) {
			continue // removed since; so it is not there
		}
		below.err = bareOrNil(below.err)
		if !walkOne(ctx, below, yield) {
			return false
		}
	}
	if err != nil && !yield(found{f.path, f.name, nil, bare(err)}) {
		return false
	}
	return f.name == "" || yield(f) // the directory that stands for its content has no name
}

// bareOrNil is bare of what may be nil.
func bareOrNil(err error) error {
	if err == nil {
		return nil
	}
	return bare(err)
}

// depth is how many directories name is below, for the order of directories.
func depth(name string) int { return strings.Count(name, "/") }

// special is what kind of thing cannot be sent, "" for what can.
func special(mode fs.FileMode) string {
	switch t := mode.Type(); {
	case t == 0, t == fs.ModeDir, t == fs.ModeSymlink:
		return ""
	case t&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case t&fs.ModeSocket != 0:
		return "a socket"
	case t&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
