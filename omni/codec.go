package omni

// Codec turns items into bytes and back, for streams that leave the process.
// Package adapters has the usual ones. A Codec must be safe for concurrent
// use, and each item must stand alone: no state is carried from one to the
// next.
type Codec[T any] interface {
	// Append appends v's encoding to dst and returns the longer slice. It
	// keeps neither dst nor what it returns.
	Append(dst []byte, v T) ([]byte, error)
	// Decode returns the item that data encodes. data is the codec's to
	// keep; nobody writes to it afterwards.
	Decode(data []byte) (T, error)
}
