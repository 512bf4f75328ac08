package mux

import (
	"fmt"
	"math"
	"time"

	"omnistreams.dev/omni"
)

// Options are the settings of a session; nil means all defaults. The peer is
// told MaxItem, MaxStreams, Prefetch and Metadata in HELLO; nothing in it
// changes later.
type Options struct {
	// Metadata is the application's word to the peer in HELLO, at most
	// 16 KiB: a name, a token. Nil means none.
	Metadata []byte
	// CheckPeer, if not nil, is given the peer's metadata before anything
	// else of the peer is looked at. An error refuses the session with code
	// 5; a *omni.StreamError's reason is told to the peer, no other. It
	// runs on a goroutine of its own that Close waits for.
	CheckPeer func(metadata []byte) error
	// MaxItem is the longest item accepted, in bytes, at most 16 MiB. Zero
	// means 256 KiB.
	MaxItem int
	// MaxStreams is how many of the peer's streams may live at a time,
	// answers apart. Zero means 128; negative means none. Each may come with
	// up to 16 KiB of metadata, which Budget does not count.
	MaxStreams int
	// Prefetch is how many items are kept requested in the reader's name on
	// every stream that comes in. Zero means 64 to begin with, and more for
	// a reader that waits for credit to go around, up to 65,536 while Window
	// and Budget have room; negative means none.
	Prefetch int
	// Window is the most bytes that a stream is granted ahead of what its
	// reader took; it cannot be less than MaxItem. Zero means what the
	// reader and the link need, as far as Budget has it.
	Window int
	// Budget bounds the sum of all grants of the session, in bytes, an item
	// counting as its length + 64. Zero means 64 MiB. MaxStreams × MaxItem
	// may take up half of it: so much is set aside for the peer's streams.
	// Of the rest, one half is kept for the answers of calls (MaxItem and 64
	// bytes for each item of Prefetch: with the defaults, 62 calls of this
	// side can be under way, more wait), the other is lent to streams that
	// are read fast enough to use a window of more than one item.
	Budget int64
	// KeepAlive is how long a peer may be silent before it is sent a PING.
	// Zero means 15 s. It cannot be turned off: without it a peer that
	// vanished would never be noticed. Any byte of a message that is under
	// way breaks the silence, if conn is a transport.ProgressReporter; else
	// only a whole message does.
	KeepAlive time.Duration
	// KeepAliveTimeout is how long it may then go on being silent before
	// the session ends with code 7. Zero means 15 s.
	KeepAliveTimeout time.Duration
	// MessageTimeout is how long a message of the peer may take from its
	// first byte to its last before the session ends with code 7: at 30 s,
	// which zero means, a link of 70 kbit/s has time for a message of
	// 256 KiB. If conn is no transport.ProgressReporter it has no effect, and
	// a message whose rest does not come ends by the keepalive.
	MessageTimeout time.Duration
	// WriteTimeout is how long a Send of conn may make no progress, as when the peer does not read, before the session ends
	// with code 7. Zero means 30 s. TCP takes bytes in steps of up to a third
	// of the system's send buffer, which may be a megabyte: with a shorter time
	// a peer that reads slowly looks like one that does not. If conn is no
	// transport.ProgressReporter only whole messages are seen.
	WriteTimeout time.Duration
	// Dialect, if not nil, makes the Dialect of each session, for peers that
	// speak another protocol: npm09.Dialect is one. MaxStreams, MaxItem and
	// Prefetch are not told to such a peer. Zero then means 256 for
	// MaxStreams, which is how many Accept hands out at a time, and 256 MiB
	// for Budget, of which MaxStreams × MaxItem is set aside and the rest
	// lent.
	Dialect func() Dialect
	// Observer, if not nil, counts what happens to the session, and may log
	// it. Many sessions share one.
	Observer *Observer
	// DrainTimeout is how long Serve lets sessions drain after its ctx has
	// ended. Zero means 10 s.
	DrainTimeout time.Duration
}

// config is Options with the defaults filled in, checked.
type config struct {
	hello
	prefetch  uint64 // what a stream begins with
	widest    uint64 // what it may grow to
	window    int64
	budget    int64
	keepAlive time.Duration
	timeout   time.Duration
	message   time.Duration
	write     time.Duration
	drain     time.Duration
	check     func([]byte) error
	dialect   func() Dialect
	observer  *Observer
	backlog   uint64 // streams that may come beyond hello.streams
	lastID    uint32 // the highest stream number; lower in tests
}

