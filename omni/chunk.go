package omni

import (
	"context"
	"sync/atomic"
)

// ChunkSource is a Source that can hand out many items at a time. All and the
// stages use it if it is there: one call and one lock then serve many items.
type ChunkSource[T any] interface {
	Source[T]
	// NextChunk waits for an item as Next does, and returns all that are
	// here, at least one. They are not taken yet. The caller gives back the
	// chunk of its last call as used, also if the call fails: its memory
	// serves again, and an item whose memory is not the reader's to keep is
	// valid until then.
	NextChunk(ctx context.Context, ask bool, used []T) ([]T, error)
	// Took counts the next n items of the chunks as taken, which gives the
	// writer credit again. It must be called for all of a chunk before
	// the next one is asked for.
	Took(n int)
	// Stopped returns a flag that is set when Done is closed: a look at it
	// for every item costs neither a lock nor a call.
	Stopped() *atomic.Bool
}

// takenAt says after how many items a reader of chunks calls Took: often
// enough that the writer has credit while the reader works on the rest.
func takenAt(window int) int { return max(1, min(window/4, DefaultPrefetch)) }

// An intake is where a stage or a loop gets its items: one at a time with
// Next, or, for a loop, from a chunk of its own. It belongs to one reader at a
// time.
type intake[T any] struct {
	src    Source[T]
	chunks ChunkSource[T] // src, if it hands out chunks
	atOnce int            // items that are counted as taken together

	stopped *atomic.Bool // of chunks

	chunk   []T // chunk[next:] is here
	next    int
	counted int // items of chunk that are counted as taken
}

func newIntake[T any](src Source[T]) intake[T] {
	in := intake[T]{src: src}
	if c, ok := src.(ChunkSource[T]); ok {
		in.chunks, in.stopped, in.atOnce = c, c.Stopped(), takenAt(prefetchOf(src))
	}
	return in
}

// take returns the next item, as Source's Next does. With ahead it takes all
// that are here: for a loop, since whoever calls Next may read the rest from
// the source itself.
func (in *intake[T]) take(ctx context.Context, ask, ahead bool) (v T, err error) {
	if i := in.next; i < len(in.chunk) && !in.stopped.Load() {
		// Fast path: the item is here.
		v, in.chunk[i] = in.chunk[i], v
		in.next = i + 1
		if in.next-in.counted >= in.atOnce || in.next == len(in.chunk) {
			in.count()
		}
		return v, nil
	}
	if in.chunks == nil || !ahead {
		return in.src.Next(ctx, ask)
	}
	chunk, err := in.chunks.NextChunk(ctx, ask, in.chunk)
	in.chunk, in.next, in.counted = chunk, 0, 0
	if err != nil {
		return v, err
	}
	return in.take(ctx, ask, ahead)
}

// drop lets go of what is here.
func (in *intake[T]) drop() {
	in.count()
	in.chunk, in.next, in.counted = nil, 0, 0
}

// count tells the source which items are taken.
func (in *intake[T]) count() {
	if n := in.next - in.counted; n > 0 {
		in.counted = in.next
		in.chunks.Took(n)
	}
}

// A window is what a loop keeps requested of a source that keeps none itself.
type window struct {
	request func(uint32)
	size    int // 0 if the source keeps a window
	taken   int // items, since the window was full
}

func newWindow[T any](src Source[T]) window {
	if prefetchOf(src) > 0 {
		return window{}
	}
	src.Request(DefaultPrefetch)
	return window{request: src.Request, size: DefaultPrefetch}
}

// keep fills the window up if half of it was taken.
func (w *window) keep() {
	if w.size > 0 && w.taken >= w.size/2 {
		w.request(uint32(w.taken))
		w.taken = 0
	}
}

// eachOfChunks calls yield with every item of src: the loop behind All. It
// returns nil if yield said stop, else how the stream, which is over then, or
// ctx ended.
func eachOfChunks[T any](ctx context.Context, src ChunkSource[T], yield func(T, error) bool) (over bool, err error) {
	if ctx.Done() != nil {
		// The end of ctx cancels the stream, and that ends a wait: cheaper
		// than a select at each. A loop that does not wait looks for itself.
		defer context.AfterFunc(ctx, func() { src.Cancel(causeOf(ctx)) })()
	}
	w := newWindow[T](src)
	atOnce := takenAt(max(w.size, prefetchOf(src)))
	stopped := src.Stopped()
	var chunk []T
	for {
		if ctx.Err() != nil {
			return false, causeOf(ctx)
		}
		if chunk, err = src.NextChunk(context.Background(), true, chunk); err != nil {
			return true, err
		}
		for rest := chunk; len(rest) > 0; {
			run := rest[:min(len(rest), atOnce)]
			rest = rest[len(run):]
			for i, v := range run {
				if ctx.Err() != nil {
					src.Took(i)
					return false, causeOf(ctx)
				}
				if stopped.Load() {
					src.Took(i)
					return true, src.Err()
				}
				last := i == len(run)-1
				if last {
					clear(run) // or the collector keeps what the items point to
					src.Took(len(run))
					w.taken += len(run)
					w.keep()
				}
				if !yield(v, nil) {
					if !last {
						src.Took(i + 1)
					}
					return false, nil
				}
			}
		}
	}
}
