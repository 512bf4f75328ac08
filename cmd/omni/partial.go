package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path"
	"sync"
)

// partial is a file that is being received. It has a temporary name until it
// is whole and verified.
type partial struct {
	t    *tree
	e    *entry
	temp string
	file *os.File
	hash hash.Hash
	size int64  // bytes written
	sum  []byte // the last item, once it came

	settle  sync.Once
	release func()
}

// begin looks whether a file is needed. If it is, the caller writes it and
// calls commit or abort; if not, the partial is nil, and checked says whether
// hashes were compared.
func (t *tree) begin(e *entry) (p *partial, checked bool, err error) {
	name := string(e.Path)
	release, err := t.claim(name)
	if err != nil {
		return nil, false, err
	}
	var had bool
	err = t.reach(name, func() error {
		if err := t.ensureDir(path.Dir(name)); err != nil {
			return err
		}
		had, checked, err = t.has(e)
		return err
	})
	if err != nil || had {
		release()
		return nil, checked, err
	}
	temp := t.staging.next()
	// Nobody else may read it before its own mode says so.
	file, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		release()
		return nil, false, err
	}
	return &partial{t: t, e: e, temp: temp, file: file, hash: sha256.New(), release: release}, false, nil
}

// errNotAnnounced is for a file that is longer than its sender said.
var errNotAnnounced = errors.New("more came than was announced")

// add takes the next item: content until there is as much as was announced,
// then the hash of it.
func (p *partial) add(item []byte) error {
	if p.size == p.e.Size {
		if p.sum != nil {
			return errNotAnnounced
		}
		p.sum = append(make([]byte, 0, sha256.Size), item...)
		return nil
	}
	if int64(len(item)) > p.e.Size-p.size {
		return errNotAnnounced
	}
	if err := p.write(item); err != nil {
		return err
	}
	p.hash.Write(item)
	p.size += int64(len(item))
	return nil
}

// commit verifies the file and gives it its name, mode and time, all at once.
// Whatever was under that name is replaced, a directory excepted.
func (p *partial) commit() (err error) {
	defer p.settle.Do(p.release)
	name := string(p.e.Path)
	defer func() {
		if err != nil {
			_ = p.t.root.Remove(p.temp)
		}
	}()
	err = p.verify()
	if err == nil {
		err = p.extend()
	}
	if err == nil {
		err = p.file.Chmod(p.e.perm())
	}
	if err == nil && p.t.fsync {
		err = p.file.Sync()
	}
	if e := p.file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	mtime := p.e.MTime.settable()
	if err = p.t.root.Chtimes(p.temp, mtime, mtime); err != nil {
		return err
	}
	return p.t.reach(name, func() error {
		return p.t.root.Rename(p.temp, name)
	})
}

// verify compares what came with what was announced.
func (p *partial) verify() error {
	switch {
	case p.sum == nil && p.size < p.e.Size:
		return fmt.Errorf("only %d bytes of %d came", p.size, p.e.Size)
	case p.sum == nil:
		return errors.New("no SHA-256 came")
	case subtle.ConstantTimeCompare(p.sum, p.hash.Sum(nil)) != 1:
		return errors.New("the SHA-256 does not match")
	// With --checksum it was announced, and said what to expect.
	case p.e.SHA256 != "" && p.e.SHA256 != hex.EncodeToString(p.sum):
		return errors.New("the SHA-256 is not the one that was announced")
	}
	return nil
}

// abort removes what was written. After commit it does nothing.
func (p *partial) abort() {
	p.settle.Do(func() {
		p.file.Close()
		_ = p.t.root.Remove(p.temp)
		p.release()
	})
}
