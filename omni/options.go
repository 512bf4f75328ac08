package omni

// DefaultPrefetch is the window of a stream whose options do not say another,
// in items.
const DefaultPrefetch = 64

// Options are the settings of one stream. A nil *Options means all defaults.
type Options struct {
	// Prefetch is how many items are kept requested in the reader's name,
	// so that a writer need not wait for each: the stream's window. It
	// counts as requested. Zero means DefaultPrefetch; negative means none
	// (pure pull: nothing is written before the reader asks).
	Prefetch int
}

// prefetch returns the window in items, 0 for none.
func (o *Options) prefetch() uint64 {
	switch {
	case o == nil || o.Prefetch == 0:
		return DefaultPrefetch
	case o.Prefetch < 0:
		return 0
	}
	return min(uint64(o.Prefetch), maxTotal)
}
