// Package npm09 lets a session speak with programs that use omnistreams 0.9.0
// of the npm registry, in a browser or in Node:
//
//	s, err := npm09.New(conn, nil)
//	...
//	c, err := s.Open(ctx, []byte(`{"name":"log"}`))
//
// s is a mux.Session in everything but what that protocol cannot say; with
// mux.Options{Dialect: npm09.Dialect} mux.New and mux.Serve make one as well.
// Which of the two protocols a peer speaks is for the program to know: it is
// not guessed.
//
// conn is a WebSocket without a subprotocol: transport.Dial or Listen with
// Options.NoSubprotocol. The package itself goes to port 9001 and the path
// /omnistreams. An answer is a stream of one's own, by convention with the
// metadata of what it answers: in.Session().Open(ctx, in.Metadata()).
//
// # On the wire
//
// A message of the WebSocket is one frame, without a length:
//
//	type u8, stream u8, the rest
//
//	0 CREATE     stream, metadata    opener     a new stream, one way
//	1 DATA       stream, item        opener     one item
//	2 END        stream              opener     complete
//	3 TERMINATE  stream              acceptor   no more, please
//	4 REQUEST    stream, n u8        acceptor   n more items
//	5 CONTROL    bytes               either     no stream: out of band
//
// Each side numbers the streams that it opens, 0 to 255, and uses a number
// again after END or TERMINATE, the one that has been free for longest first.
//
// # What is different
//
//   - A writer's Cancel closes the connection, with ErrCanceled as the
//     session's error: nothing else could tell the reader that what it got is
//     not all, and END would say that it is.
//   - Canceling a reader sends nothing. What still comes is dropped, no more
//     is asked for, and the stream is over when its END comes. TERMINATE is
//     not sent since a Node peer whose END is on its way dies of it;
//     Terminating is for who wants it nevertheless.
//   - The writer's Done closes when END is sent. There are no receipts.
//   - A stream of the peer gets its first credit from Accept, not before.
//   - A TERMINATE of the peer that crosses END ends, as in 0.9.0, the next
//     stream of that number. A REQUEST that does is allowed for.
//   - There are no calls: Call returns mux.ErrNoCalls. No reasons and no codes
//     either: a writer whose stream was terminated gets code 1.
//   - Open waits while 256 streams of this side are open.
//   - The peer learns no limits. An item over MaxItem, metadata over 16 KiB,
//     items that were not requested, a stream beyond those that wait for
//     Accept (4,096) end the session, and so does a REQUEST for 0 items: a
//     Node peer must ask for 1 to 255, since 0.9.0 sends n modulo 256.
//   - Ping answers itself, and a peer that vanished is noticed by the
//     transport or when it does not read, not by its silence.
//   - A connection that the peer closes between streams is a clean end. What came
//     with its END can then be accepted and read.
//   - In 0.9.0 an empty item and empty metadata arrive as undefined, and
//     metadata that is absent is the same as empty.
//
// # Reading order
//
// dialect.go is the state; encode.go translates what goes out, decode.go what
// comes in; terminate.go has TERMINATE, control.go the control messages, session.go the constructor.
package npm09
