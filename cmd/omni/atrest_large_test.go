package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// large reports whether the tests of much data are to take as much as they are
// named for.
func large() bool { return os.Getenv("OMNI_LARGE") != "" }

// measured prints what a transfer took.
func measured(t *testing.T, what string, sent, received *Summary) {
	t.Helper()
	t.Logf("%s: %.1f s, %.0f files/s, %s/s; peak memory of the sender %s, of the receiver %s", what, sent.Seconds,
		float64(sent.Files+sent.Had)/sent.Seconds, formatSize(int64(float64(sent.Bytes+sent.HadBytes)/sent.Seconds)),
		formatSize(sent.PeakMemory), formatSize(received.PeakMemory))
	// Far more than it is, and far less than if something grew with what is
	// sent; the race detector alone takes several times what the tool does.
	const most = 256 << 20
	if sent.PeakMemory > most || received.PeakMemory > most {
		t.Error("that is too much memory")
	}
}

func TestManyTinyFiles(t *testing.T) {
	n := 5000
	if large() {
		n = 100_000
	}
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	for i := range n {
		dir := filepath.Join(from, "one") // half of them in one directory
		if i%2 == 1 {
			dir = filepath.Join(from, "many", strconv.Itoa(i/1000))
		}
		if i < 2 || i%1000 == 1 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", i)), []byte(strconv.Itoa(i*i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sent, received := completes(t, from, to)
	measured(t, fmt.Sprintf("%d tiny files", n), sent, received)
	if sent.Files != int64(n) || received.Files != int64(n) {
		t.Errorf("%d were sent, %d received", sent.Files, received.Files)
	}
	sent, received = completes(t, from, to)
	measured(t, "the same again", sent, received)
	if sent.Had != int64(n) || sent.Files != 0 {
		t.Errorf("%d were there, %d were sent", sent.Had, sent.Files)
	}
}

func TestSparseFile(t *testing.T) {
	size := int64(256 << 20)
	if large() {
		size = 10 << 30
	}
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	// At the beginning, within blocks, and nothing at the end.
	sparseFile(t, filepath.Join(from, "f"), size+123, 0, 1<<20+4000, size/2, size-5<<20)
	if err := os.WriteFile(filepath.Join(from, "zeros"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	sent, received := completes(t, from, to)
	was, is := diskUse(t, filepath.Join(from, "f")), diskUse(t, filepath.Join(to, "f"))
	measured(t, fmt.Sprintf("a sparse file of %d MiB", size>>20), sent, received)
	t.Logf("it takes %d KiB of the disk at the sender, %d KiB at the receiver", was>>10, is>>10)
	// Blocks may begin elsewhere, so that each piece takes one more.
	if sparse := was < size; sparse && is > was+1<<20 {
		t.Error("it is not sparse at the receiver")
	}
	// Zeros that have their place on the disk keep it.
	was, is = diskUse(t, filepath.Join(from, "zeros")), diskUse(t, filepath.Join(to, "zeros"))
	if was >= 1<<20 && is < was {
		t.Errorf("zeros take %d bytes of the disk at the sender, %d at the receiver", was, is)
	}
}

// Content of all kinds in items of any length: what was left out reads as what
// was sent.
func TestZerosAreLeftOut(t *testing.T) {
	tr := testTree(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		var data []byte
		for range random.IntN(8) {
			part := make([]byte, 1+random.IntN(5*holeSize))
			if random.IntN(2) == 0 {
				part[random.IntN(len(part))] = 1
			}
			data = append(data, part...)
		}
		name := strconv.Itoa(i)
		e := fileEntry(name, string(data))
		e.Sparse = i%4 > 0
		p, _, err := tr.begin(&e)
		if err != nil {
			t.Fatal(err)
		}
		most := 1 + random.IntN(4*holeSize)
		for rest := data; len(rest) > 0; {
			n := min(1+random.IntN(most), len(rest))
			if err := p.add(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := p.add(sumOf(string(data))); err != nil {
			t.Fatal(err)
		}
		if err := p.commit(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(tr.root.Name(), name)); err != nil || string(got) != string(data) {
			t.Fatalf("%d bytes came out as %d others (%v)", len(data), len(got), err)
		}
	}
}
