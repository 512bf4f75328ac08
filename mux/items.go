package mux

import (
	"encoding/binary"
)

// This file has what an incoming stream does with its items: it takes them
// out of messages, keeps them, and hands them out, one at a time (take) or
// all that are here (takeChunk).

// run takes the DATA frames of one stream that msg begins with, as long as
// there is nothing to be said about them, and returns the rest of msg. Most
// messages are such a run. What is not in order, or for a reader that is gone,
// is left for frame to look at.
func (e *engine) run(msg []byte) (rest []byte) {
	id := binary.BigEndian.Uint32(msg[1:])
	in := e.theirs[id]
	if in == nil || in.peerLast != noWord || in.finished {
		return msg
	}
	items, bytes := in.gotItems, in.gotBytes
	for len(msg) >= headerSize && frameType(msg[0]) == frameData && binary.BigEndian.Uint32(msg[1:]) == id {
		n := binary.BigEndian.Uint32(msg[5:])
		if uint64(n) > uint64(len(msg)-headerSize) || n > e.cfg.maxItem ||
			in.gotItems >= in.grantItems || in.gotBytes+uint64(n) > in.grantBts {
			break
		}
		in.gotItems++
		in.gotBytes += uint64(n)
		in.keep(msg[headerSize : headerSize+n])
		msg = msg[headerSize+n:]
	}
	if items == in.gotItems {
		return msg
	}
	e.lively = true
	e.stats.ItemsReceived += in.gotItems - items
	e.stats.BytesReceived += in.gotBytes - bytes
	in.moved = e.now
	in.turned()
	in.changed.fire()
	return msg
}

// keep puts a copy of payload behind the items that are here: payload lies in
// a large message, which one small item would keep from being used again.
func (in *incoming) keep(payload []byte) {
	var item []byte
	if in.reused != nil {
		item = in.reused.place(in.e, payload, len(in.items) > in.next)
	} else {
		item = make([]byte, len(payload))
		copy(item, payload)
	}
	if len(in.items) == cap(in.items) {
		in.items, in.next = closeUp(in.items, in.next)
	}
	in.items = append(in.items, item)
}

// A chunk is bounded, so that credit comes back while the reader works on it.
const (
	chunkItems = 512
	chunkBytes = 64 << 10
)

// handed counts the items of chunks that the reader has and that are not
// taken yet, by their lengths. A nil one is empty.
type handed struct {
	sizes []uint32 // oldest first; sizes[:first] are taken
	first int
}

func (h *handed) left() int {
	if h == nil {
		return 0
	}
	return len(h.sizes) - h.first
}

// takeChunk hands out the items that are here, in used's memory, without
// counting them as taken. If there are none, err is as take's.
func (in *incoming) takeChunk(used [][]byte) (chunk [][]byte, err error) {
	if in.finished || in.next == len(in.items) {
		return nil, in.reachEnd()
	}
	if in.handed == nil {
		in.handed = new(handed)
	}
	h, here := in.handed, in.items[in.next:]
	if h.first == len(h.sizes) {
		h.sizes, h.first = h.sizes[:0], 0
	}
	if len(h.sizes)+min(len(here), chunkItems) > cap(h.sizes) { // two readers that overlap never empty it
		h.sizes = append(h.sizes[:0], h.sizes[h.first:]...)
		h.first = 0
	}
	n, bytes := 0, 0
	for n < len(here) && n < chunkItems && (n == 0 || bytes+len(here[n]) <= chunkBytes) {
		h.sizes = append(h.sizes, uint32(len(here[n])))
		bytes += len(here[n])
		n++
	}
	clear(used)
	if n == len(in.items) {
		// Fast path: the lists change places.
		chunk, in.items = in.items, used[:0]
	} else {
		chunk = append(used[:0], here[:n]...)
		clear(here[:n])
		if in.next += n; in.next == len(in.items) {
			in.items, in.next = in.items[:0], 0
		}
	}
	if in.reused != nil {
		in.reused.giveBack(in.e)
		in.reused.lent = n
		in.reused.chunked = true
	}
	return chunk, nil
}

// outstanding is how many items were requested and not handed out.
func (in *incoming) outstanding() uint64 {
	return in.wantItems - in.tookItems - uint64(in.handed.left())
}

// tookOf counts n items of the chunks as taken.
func (in *incoming) tookOf(n int) {
	h := in.handed
	n = min(n, h.left())
	if n <= 0 {
		return
	}
	bytes := uint64(0)
	for _, size := range h.sizes[h.first : h.first+n] {
		bytes += uint64(size)
	}
	h.first += n
	if in.finished {
		in.e.stats.ItemsDropped -= uint64(n) // they were read after all
		return
	}
	in.took(uint64(n), bytes)
	in.finishTaken()
}

// recycler is where the items of a stream lie whose reader gives them back by
// asking for the next: in blocks that are used again.
type recycler struct {
	blocks []block // oldest first, as the items; blocks[:first] are spent
	first  int
	lent   int // items that the reader has

	chunked bool // it has a chunk, or had one: it reads in chunks
}

// block is memory for items. Short ones share one.
type block struct {
	buf   []byte
	items int // those that were not given back
}

// How much memory short items share: little at first, more if some wait, but
// no more than a stream's share of the budget. A stream wastes less than one
// block.
const (
	firstBlock = smallestBuffer
	nextBlock  = 16 << 10
	ownBlock   = 2 << 10 // an item from here on has one for itself
)

// place copies payload to where it can stay until it is given back.
func (r *recycler) place(e *engine, payload []byte, behind bool) []byte {
	n := len(payload)
	if k := len(r.blocks); k > r.first {
		if b := &r.blocks[k-1]; b.buf != nil && cap(b.buf)-len(b.buf) >= n {
			// Fast path: behind the item before.
			at := len(b.buf)
			b.buf = append(b.buf, payload...)
			b.items++
			return b.buf[at:len(b.buf):len(b.buf)]
		}
	}
	size := n
	switch {
	case n >= ownBlock:
	case behind:
		size = max(n, int(min(nextBlock, e.cfg.share()/2)))
	default:
		size = max(n, firstBlock)
	}
	r.blocks, r.first = closeUp(r.blocks, r.first)
	r.blocks = append(r.blocks, block{append(e.bufs.get(size), payload...), 1})
	return r.blocks[len(r.blocks)-1].buf[:n:n]
}

// lendOne notes that the reader has one item now, instead of those it had
// before. Those of a chunk it keeps until it asks for the next chunk: it may
// call Next while it goes through one.
func (r *recycler) lendOne(e *engine) {
	if !r.chunked {
		r.giveBack(e)
	}
	r.lent++
}

// giveBack takes back what the reader has had.
func (r *recycler) giveBack(e *engine) {
	for r.lent > 0 {
		b := &r.blocks[r.first]
		back := min(r.lent, b.items)
		r.lent -= back
		if b.items -= back; b.items > 0 {
			break
		}
		e.bufs.put(b.buf)
		*b = block{}
		r.first++
	}
	if r.first == len(r.blocks) {
		r.blocks, r.first = r.blocks[:0], 0
	}
}

// forget lets go of everything: the reader may still look at what it has.
func (r *recycler) forget() { *r = recycler{} }

// reuse makes the items that come from now on the stream's to use again.
func (in *incoming) reuse() {
	if in.reused != nil {
		return
	}
	in.reused = new(recycler)
	if n := len(in.items) - in.next; n > 0 {
		in.reused.blocks = []block{{items: n}} // these are the reader's to keep
	}
}
