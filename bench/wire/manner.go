package wire

// manner is the end of a byte stream's name: how messages are put into it.
func manner(batched bool) string {
	if batched {
		return ", batched by hand"
	}
	return ", per message"
}

// window is the receive window of a stream for those who have one in bytes and
// who do not do best with their own: so large that it is seldom what one waits
// for, and no larger, since what lies around in it does not stay in the cache.
func window(s settings) uint32 {
	if s.streams > 1 {
		return 1 << 20
	}
	return 4 << 20
}

// readBuf is the reader's buffer, on each stream, for those that are byte
// streams.
func readBuf(s settings) int {
	switch {
	case s.short:
		return 256 // making a large one would be most of the work
	case s.streams > 128:
		return 4 << 10 // 10,000 of 64 KiB nobody would want
	}
	return bufSize
}
