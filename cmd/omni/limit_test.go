package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimitKeepsTheMean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1 << 20)
		began := time.Now()
		for range 10 {
			if err := l.wait(t.Context(), 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		// The bucket was full at first: a tenth of a second's worth.
		if d := time.Since(began); d < 9800*time.Millisecond || d > 10*time.Second {
			t.Errorf("10 MiB at 1 MiB/s took %v", d)
		}
	})
}

func TestLimitIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1000)
		began := time.Now()
		for range 4 {
			go func() { _ = l.wait(t.Context(), 1000) }()
		}
		time.Sleep(time.Hour) // virtual: all of them are through
		_ = l.wait(t.Context(), 100)
		if d := time.Since(began); d != time.Hour {
			t.Errorf("the bucket is not full after an hour: %v", d)
		}
	})
}

func TestLimitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errInterrupted) })
		if err := newLimiter(10).wait(ctx, 1000); !errors.Is(err, errInterrupted) {
			t.Errorf("got %v, want the cause", err)
		}
	})
}

func TestNoLimit(t *testing.T) {
	if err := newLimiter(0).wait(t.Context(), 1<<30); err != nil {
		t.Error(err)
	}
}
