package npm09_test

import (
	"context"
	"fmt"
	"log"

	"omnistreams.dev/adapters"
	"omnistreams.dev/mux"
	"omnistreams.dev/mux/npm09"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// A server answers streams of one name. Its client may be a page that uses the
// package; here it is this package too.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	plain := &transport.Options{NoSubprotocol: true}

	var router mux.Router
	router.Handle("double", func(ctx context.Context, in *mux.Incoming) error {
		out, err := mux.Open(ctx, in.Session(), in.Metadata(), adapters.JSON[int]())
		if err != nil {
			return err
		}
		double := func(n int) (int, error) { return 2 * n, nil }
		return omni.Map(ctx, mux.As(in, adapters.JSON[int]()), double).Pipe(ctx, out)
	})
	l, err := transport.Listen(ctx, "ws://127.0.0.1:0/omnistreams", plain)
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- mux.Serve(ctx, l, &mux.Options{Dialect: npm09.Dialect}, router.Serve) }()

	conn, err := transport.Dial(ctx, l.URL(), plain)
	if err != nil {
		log.Fatal(err)
	}
	s, err := npm09.New(conn, nil)
	if err != nil {
		log.Fatal(err)
	}
	question, err := mux.Open(ctx, s.Session, []byte(`{"name":"double"}`), adapters.JSON[int]())
	if err != nil {
		log.Fatal(err)
	}
	answer, err := s.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer question.End()
		for n := range 3 {
			if question.Write(ctx, n) != nil {
				return
			}
		}
	}()
	for n, err := range mux.As(answer, adapters.JSON[int]()).All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(n)
	}
	fmt.Println("lost:", s.Shutdown(ctx))
	stop()
	fmt.Println("served:", <-served)
	// Output:
	// 0
	// 2
	// 4
	// lost: <nil>
	// served: <nil>
}
