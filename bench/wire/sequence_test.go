package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// TestReadAll sees what a benchmark must not count.
func TestReadAll(t *testing.T) {
	cut := errors.New("cut")
	for name, c := range map[string]struct {
		numbers []uint64
		size    int
		end     error
		wrong   bool
	}{
		"as sent":     {numbers: []uint64{0, 1, 2}, size: 16, end: io.EOF},
		"too few":     {numbers: []uint64{0, 1}, size: 16, end: io.EOF, wrong: true},
		"too many":    {numbers: []uint64{0, 1, 2, 3}, size: 16, end: io.EOF, wrong: true},
		"out of turn": {numbers: []uint64{0, 2, 1}, size: 16, end: io.EOF, wrong: true},
		"too short":   {numbers: []uint64{0, 1, 2}, size: 8, end: io.EOF, wrong: true},
		"no end":      {numbers: []uint64{0, 1, 2}, size: 16, end: cut, wrong: true},
		"cut":         {numbers: []uint64{0, 1, 2}, size: 16, end: io.ErrUnexpectedEOF, wrong: true},
	} {
		f := &scripted{numbers: c.numbers, size: c.size, end: c.end}
		if err := readAll(f, 16, 3); (err != nil) != c.wrong {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// scripted is a conn that can only be read, and gives what it is told to.
type scripted struct {
	conn
	numbers []uint64
	size    int
	end     error
}

func (s *scripted) recv() ([]byte, error) {
	if len(s.numbers) == 0 {
		return nil, s.end
	}
	item := binary.LittleEndian.AppendUint64(nil, s.numbers[0])
	s.numbers = s.numbers[1:]
	return append(item, make([]byte, s.size-8)...), nil
}
