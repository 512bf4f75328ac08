package mux

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestLatencyUnderBulk: beside eight streams that would fill the link alone, a
// small call and a PING take a few frames' time.
func TestLatencyUnderBulk(t *testing.T) {
	const rate, size = 100.0, 64 << 10
	frameTime := time.Duration(size / mbit(rate) * float64(time.Second))
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ca, cb := newLine(mbit(rate), 0)
		a, b := start(t, ca, nil), start(t, cb, nil)
		for range 8 {
			c, p := benchPair(t, a, b)
			go func() {
				for c.Write(ctx, make([]byte, size)) == nil {
				}
			}()
			go func() {
				for _, err := range Reuse(p).All(ctx) {
					if err != nil {
						return
					}
				}
			}()
		}
		call, err := a.Call(ctx, nil)
		must(t, err)
		in := accept(t, b)
		answer, err := in.Reply(ctx, nil)
		must(t, err)
		go in.Producer().Pipe(ctx, answer)
		time.Sleep(time.Second)
		var echo, ping []time.Duration
		for range 500 {
			began := time.Now()
			must(t, call.Out.Write(ctx, make([]byte, 64)))
			_, err := call.In.Next(ctx)
			must(t, err)
			echo = append(echo, time.Since(began))
			d, err := a.Ping(ctx)
			must(t, err)
			ping = append(ping, d)
			time.Sleep(time.Duration(len(echo)%7) * time.Millisecond)
		}
		for name, took := range map[string][]time.Duration{"echo": echo, "PING": ping} {
			slices.Sort(took)
			p99 := took[len(took)*99/100]
			t.Logf("%s: median %v, p99 %v, %.1f frames of 64 KiB", name, took[len(took)/2], p99, float64(p99)/float64(frameTime))
			if p99 > 4*frameTime {
				t.Errorf("%s: p99 %v, over %v", name, p99, 4*frameTime)
			}
		}
		stop()
		a.Close()
		b.Close()
	})
}
