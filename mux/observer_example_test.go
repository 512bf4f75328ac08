package mux_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"time"

	"omnistreams.dev/mux"
)

// An Observer for all sessions of a program: expvar shows it at /debug/vars,
// and slog has a record of each session's end.
func ExampleObserver() {
	ctx := context.Background()
	observer := &mux.Observer{Log: slog.Default()}
	expvar.Publish("omnistreams", observer)

	client, server := connect(&mux.Options{Observer: observer})
	go client.Shutdown(ctx)
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	<-client.Done()
	c := observer.Counters()
	fmt.Println(c.Began, "began,", c.Clean, "ended cleanly,", c.KeepAliveTimeouts, "timed out")
	// Output: 2 began, 2 ended cleanly, 0 timed out
}

// A watchdog that says which stream is stuck, and whom it waits for.
func ExampleSession_Watch() {
	ctx := context.Background()
	client, server := connect(nil)
	defer client.Close()
	defer server.Close()

	c, err := client.Open(ctx, []byte("nobody accepts this"))
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Write(ctx, []byte("or reads this")); err != nil {
		log.Fatal(err)
	}
	err = server.Watch(ctx, 10*time.Millisecond) // a minute, in earnest
	var stall *mux.StallError
	if errors.As(err, &stall) {
		fmt.Printf("%s: waits for %s\n", stall.Stream.Metadata, stall.Stream.Waits)
	}
	// Output: nobody accepts this: waits for our Accept
}
