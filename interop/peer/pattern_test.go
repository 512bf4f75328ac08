package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
)

// The example of README.md, by which a new peer is checked.
func TestPattern(t *testing.T) {
	var sizes []int
	var all []byte
	it := pattern{Seed: 1, Bytes: 1_000_000}.items()
	for item, more := it.next(); more; item, more = it.next() {
		sizes = append(sizes, len(item))
		all = append(all, item...)
	}
	if first := []int{5463, 3839, 15871, 27447}; len(sizes) != 70 || !slices.Equal(sizes[:4], first) || sizes[15] != 0 {
		t.Errorf("%d sizes: %d", len(sizes), sizes)
	}
	if !bytes.HasPrefix(all, []byte{60, 150, 82, 18, 230, 52, 116, 49}) {
		t.Errorf("the first bytes: %d", all[:8])
	}
	sum := sha256.Sum256(all)
	if digest := hex.EncodeToString(sum[:]); digest != "09f2d3a7004b1853214798232142d3f1c57ac876599e066afda4b57deef602ed" {
		t.Errorf("the digest: %s", digest)
	}
}
