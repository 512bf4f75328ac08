package main

import "bytes"

// holeSize is the shortest run of zeros that is left out of a sparse file, in
// bytes: a block of most file systems, which keep no shorter hole.
const holeSize = 4 << 10

// zeros is what a hole reads as.
var zeros [holeSize]byte

// write puts an item where it belongs in the file. Of one that is sparse at the
// sender the zeros are left out: nothing was there before, so they read the
// same, and the disk has no block for them. A file that has its blocks there
// gets them here too, zeros or not: its owner may have paid for the space on
// purpose, and a swap file for example must have no holes.
func (p *partial) write(item []byte) error {
	if !p.e.Sparse {
		_, err := p.file.WriteAt(item, p.size)
		return err
	}
	begin := 0 // of what is to be written in one call
	for at := 0; at < len(item); at += holeSize {
		block := item[at:min(at+holeSize, len(item))]
		if !bytes.Equal(block, zeros[:len(block)]) {
			continue
		}
		if err := p.writePart(item, begin, at); err != nil {
			return err
		}
		begin = at + len(block)
	}
	return p.writePart(item, begin, len(item))
}

// writePart writes item[begin:end], if there is anything in it.
func (p *partial) writePart(item []byte, begin, end int) error {
	if begin == end {
		return nil
	}
	_, err := p.file.WriteAt(item[begin:end], p.size+int64(begin))
	return err
}

// extend ends the writing: a hole at the end of a file exists only by the
// file's length.
func (p *partial) extend() error {
	if !p.e.Sparse {
		return nil
	}
	return p.file.Truncate(p.e.Size)
}
