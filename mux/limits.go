package mux

import "time"

// This file has every bound that a session sets to what a peer may cost it,
// or to how long it waits for one. Behind each bound stand the rows of
// testdata/attacks.md that it stops.

// Sizes in bytes, as the protocol has them (SPEC.md, rule 9).
const (
	maxMetadata  = 16 << 10  // of HELLO and of each OPEN: F11, W14
	maxReason    = 1 << 10   // of FAIL and CLOSE: W14
	maxItemLimit = 1 << 24   // the longest max_item that HELLO may say: W12
	minMessage   = 64 << 10  // every side takes messages up to this, and none longer than it needs: W03
	maxTotal     = 1<<53 - 1 // of REQUEST's totals; for bytes: not counted: C05
)

// What Options say, if nothing else is given.
const (
	// defaultMaxItem is the longest item accepted, in bytes: C08, W15.
	defaultMaxItem = 256 << 10
	// defaultMaxStreams is how many of the peer's streams may live: F04, F05,
	// F06.
	defaultMaxStreams = 128
	// defaultBudget is the most bytes that may wait to be read on all streams
	// of a session together: R03, S01.
	defaultBudget = 64 << 20
	// The same two with a Dialect, where every item is charged MaxItem: F04,
	// R03.
	dialectStreams = 256
	dialectBudget  = 256 << 20

	// defaultKeepAlive is how long a peer may be silent before it is asked,
	// and then before it is given up. Any byte of a message breaks the
	// silence: N03, K01, K04.
	defaultKeepAlive        = 15 * time.Second
	defaultKeepAliveTimeout = 15 * time.Second
	// defaultMessageTimeout is how long a message may take from its first
	// byte to its last, so that a byte now and then is not enough to stay:
	// N05.
	defaultMessageTimeout = 30 * time.Second
	// defaultWriteTimeout is how long the transport may take none of the
	// bytes that it was given, since the peer does not read: F13, S04.
	defaultWriteTimeout = 30 * time.Second
	// defaultDrain is how long Serve lets a session drain: D06.
	defaultDrain = 10 * time.Second
)

// What nothing changes.
const (
	// helloTimeout is how long the peer's HELLO may take (rule 1): W10.
	helloTimeout = 10 * time.Second
	// lingerTime is how long a session that is over waits for the peer to
	// close the connection (rule 10): D11, N12.
	lingerTime = time.Second
	// maxSilence is the longest of the times above that Options take, so
	// that the sum of two is still one: K05.
	maxSilence = 365 * 24 * time.Hour

	// itemCharge is what an item costs of the budget besides its length, so
	// that empty items are bounded too: C09.
	itemCharge = 64
	// maxAhead is how many items a stream is granted at most ahead of what
	// was taken: F10, P08.
	maxAhead = 1 << 16
	// maxQueued is how many bytes of one stream wait for the transport before
	// Write does: F13, C13.
	maxQueued = 256 << 10
	// crowd is how many bytes of all streams may wait before each stream has
	// room for one segment only: F13.
	crowd = 512 << 10
	// backlog is how many streams of a Dialect's peer may have come and not
	// been accepted: it cannot be told how many are welcome. None is granted
	// any item: F04.
	backlog = 4096
)
