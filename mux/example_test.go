package mux_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"omnistreams.dev/adapters"
	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// connect returns two sessions at the ends of a transport inside the process.
// Between processes it would be transport.Dial and transport.Listen.
func connect(opt *mux.Options) (client, server *mux.Session) {
	a, b := transport.Pair()
	client, err := mux.New(a, opt)
	if err != nil {
		log.Fatal(err)
	}
	server, err = mux.New(b, opt)
	if err != nil {
		log.Fatal(err)
	}
	return client, server
}

// A stream from one side to the other. Done is the receipt.
func Example() {
	ctx := context.Background()
	client, server := connect(nil)

	go func() {
		c, err := client.Open(ctx, []byte("greetings"))
		if err != nil {
			log.Fatal(err)
		}
		for _, word := range []string{"hello", "world"} {
			if err := c.Write(ctx, []byte(word)); err != nil {
				log.Fatal(err)
			}
		}
		c.End()
	}()

	in, err := server.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("stream %s\n", in.Metadata())
	for item, err := range in.Producer().All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("item %s\n", item)
	}
	fmt.Println("shutdown:", client.Shutdown(ctx))
	<-server.Done()
	// Output:
	// stream greetings
	// item hello
	// item world
	// shutdown: <nil>
}

// Streams by name: a Router picks the handler, and an unknown name is refused.
func ExampleRouter() {
	ctx, stop := context.WithCancel(context.Background())
	client, server := connect(nil)

	var router mux.Router
	router.Handle("upper", func(ctx context.Context, in *mux.Incoming) error {
		answer, err := mux.Reply(ctx, in, nil, adapters.String())
		if err != nil {
			return err
		}
		upper := func(s string) (string, error) { return strings.ToUpper(s), nil }
		return omni.Map(ctx, mux.As(in, adapters.String()), upper).Pipe(ctx, answer)
	})
	served := make(chan error)
	go func() { served <- server.Serve(ctx, router.Serve) }()

	for _, name := range []string{"upper", "lower"} {
		call, err := mux.Call(ctx, client, mux.RouteMetadata(name), adapters.String(), adapters.String())
		if err != nil {
			log.Fatal(err)
		}
		if err := call.Out.Write(ctx, "quiet"); err == nil {
			call.Out.End()
		}
		answer, err := call.In.Next(ctx)
		fmt.Printf("%s: %q, refused: %v\n", name, answer, errors.Is(err, omni.ErrRefused))
		call.In.Cancel(nil) // the answer's end is not waited for
	}
	stop()
	fmt.Println("served:", <-served)
	<-client.Done()
	// Output:
	// upper: "QUIET", refused: false
	// lower: "", refused: true
	// served: <nil>
}

// Items of any type, with a codec and without a goroutine.
func ExampleOpen() {
	type point struct{ X, Y int }
	ctx := context.Background()
	client, server := connect(nil)
	defer server.Close()
	defer client.Close()

	c, err := mux.Open(ctx, client, nil, adapters.JSON[point]())
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Write(ctx, point{3, 4}); err != nil {
		log.Fatal(err)
	}
	c.End()

	in, err := server.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	points := mux.As(in, adapters.JSON[point]())
	p, err := points.Next(ctx)
	fmt.Println(p, err)
	_, err = points.Next(ctx)
	fmt.Println(err == io.EOF)
	<-c.Done()
	fmt.Println("received:", c.Err() == nil)
	// Output:
	// {3 4} <nil>
	// true
	// received: true
}

// An item that is longer than the peer accepts fails alone.
func ExampleTooLargeError() {
	ctx := context.Background()
	client, server := connect(&mux.Options{MaxItem: 1000})
	defer server.Close()
	defer client.Close()

	c, err := client.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	err = c.Write(ctx, make([]byte, 1001))
	var long *mux.TooLargeError
	fmt.Println(errors.As(err, &long), err)
	fmt.Println(c.Write(ctx, make([]byte, 1000)))
	// Output:
	// true mux: 1001 bytes are too many: the other side takes 1000
	// <nil>
}
