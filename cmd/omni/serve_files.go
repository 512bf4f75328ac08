package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
)

const (
	madeUpMost = 4 << 30 // bytes of a download that is made up
	nameTries  = 1000    // names that an upload tries
)

// webFile is an item of the stream "files".
type webFile struct {
	File string `json:"file"`
	Size int64  `json:"size"`
}

// list tells what can be downloaded: a mux.Handler.
func (s *webSession) list(ctx context.Context, in *mux.Incoming) error {
	if s.files == nil || !in.IsCall() {
		in.Refuse("there are no files here")
		return nil
	}
	if err := nothingAsked(ctx, in); err != nil {
		return err
	}
	out, err := in.Reply(ctx, nil)
	if err != nil {
		return err
	}
	entries, err := fs.ReadDir(s.files.FS(), ".")
	if err != nil {
		return failed(fmt.Sprint(bare(err)))
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || checkName(e.Name()) != nil || !utf8.ValidString(e.Name()) {
			continue // the page could not ask for it
		}
		if err := out.Write(ctx, encode(webFile{e.Name(), info.Size()})); err != nil {
			return err
		}
	}
	return out.End()
}

// download writes a file as rule 14 says, one of --files or a made-up one: a
// mux.Handler.
func (s *webSession) download(ctx context.Context, in *mux.Incoming) error {
	req, l := s.request(in)
	if l == nil {
		return nil
	}
	defer s.leave(l)
	if err := nothingAsked(ctx, in); err != nil {
		return err
	}
	content, answer, err := s.content(req)
	if err != nil {
		in.Refuse(err.Error())
		return nil
	}
	defer content.Close()
	out, err := in.Reply(ctx, encode(answer))
	if err != nil {
		return err
	}
	return writeFile(ctx, out, content, answer.Size, s.Session)
}

// content opens what a download is of.
func (s *webSession) content(req webRequest) (io.ReadCloser, webAnswer, error) {
	answer := webAnswer{ID: req.ID, File: req.File, Size: req.Size}
	if req.File == "" {
		if req.Size < 0 || req.Size > madeUpMost {
			return nil, answer, errors.New("too large to be made up")
		}
		// Always the same bytes: what was fetched can be compared.
		return io.NopCloser(rand.NewChaCha8([32]byte{})), answer, nil
	}
	file, size, err := s.open(req.File)
	answer.Size = size
	return file, answer, err
}

// open opens a regular file of the directory's first level.
func (s *webSession) open(name string) (*os.File, int64, error) {
	none := errors.New("there is no such file")
	if s.files == nil || checkName(name) != nil || strings.ContainsRune(name, '/') {
		return nil, 0, none
	}
	// The root lets no link lead out of it; and one that stays inside is
	// not offered either.
	listed, err := s.files.Lstat(name)
	if err != nil || !listed.Mode().IsRegular() {
		return nil, 0, none
	}
	file, err := s.files.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, 0, none
	}
	if info, err := file.Stat(); err != nil || !os.SameFile(info, listed) {
		file.Close()
		return nil, 0, none
	}
	return file, listed.Size(), nil
}

// writeFile writes size bytes of content, then their hash, and ends the stream.
func writeFile(ctx context.Context, out *omni.Consumer[[]byte], content io.Reader, size int64, s *mux.Session) error {
	most, err := s.MaxItem(ctx)
	if err != nil {
		return err
	}
	if most < sha256.Size {
		return failed("the page takes no item as long as a hash")
	}
	sum, item := sha256.New(), make([]byte, min(itemSize, most))
	for left := size; left > 0; {
		n, err := io.ReadFull(content, item[:min(int64(len(item)), left)])
		if err != nil {
			return failed("the file changed while it was sent")
		}
		sum.Write(item[:n])
		if err := out.Write(ctx, item[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	if err := out.Write(ctx, sum.Sum(nil)); err != nil {
		return err
	}
	return out.End()
}

// webReceipt is the answer to an upload.
type webReceipt struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	File   string `json:"file,omitempty"` // the name that it got
}

// upload reads a file as rule 14 says, and keeps it if there is a directory: a
// mux.Handler.
func (s *webSession) upload(ctx context.Context, in *mux.Incoming) error {
	req, l := s.request(in)
	if l == nil {
		return nil
	}
	defer s.leave(l)
	if err := checkUpload(req.File); err != nil {
		in.Refuse(err.Error())
		return nil
	}
	u := &webUpload{hash: sha256.New()}
	if s.staging != nil {
		if err := u.create(s.staging); err != nil {
			return failed(fmt.Sprint(bare(err)))
		}
		defer u.drop()
	}
	if err := u.receive(ctx, in.Producer()); err != nil {
		return err
	}
	receipt, err := u.keep(req.File)
	if err != nil {
		return failed(fmt.Sprint(bare(err)))
	}
	out, err := in.Reply(ctx, encode(webAnswer{ID: l.id}))
	if err != nil {
		return err
	}
	if err := out.Write(ctx, encode(receipt)); err != nil {
		return err
	}
	return out.End()
}

// checkUpload refuses what is no plain name.
func checkUpload(name string) error {
	if strings.ContainsAny(name, `/\`) {
		return refusef("a name with a slash")
	}
	return checkName(name)
}

// webUpload is a file that comes in. It has a temporary name until it is whole
// and verified.
type webUpload struct {
	staging *staging // nil: it is only counted and hashed
	temp    string
	file    *os.File
	hash    hash.Hash
	size    int64
}

func (u *webUpload) create(st *staging) (err error) {
	u.temp = st.next()
	u.file, err = st.root.OpenFile(u.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	u.staging = st
	return err
}

// drop removes what has no name yet.
func (u *webUpload) drop() {
	_ = u.file.Close()
	_ = u.staging.root.Remove(u.temp)
}

// receive takes the items to their end. One as long as a hash is kept back
// until the next has come: the last one is the hash.
func (u *webUpload) receive(ctx context.Context, items *omni.Producer[[]byte]) error {
	items = mux.Reuse(items)
	var last []byte
	for {
		item, err := items.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := u.write(last); err != nil {
			return failed(fmt.Sprint(bare(err)))
		}
		last = nil
		if len(item) == sha256.Size {
			last = append(last, item...)
		} else if err := u.write(item); err != nil {
			return failed(fmt.Sprint(bare(err)))
		}
	}
	switch {
	case last == nil:
		return failed("no SHA-256 came")
	case subtle.ConstantTimeCompare(last, u.hash.Sum(nil)) != 1:
		return failed("the SHA-256 does not match")
	}
	return nil
}

func (u *webUpload) write(p []byte) error {
	u.hash.Write(p)
	u.size += int64(len(p))
	if u.file == nil {
		return nil
	}
	_, err := u.file.Write(p)
	return err
}

// keep gives the file a name that was free: the one that was asked for, or
// that with a number.
func (u *webUpload) keep(name string) (webReceipt, error) {
	receipt := webReceipt{Bytes: u.size, SHA256: hex.EncodeToString(u.hash.Sum(nil))}
	if u.file == nil {
		return receipt, nil
	}
	if err := u.file.Close(); err != nil {
		return receipt, err
	}
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if stem == "" {
		stem, ext = ext, ""
	}
	for n := 1; n <= nameTries; n++ {
		receipt.File = name
		if n > 1 {
			receipt.File = fmt.Sprintf("%s (%d)%s", stem, n, ext)
		}
		// A link, not a rename, which would replace what is there.
		err := u.staging.root.Link(u.temp, receipt.File)
		if !errors.Is(err, fs.ErrExist) {
			return receipt, err
		}
	}
	return receipt, fs.ErrExist
}
