package omni

import "context"

// ForEach calls f with every item, on the caller's goroutine. It returns nil
// after a clean end. An error of f, and ctx when it ends, cancel the stream
// and are returned; a panic of f cancels it too and goes on.
func ForEach[T any](ctx context.Context, p *Producer[T], f func(T) error) error {
	checkProducers(ctx, "ForEach", []*Producer[T]{p})
	if f == nil {
		panic("omni: ForEach with a nil func")
	}
	for v, err := range p.All(ctx) {
		if err != nil {
			return err
		}
		if err := f(v); err != nil {
			p.Cancel(err)
			return err
		}
	}
	return nil
}

// Reduce folds the items into one value, beginning with acc, on the caller's
// goroutine. On an error it returns what it has so far: an error of f, and ctx
// when it ends, cancel the stream.
func Reduce[T, U any](ctx context.Context, p *Producer[T], acc U, f func(U, T) (U, error)) (U, error) {
	if f == nil {
		panic("omni: Reduce with a nil func")
	}
	err := ForEach(ctx, p, func(v T) error {
		next, err := f(acc, v)
		if err == nil {
			acc = next
		}
		return err
	})
	return acc, err
}

// Collect returns all items in a slice, which grows without bound: Take
// before it if the writer is not trusted. On an error it returns the items
// that came before; ctx when it ends cancels the stream.
func Collect[T any](ctx context.Context, p *Producer[T]) ([]T, error) {
	var vs []T
	err := ForEach(ctx, p, func(v T) error {
		vs = append(vs, v)
		return nil
	})
	return vs, err
}
