package adapters

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"omnistreams.dev/omni"
)

// defaultMaxLine is the longest line if nothing else is said, in bytes.
const defaultMaxLine = 64 << 10

// Lines returns the stream of r's lines, without their "\n" or "\r\n"; the
// last one needs none. longest is the length in bytes of the longest line that
// is accepted, zero for 64 KiB. A longer one cancels the stream with an
// omni.ErrTooLarge that says which line it was, and is not read to its end. An
// error of r cancels the stream too, and a line that it cut is not delivered.
//
// A goroutine reads r, with the same rules as in FromReader. If ctx ends
// first, the stream is canceled with its cause.
func Lines(ctx context.Context, r io.Reader, longest int) *omni.Producer[string] {
	checkContext(ctx, "Lines")
	if r == nil {
		panic("adapters: Lines of a nil Reader")
	}
	if longest < 0 {
		panic(fmt.Sprintf("adapters: longest line of %d bytes", longest))
	}
	if longest == 0 {
		longest = defaultMaxLine
	}
	return omni.Produce(ctx, func(ctx context.Context, c *omni.Consumer[string]) error {
		defer interruptRead(ctx, r)()
		in := bufio.NewReader(r)
		for number := 1; ; number++ {
			line, err := readLine(in, longest, number)
			if err == io.EOF {
				return nil
			}
			if err != nil && ctx.Err() != nil {
				return context.Cause(ctx) // an interrupted Read is not the cause
			}
			if err == nil {
				err = c.Write(ctx, line)
			}
			if err != nil {
				return err
			}
		}
	})
}

// readLine returns the next line. io.EOF comes alone, after the last one.
func readLine(in *bufio.Reader, longest, number int) (string, error) {
	var long []byte // what came before the buffer was full, and now
	for {
		line, err := in.ReadSlice('\n')
		if long != nil || err == bufio.ErrBufferFull {
			long = append(long, line...)
			line = long
		}
		switch {
		case err == nil:
			line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
		case err == io.EOF && len(line) == 0:
			return "", io.EOF
		case err == bufio.ErrBufferFull && len(line) <= longest+1: // the one may be "\r"
			continue
		case err != io.EOF && err != bufio.ErrBufferFull:
			return "", fmt.Errorf("adapters: line %d: %w", number, err)
		}
		if len(line) <= longest {
			return string(line), nil
		}
		return "", &omni.StreamError{
			Code:   omni.CodeTooLarge,
			Reason: fmt.Sprintf("line %d is longer than %d bytes", number, longest),
		}
	}
}

// ToLines returns a stream whose items are written to w, each with a "\n"
// after it and in one Write. An item that has a line break inside would be
// read back as two, so it cancels the stream with an error. (One that ends
// with "\r" is read back without it.) All else is as in ToWriter. Lines that
// are many and short want a bufio.Writer as w, flushed when Done is closed.
func ToLines(ctx context.Context, w io.Writer) *omni.Consumer[string] {
	checkContext(ctx, "ToLines")
	if w == nil {
		panic("adapters: ToLines of a nil Writer")
	}
	var buf []byte // one goroutine's, and w does not keep it
	return consumeInto(ctx, w, func(line string) ([]byte, error) {
		if strings.Contains(line, "\n") {
			return nil, errLineBreak
		}
		buf = append(append(buf[:0], line...), '\n')
		return buf, nil
	})
}

var errLineBreak = errors.New("adapters: a line break inside a line")
