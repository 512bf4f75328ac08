package inprocess

import "runtime"

// keep is where a contender leaves its last item, so that the compiler cannot
// drop the reading of items that nobody looks at.
func keep[T any](v T) { runtime.KeepAlive(v) }
