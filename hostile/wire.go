package main

import (
	"bufio"
	"net"
)

// A wire makes the frames of one protocol by hand, as the peer that connected
// would send them. Streams are counted from 1, in the order of their opening;
// each wire turns that into its own numbers. What is returned is ready to be
// written to the connection.
type wire interface {
	// preface is what comes before all else; nil if the protocol has none.
	preface() []byte
	// greet sends the preface and learns what the victim allows.
	greet(c net.Conn) error

	open(n int) []byte // with as much as an opening may carry
	ask(n int) []byte  // opens a stream on which the victim can write as well
	data(n int, b []byte) []byte
	end(n int) []byte  // complete
	kill(n int) []byte // broken off
	grant(n int) []byte
	ping(i int) []byte

	// limit is how many streams may be open that nobody has accepted.
	limit() int
	// fill is the data that uses up the credit of stream n, on which one byte
	// was sent; nil if the protocol has no credit.
	fill(n int) [][]byte
	// wrap is the credit that does not fit the counter: what to send before
	// the victim begins to write on stream n, and what to send then.
	wrap(n int) (before, after [][]byte)
	// crash is input that no honest peer sends; each is for a session of its own.
	crash() [][]byte

	// read reads one message and reports how many bytes of data it has, and
	// whether it says that the session is over.
	read(r *bufio.Reader) (data int, over bool, err error)
}

// oddLengths are what a length field is tried with.
var oddLengths = []uint32{0, 1, 3, 4, 5, 7, 8, 15, 16, 17, 1<<16 - 1, 1 << 20, 1<<24 + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1}

// oddTypes are what a type field is tried with, besides those that exist.
var oddTypes = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 127, 128, 255}
