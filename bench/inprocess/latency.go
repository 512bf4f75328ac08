package inprocess

import (
	"context"
	"testing"

	"omnistreams.dev/bench/harness"
	"omnistreams.dev/omni"
)

// latency is one item through an idle stream, and back through another.
func latency() harness.Workload {
	return harness.Workload{
		Group: "In process", Name: "latency", Quick: true, Unit: "round trips",
		About: "One int to another goroutine and back, one at a time.",
		Cases: []harness.Case{
			{Name: "Write and All on both sides", Kind: harness.Ours, Bench: pingPongAll},
			{Name: "Write and Next on both sides", Kind: harness.Ours, Bench: pingPong(answerNext)},
			{Name: "the answering side in an All loop", Kind: harness.Ours, Bench: pingPong(answerAll)},
			{Name: "two chan 0", Kind: harness.Peer, Source: sourceChan, Bench: chanPingPong(0)},
			{Name: "two chan 256", Kind: harness.Peer, Source: sourceChan, Bench: chanPingPong(window)},
		},
		Goals: []harness.Goal{
			{Against: "two chan 0", Reach: 1 / 1.5, Stretch: 1, Note: "at most 1.5 times as long"},
			{Case: "Write and Next on both sides", Against: "two chan 0", Reach: 1 / 1.5, Stretch: 1, Note: "at most 1.5 times as long"},
			{Metric: "allocs/op", Reach: 0.01, Note: "no allocation per item"},
		},
	}
}

type answerer func(ctx context.Context, in *omni.Producer[int], out *omni.Consumer[int])

func answerNext(ctx context.Context, in *omni.Producer[int], out *omni.Consumer[int]) {
	for {
		v, err := in.Next(ctx)
		if err != nil || out.Write(ctx, v) != nil {
			return
		}
	}
}

func answerAll(ctx context.Context, in *omni.Producer[int], out *omni.Consumer[int]) {
	for v, err := range in.All(ctx) {
		if err != nil || out.Write(ctx, v) != nil {
			return
		}
	}
}

// pingPongAll has a loop on both sides.
func pingPongAll(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ping, out := omni.NewStream[int](nil)
	in, pong := omni.NewStream[int](nil)
	done := make(chan struct{})
	go func() { defer close(done); answerAll(ctx, ping, pong) }()
	b.ResetTimer()
	if err := out.Write(ctx, 0); err != nil {
		b.Fatal(err)
	}
	i := 0
	for v, err := range in.All(ctx) {
		if err != nil || v != i {
			b.Fatalf("got %d, %v for %d", v, err, i)
		}
		if i++; i == b.N {
			break
		}
		if err := out.Write(ctx, i); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	out.End()
	<-done
}

func pingPong(answer answerer) func(*testing.B) {
	return func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ping, out := omni.NewStream[int](nil)
		in, pong := omni.NewStream[int](nil)
		done := make(chan struct{})
		go func() { defer close(done); answer(ctx, ping, pong) }()
		b.ResetTimer()
		for i := range b.N {
			if err := out.Write(ctx, i); err != nil {
				b.Fatal(err)
			}
			if v, err := in.Next(ctx); err != nil || v != i {
				b.Fatalf("got %d, %v for %d", v, err, i)
			}
		}
		b.StopTimer()
		out.End()
		<-done
	}
}

func chanPingPong(size int) func(*testing.B) {
	return func(b *testing.B) {
		ping, pong := make(chan int, size), make(chan int, size)
		go func() {
			defer close(pong)
			for v := range ping {
				pong <- v
			}
		}()
		b.ResetTimer()
		for i := range b.N {
			ping <- i
			if v := <-pong; v != i {
				b.Fatalf("got %d for %d", v, i)
			}
		}
		b.StopTimer()
		close(ping)
		<-pong
	}
}
