package mux

import "math/bits"

// buffers keeps used byte slices to be used again, by size: one list for each
// power of two from 1 KiB to 32 MiB. It holds bounded memory, and unlike a
// sync.Pool it costs no allocation to put a slice in.
type buffers struct {
	classes [16][][]byte
	held    int // bytes
}

const (
	smallestBuffer = 1 << 10
	maxHeld        = 2 << 20
)

// class is the list for slices of at least n bytes.
func class(n int) int {
	if n <= smallestBuffer {
		return 0
	}
	return bits.Len(uint(n-1)) - 10
}

// get returns an empty slice with a capacity of at least n bytes.
func (b *buffers) get(n int) []byte {
	c := class(n)
	if list := b.classes[c]; len(list) > 0 {
		buf := list[len(list)-1]
		b.classes[c] = list[:len(list)-1]
		b.held -= cap(buf)
		return buf[:0]
	}
	return make([]byte, 0, smallestBuffer<<c)
}

// put takes a slice back; nobody may use it any more.
func (b *buffers) put(buf []byte) {
	n := cap(buf)
	c := class(n)
	if n != smallestBuffer<<c || b.held+n > maxHeld {
		return // not one of ours, or enough of them
	}
	b.classes[c] = append(b.classes[c], buf)
	b.held += n
}

// closeUp makes room in a list whose first elements are spent, if it is full
// and they are half of it: a list that never gets empty does not grow for
// ever.
func closeUp[T any](list []T, spent int) ([]T, int) {
	if len(list) < cap(list) || spent < len(list)-spent {
		return list, spent
	}
	n := copy(list, list[spent:])
	clear(list[n:])
	return list[:n], 0
}
