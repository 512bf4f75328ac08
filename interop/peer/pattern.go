package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

const (
	period  = 65521     // bytes after which the content repeats
	maxItem = 256 << 10 // the longest item that each peer accepts
	longest = 32749     // of the sizes that are drawn
)

// content has room for an item of any length that begins anywhere in the
// period.
var content = func() []byte {
	once := make([]byte, period)
	d := draws(0x4f4d4e49)
	for i := range once {
		once[i] = byte(d.next() >> 24)
	}
	return bytes.Repeat(once, 2+maxItem/period)
}()

// draws is the generator that all peers implement alike: xorshift32.
type draws uint32

func (d *draws) next() uint32 {
	x := uint32(*d)
	x ^= x << 13
	x ^= x >> 17
	x ^= x << 5
	*d = draws(x)
	return x
}

// pattern says what the items of a stream are. It is a part of the metadata.
type pattern struct {
	Seed  uint32 `json:"seed"`
	Bytes int    `json:"bytes"`          // of all items together
	Size  int    `json:"size,omitempty"` // of each item but the last; 0: drawn
}

// items yields the items of a pattern.
type items struct {
	pattern
	sizes draws
	at    int // bytes before the next item
}

func (p pattern) items() *items {
	return &items{pattern: p, sizes: draws(p.Seed * 2654435761)}
}

// next returns the next item, to be read only; false behind the last.
func (it *items) next() ([]byte, bool) {
	if it.at >= it.Bytes {
		return nil, false
	}
	size := it.Size
	if size == 0 {
		if x := it.sizes.next(); x%16 != 0 {
			size = 1 + int(x>>4%longest)
		}
	}
	size = min(size, it.Bytes-it.at)
	from := (int(it.Seed%period)*7919 + it.at) % period
	it.at += size
	return content[from : from+size], true
}

// tally is what one end of a stream has seen of it. As JSON it is what sink
// and last answer.
type tally struct {
	Items  uint64 `json:"items"`
	Bytes  uint64 `json:"bytes"`
	Code   uint32 `json:"code"`
	Reason string `json:"reason"`
	SHA256 string `json:"sha256"`
}

// counter counts and digests the items that pass one end of a stream, and
// checks them against what they should be.
type counter struct {
	want  *items
	hash  hash.Hash
	count uint64
	bytes uint64
}

func (p pattern) counter() *counter {
	return &counter{want: p.items(), hash: sha256.New()}
}

// take counts an item. The error says how it is not the one that is due.
func (c *counter) take(item []byte) error {
	want, ok := c.want.next()
	switch {
	case !ok:
		return wrong("item %d of %d bytes comes behind the last", c.count, len(item))
	case len(item) != len(want):
		return wrong("item %d has %d bytes instead of %d", c.count, len(item), len(want))
	case !bytes.Equal(item, want):
		return wrong("item %d has other bytes than it should", c.count)
	}
	c.add(item)
	return nil
}

// add counts an item without a check.
func (c *counter) add(item []byte) {
	c.count++
	c.bytes += uint64(len(item))
	c.hash.Write(item)
}

// complete is an error if items are missing.
func (c *counter) complete() error {
	if c.bytes < uint64(c.want.Bytes) {
		return wrong("the stream ends after %d of %d bytes", c.bytes, c.want.Bytes)
	}
	return nil
}

func (c *counter) tally() tally {
	return tally{Items: c.count, Bytes: c.bytes, SHA256: hex.EncodeToString(c.hash.Sum(nil))}
}
