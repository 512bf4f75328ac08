package inprocess

import (
	"context"

	"github.com/samber/ro"
)

const (
	moduleRo = "github.com/samber/ro"
	sourceRo = "https://github.com/samber/ro"
)

// roZeros emits n items on the subscriber's goroutine. The unsafe kind of
// observable, which takes no lock, is right for one writer and the fastest.
func roZeros[T any](n int) ro.Observable[T] {
	return ro.NewUnsafeObservableWithContext(func(ctx context.Context, to ro.Observer[T]) ro.Teardown {
		var v T
		for range n {
			to.NextWithContext(ctx, v)
		}
		to.CompleteWithContext(ctx)
		return nil
	})
}

// roInts is roZeros with the numbers from 0 on.
func roInts(n int) ro.Observable[int] {
	return ro.NewUnsafeObservableWithContext(func(ctx context.Context, to ro.Observer[int]) ro.Teardown {
		for i := range n {
			to.NextWithContext(ctx, i)
		}
		to.CompleteWithContext(ctx)
		return nil
	})
}

// roDrain subscribes and waits for the end.
func roDrain[T any](ctx context.Context, from ro.Observable[T]) (got int, err error) {
	var last T
	sub := from.SubscribeWithContext(ctx, ro.NewObserverWithContext(
		func(_ context.Context, v T) { last = v; got++ },
		func(_ context.Context, e error) { err = e },
		func(context.Context) {},
	))
	sub.Wait()
	keep(last)
	return got, err
}

// roPush is function calls on one goroutine, as ro works by itself.
func roPush[T any](ctx context.Context, n int) (int, error) {
	return roDrain(ctx, roZeros[T](n))
}

// roSubscribeOn has the writer on a goroutine of its own, with a buffer.
func roSubscribeOn[T any](ctx context.Context, n int) (int, error) {
	return roDrain(ctx, ro.Pipe1(roZeros[T](n), ro.SubscribeOn[T](window)))
}
