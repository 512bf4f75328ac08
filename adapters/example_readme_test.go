package adapters_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"omnistreams.dev/adapters"
	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// Example_goroutines is the README's first example.
func Example_goroutines() {
	ctx := context.Background()
	numbers := omni.Produce(ctx, func(ctx context.Context, out *omni.Consumer[int]) error {
		for i := 0; ; i++ {
			if err := out.Write(ctx, i); err != nil {
				return err // the reader has had enough
			}
		}
	})
	squares := omni.Map(ctx, numbers, func(n int) (int, error) { return n * n, nil })
	for n, err := range squares.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if n > 10 {
			break // stops the writer, and waits until its goroutine is gone
		}
		fmt.Println(n)
	}
	// Output:
	// 0
	// 1
	// 4
	// 9
}

// Example_webSocket is the README's second example.
func Example_webSocket() {
	ctx, stop := context.WithCancel(context.Background())
	text := adapters.String()

	// One process: a stream named "upper" is answered in capitals.
	var router mux.Router
	router.Handle("upper", func(ctx context.Context, in *mux.Incoming) error {
		answer, err := mux.Reply(ctx, in, nil, text)
		if err != nil {
			return err // the caller learns of it; to log it too, wrap the handler
		}
		upper := func(s string) (string, error) { return strings.ToUpper(s), nil }
		return omni.Map(ctx, mux.As(in, text), upper).Pipe(ctx, answer)
	})
	l, err := transport.Listen(ctx, "ws://127.0.0.1:0/", nil)
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- mux.Serve(ctx, l, nil, router.Serve) }()

	// Another: any number of such calls share the one connection.
	conn, err := transport.Dial(ctx, l.URL(), nil)
	if err != nil {
		log.Fatal(err)
	}
	session, err := mux.New(conn, nil)
	if err != nil {
		log.Fatal(err)
	}
	call, err := mux.Call(ctx, session, mux.RouteMetadata("upper"), text, text)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer call.Out.End()
		for _, word := range []string{"pull", "not", "push"} {
			if call.Out.Write(ctx, word) != nil {
				return
			}
		}
	}()
	for word, err := range call.In.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(word)
	}
	fmt.Println("lost:", session.Shutdown(ctx))
	stop()
	fmt.Println("served:", <-served)
	// Output:
	// PULL
	// NOT
	// PUSH
	// lost: <nil>
	// served: <nil>
}
