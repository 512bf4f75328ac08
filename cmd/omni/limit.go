package main

import (
	"context"

	"golang.org/x/time/rate"
)

// limiter is a token bucket in bytes that all streams of the process share.
// A nil limiter lets everything pass.
type limiter struct {
	bucket *rate.Limiter
	most   int // bytes that fit into the bucket
}

// newLimiter returns a bucket that fills with perSecond bytes a second, nil
// for 0. It holds a tenth of a second's worth: enough to keep the mean, little
// enough that nobody sees bursts.
func newLimiter(perSecond int64) *limiter {
	if perSecond == 0 {
		return nil
	}
	most := int(min(max(perSecond/10, 1), 1<<30))
	return &limiter{bucket: rate.NewLimiter(rate.Limit(perSecond), most), most: most}
}

// wait takes n bytes out of the bucket. If ctx ends first it returns the
// cause, and some of the bytes may be taken.
func (l *limiter) wait(ctx context.Context, n int) error {
	if l == nil {
		return nil
	}
	for n > 0 {
		step := min(n, l.most) // the bucket never holds more
		if err := l.bucket.WaitN(ctx, step); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		n -= step
	}
	return nil
}
