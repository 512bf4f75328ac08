package omni_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"omnistreams.dev/omni"
)

func count(n int) func(context.Context, *omni.Consumer[int]) error {
	return func(ctx context.Context, c *omni.Consumer[int]) error {
		for i := range n {
			if err := c.Write(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
}

func ExampleProduce() {
	ctx := context.Background()
	numbers := omni.Produce(ctx, func(ctx context.Context, c *omni.Consumer[int]) error {
		for i := 0; ; i++ {
			if err := c.Write(ctx, i); err != nil {
				fmt.Println("writer:", err)
				return err
			}
		}
	})
	for v, err := range numbers.All(ctx) {
		if err != nil || v == 3 {
			break // stops the goroutine and waits for it
		}
		fmt.Println(v)
	}
	// Output:
	// 0
	// 1
	// 2
	// writer: omni: canceled
}

func ExampleNewStream() {
	ctx := context.Background()
	p, c := omni.NewStream[string](nil)
	go func() {
		for _, word := range []string{"items", "go", "down"} {
			if c.Write(ctx, word) != nil {
				return
			}
		}
		c.End()
	}()
	for {
		word, err := p.Next(ctx)
		if err == io.EOF {
			break
		}
		fmt.Println(word, err)
	}
	// Output:
	// items <nil>
	// go <nil>
	// down <nil>
}

func ExampleConsume() {
	ctx := context.Background()
	c := omni.Consume(ctx, func(ctx context.Context, p *omni.Producer[int]) error {
		sum, err := omni.Reduce(ctx, p, 0, func(sum, v int) (int, error) { return sum + v, nil })
		fmt.Println("sum:", sum)
		return err
	})
	for i := range 5 {
		if err := c.Write(ctx, i); err != nil {
			fmt.Println(err)
		}
	}
	c.End()
	<-c.Done() // the func has returned
	fmt.Println("err:", c.Err())
	// Output:
	// sum: 10
	// err: <nil>
}

func ExampleMap() {
	ctx := context.Background()
	words := omni.FromSlice(ctx, []string{"pull", "", "push"})
	words = omni.Filter(ctx, words, func(s string) (bool, error) { return s != "", nil })
	loud := omni.Map(ctx, words, func(s string) (string, error) { return strings.ToUpper(s), nil })
	fmt.Println(omni.Collect(ctx, loud))
	// Output: [PULL PUSH] <nil>
}

func ExampleFilter() {
	ctx := context.Background()
	even := omni.Filter(ctx, omni.Produce(ctx, count(10)), func(v int) (bool, error) {
		return v%2 == 0, nil
	})
	fmt.Println(omni.Collect(ctx, even))
	// Output: [0 2 4 6 8] <nil>
}

func ExampleFlatMap() {
	ctx := context.Background()
	lines := omni.FromSlice(ctx, []string{"a b", "", "c"})
	words := omni.FlatMap(ctx, lines, func(s string) ([]string, error) { return strings.Fields(s), nil })
	fmt.Println(omni.Collect(ctx, words))
	// Output: [a b c] <nil>
}

func ExampleParallelMap() {
	ctx := context.Background()
	opt := &omni.ParallelOptions{Workers: 4}
	squares := omni.ParallelMap(ctx, omni.Produce(ctx, count(6)), opt, func(_ context.Context, v int) (int, error) {
		return v * v, nil
	})
	fmt.Println(omni.Collect(ctx, squares)) // in the order of the items
	// Output: [0 1 4 9 16 25] <nil>
}

func ExampleBatch() {
	ctx := context.Background()
	batches := omni.Batch(ctx, omni.Produce(ctx, count(5)), 2, 0)
	fmt.Println(omni.Collect(ctx, batches))
	// Output: [[0 1] [2 3] [4]] <nil>
}

func ExampleMerge() {
	ctx := context.Background()
	merged := omni.Merge(ctx, omni.Produce(ctx, count(4)), omni.Produce(ctx, count(4)))
	sum, err := omni.Reduce(ctx, merged, 0, func(sum, v int) (int, error) { return sum + v, nil })
	fmt.Println(sum, err)
	// Output: 12 <nil>
}

func ExampleConcat() {
	ctx := context.Background()
	all := omni.Concat(ctx, omni.Produce(ctx, count(2)), omni.Produce(ctx, count(3)))
	fmt.Println(omni.Collect(ctx, all))
	// Output: [0 1 0 1 2] <nil>
}

func ExampleTee() {
	ctx := context.Background()
	a, b := omni.Tee(ctx, omni.Produce(ctx, count(4)))
	sum := make(chan int)
	go func() {
		n, _ := omni.Reduce(ctx, a, 0, func(n, v int) (int, error) { return n + v, nil })
		sum <- n
	}()
	fmt.Println(omni.Collect(ctx, b))
	fmt.Println(<-sum)
	// Output:
	// [0 1 2 3] <nil>
	// 6
}

func ExampleProducer_Pipe() {
	ctx := context.Background()
	printer := omni.Consume(ctx, func(ctx context.Context, p *omni.Producer[int]) error {
		return omni.ForEach(ctx, p, func(v int) error {
			fmt.Println("got", v)
			return nil
		})
	})
	err := omni.Produce(ctx, count(2)).Pipe(ctx, printer)
	<-printer.Done() // Pipe does not wait for it
	fmt.Println(err, printer.Err())
	// Output:
	// got 0
	// got 1
	// <nil> <nil>
}

func ExampleTake() {
	ctx := context.Background()
	first := omni.Take(ctx, omni.Produce(ctx, count(1_000_000)), 3)
	fmt.Println(omni.Collect(ctx, first))
	// Output: [0 1 2] <nil>
}

func ExampleProducer_Cancel() {
	ctx := context.Background()
	p, c := omni.NewStream[int](nil)
	p.Cancel(&omni.StreamError{Code: omni.CodeApplication, Reason: "seen enough"})

	err := c.Write(ctx, 1)
	var why *omni.StreamError
	fmt.Println(errors.As(err, &why), why.Code, why.Reason)
	// Output: true code 256 seen enough
}

func ExampleConsumer_Cancel() {
	ctx := context.Background()
	disk := errors.New("disk on fire")
	p, c := omni.NewStream[int](nil)
	c.Write(ctx, 1)
	c.Cancel(disk)

	fmt.Println(p.Next(ctx)) // what was written still arrives
	_, err := p.Next(ctx)
	fmt.Println(err == disk)
	// Output:
	// 1 <nil>
	// true
}

func ExampleProducer_Request() {
	ctx := context.Background()
	p, c := omni.NewStream[int](&omni.Options{Prefetch: -1}) // pure pull
	p.Request(3)
	fmt.Println(c.Demand(ctx))
	// Output: 3 <nil>
}

func ExampleCollect() {
	ctx := context.Background()
	fmt.Println(omni.Collect(ctx, omni.FromSlice(ctx, []int{1, 2, 3})))
	// Output: [1 2 3] <nil>
}