// newConfig returns an error that names the first field that cannot work.
func newConfig(o *Options) (*config, error) {
	if o == nil {
		o = &Options{}
	}
	maxItem := orDefault(o.MaxItem, defaultMaxItem)
	streams, budget := orDefault(o.MaxStreams, defaultMaxStreams), int64(defaultBudget)
	if o.Dialect != nil {
		streams, budget = orDefault(o.MaxStreams, dialectStreams), dialectBudget
	}
	prefetch := max(0, orDefault(o.Prefetch, omni.DefaultPrefetch))
	c := &config{
		prefetch:  uint64(prefetch),
		window:    int64(orDefault(o.Window, math.MaxInt32)),
		budget:    orDefault(o.Budget, budget),
		keepAlive: orDefault(o.KeepAlive, defaultKeepAlive),
		timeout:   orDefault(o.KeepAliveTimeout, defaultKeepAliveTimeout),
		message:   orDefault(o.MessageTimeout, defaultMessageTimeout),
		write:     orDefault(o.WriteTimeout, defaultWriteTimeout),
		drain:     orDefault(o.DrainTimeout, defaultDrain),
		check:     o.CheckPeer,
		dialect:   o.Dialect,
		observer:  o.Observer,
		lastID:    math.MaxUint32,
	}
	c.maxItem = uint32(maxItem)
	if o.Prefetch == 0 {
		c.widest = maxAhead
	}
	if streams < 0 {
		streams = 0
	}
	switch {
	case len(o.Metadata) > maxMetadata:
		return nil, fmt.Errorf("mux: Options.Metadata has %d bytes, over %d", len(o.Metadata), maxMetadata)
	case maxItem < 1 || maxItem > maxItemLimit:
		return nil, fmt.Errorf("mux: Options.MaxItem is %d, not in 1 to %d", maxItem, maxItemLimit)
	case int64(streams) > math.MaxUint32:
		return nil, fmt.Errorf("mux: Options.MaxStreams is %d, over 2^32-1", streams)
	case prefetch > maxAhead:
		return nil, fmt.Errorf("mux: Options.Prefetch is %d, over %d", prefetch, maxAhead)
	case c.window < int64(maxItem) || c.window > math.MaxInt32:
		return nil, fmt.Errorf("mux: Options.Window is %d, not in MaxItem (%d) to 2^31-1", c.window, maxItem)
	case c.budget < 0:
		return nil, fmt.Errorf("mux: Options.Budget is negative: %d", c.budget)
	case c.budget > maxTotal:
		return nil, fmt.Errorf("mux: Options.Budget is %d, over 2^53-1", c.budget)
	case int64(streams) > c.budget/2/int64(maxItem):
		return nil, fmt.Errorf("mux: Options.Budget: MaxStreams × MaxItem (%d × %d) is over half of it (%d)", streams, maxItem, c.budget)
	case c.dialect != nil && int64(streams) > c.budget/2/c.share():
		return nil, fmt.Errorf("mux: Options.Budget: MaxStreams × (MaxItem + %d) (%d × %d) is over half of it (%d)", itemCharge, streams, maxItem+itemCharge, c.budget)
	case c.dialect == nil && int64(streams) > c.budget/4/(itemCharge*int64(max(prefetch, 1))):
		return nil, fmt.Errorf("mux: Options.Budget: MaxStreams × Prefetch × %d (%d × %d × %d) is over a quarter of it (%d)", itemCharge, streams, prefetch, itemCharge, c.budget)
	}
	if err := c.checkTimes(); err != nil {
		return nil, err
	}
	c.hello = hello{
		version:  version,
		maxItem:  uint32(maxItem),
		streams:  uint32(streams),
		items:    uint32(prefetch),
		bytes:    uint32(maxItem),
		metadata: append([]byte(nil), o.Metadata...),
	}
	if c.dialect != nil {
		c.items, c.bytes, c.backlog = 0, 0, backlog
	}
	return c, nil
}

// checkTimes returns an error that names the first time that cannot work.
func (c *config) checkTimes() error {
	for _, t := range []struct {
		field string
		time.Duration
	}{
		{"KeepAlive", c.keepAlive},
		{"KeepAliveTimeout", c.timeout},
		{"MessageTimeout", c.message},
		{"WriteTimeout", c.write},
		{"DrainTimeout", c.drain},
	} {
		switch {
		case t.Duration < 0:
			return fmt.Errorf("mux: Options.%s is negative: %v", t.field, t)
		case t.Duration > maxSilence:
			return fmt.Errorf("mux: Options.%s is %v, over %v", t.field, t, maxSilence)
		}
	}
	return nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// share is what is set aside for one stream, in bytes of budget: its first
// window, or one item if bytes are not counted.
func (c *config) share() int64 {
	if c.dialect != nil {
		return int64(c.maxItem) + itemCharge
	}
	return int64(c.maxItem) + itemCharge*int64(max(c.prefetch, 1))
}
