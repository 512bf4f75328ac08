package inprocess

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
)

const sourcePipe = "https://go.dev/src/io/pipe.go"

// ioPipe moves ints as eight bytes each, every one a Write of its own.
func ioPipe(_ context.Context, n int) (int, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeInts(w, n)) }()
	return readInts(r)
}

// ioPipeBuffered has a buffer of the default size on either side. What is
// written waits there until the buffer is full.
func ioPipeBuffered(_ context.Context, n int) (int, error) {
	r, w := io.Pipe()
	go func() {
		bw := bufio.NewWriter(w)
		w.CloseWithError(errors.Join(writeInts(bw, n), bw.Flush()))
	}()
	return readInts(bufio.NewReader(r))
}

func writeInts(w io.Writer, n int) error {
	buf := make([]byte, 8)
	for i := range n {
		binary.LittleEndian.PutUint64(buf, uint64(i))
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

func readInts(r io.Reader) (got int, err error) {
	buf := make([]byte, 8)
	var last uint64
	for {
		_, err := io.ReadFull(r, buf)
		if err == io.EOF {
			keep(last)
			return got, nil
		}
		if err != nil {
			return got, err
		}
		last = binary.LittleEndian.Uint64(buf)
		got++
	}
}
