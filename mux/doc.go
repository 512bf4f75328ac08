// Package mux carries many streams over one connection, each with its own
// flow control: the ends are those of package omni, the connection is one of
// package transport.
//
//	   one process                                      another
//	   Open   -> Consumer ==\                   /==> Accept -> Producer
//	   Call   -> Consumer ===\     Session     /===> Accept -> Producer
//	             Producer <===\=== messages ==/===== Reply  -> Consumer
//	   Accept -> Producer <====\             /====== Open   -> Consumer
//
//	message    HELLO | OPEN 1 | DATA 1 | DATA 3 | END 1 | REQUEST 2 | ...
//	frame      type u8, stream u32, length u32, payload
//
// Two sessions, at the two ends of any transport.Conn, are equals: either
// opens streams to the other. A stream runs one way. A call is a stream that
// wants an answer, a second stream back: a request and its response, a
// subscription, a duplex.
//
// # An example
//
// One process writes:
//
//	s, err := mux.New(conn, nil)
//	...
//	c, err := s.Open(ctx, []byte("log"))
//	...
//	err = c.Write(ctx, []byte("hello"))
//	c.End()
//	<-c.Done() // the reader has taken everything, if c.Err() is nil
//	err = s.Shutdown(ctx)
//
// The other reads:
//
//	in, err := s.Accept(ctx)
//	...
//	for item, err := range in.Producer().All(ctx) {
//		...
//	}
//
// Serve, Session.Serve and Router run a handler for each stream instead. Open,
// Call, As and Reply with a codec are the same with items of any type.
//
// # What holds
//
//   - A stream carries what omni's streams do: demand, order, one end, causes.
//     What an error says inside a process is not told to the peer, unless it
//     is an omni.StreamError.
//   - The writer's Done closes without an error when the reader has read
//     io.EOF, no sooner: a receipt for every item.
//   - A stream that nobody reads stalls itself alone, and what the peer can
//     make this side keep is bounded: items by Options.Budget, streams by
//     Options.MaxStreams, of which refused and finished ones count until the
//     application has let go of them.
//   - A peer that breaks a rule is told which, and its session ends. One that
//     has vanished is noticed within KeepAlive + KeepAliveTimeout, one that
//     sends a message for ever or reads nothing by MessageTimeout and
//     WriteTimeout; limits.go has them all. Either way
//     every call returns, and every stream that lived ends with
//     ErrSessionLost, never with io.EOF: what was not finished is not known to
//     have arrived. Other sessions are not affected.
//   - An item that is longer than the peer takes is a TooLargeError of its
//     Write; nothing is sent and the stream goes on.
//   - A session has two goroutines, a stream has none. No code of the
//     application runs on the two.
//
// # Ending a session
//
// Shutdown loses nothing: neither side opens new streams, those that live go
// on to their ends, then both say goodbye. Streams of the peer that were not
// handed out by Accept are refused, which is safe to retry. If its ctx ends
// first it cuts what still lives and says in a CutError what that was. Close
// cuts at once. Either returns when the session's goroutines have; Done is
// for whoever did not call them, and Err is nil after a clean end.
//
// # Why is it stuck
//
// Snapshot lists the streams that live: who waits for whom, since when, the
// credit and what has moved. Watch waits until one is stuck for a time and
// returns a StallError that names it. An Observer in the Options of many
// sessions counts how they end, every refusal and timeout among it, logs that
// to a slog.Logger, and shows counters and snapshots as an expvar.Var.
//
// # Reading order
//
// SPEC.md is the protocol. frame.go: frames as bytes. engine.go: one side of
// the protocol without I/O, goroutines or clock; then receive.go, incoming.go
// and items.go (the reader's half of a stream), outgoing.go (the writer's),
// pack.go, shutdown.go, window.go, budget.go, ping.go. session.go and loops.go put it to
// work on a connection, with keepalive.go as its clock and limits.go for its bounds. open.go, accept.go,
// ends.go, typed.go and serve.go are what the application holds; snapshot.go,
// watch.go and observer.go look on.
package mux
