// Package transport carries messages between two parties: goroutines, processes or machines.
// You send and receive whole messages; the transport keeps them whole, in order and complete.
//
//	            one goroutine sends      one receives
//	                     │                    ▲
//	                   Send                 Recv            Conn
//	                     ▼                    │
//	Pair()          Go channels, inside the process
//	Frame(rwc)      4-byte length + message, on any byte stream
//	Dial, Listen    tcp tls unix stdio      the same, by URL
//	                ws wss                  one binary WebSocket message each
//	FromWebSocket   a connection of a WebSocket library
//
// A server and a client on any of them:
//
//	l, err := transport.Listen(ctx, "ws://localhost:8080/omni", nil)
//	...
//	conn, err := l.Accept(ctx)
//
//	conn, err := transport.Dial(ctx, "ws://localhost:8080/omni", nil)
//	...
//	err = conn.Send(ctx, []byte("hello"))
//	msg, err := conn.Recv(ctx)
//
// # Guarantees
//
// A message arrives as it was sent or not at all. Memory for a message is taken as its bytes come,
// never because a peer announced them, up to a limit. An end between two messages is io.EOF; an end
// anywhere else is another error. Close takes a second at most, whatever the peer does.
//
// No Conn has a goroutine of its own, with two exceptions: the WebSocket library runs one for each
// connection, which Close joins; and standard input and output may be files on which the system
// cannot interrupt a call. Those calls are made on a goroutine, at most one for each of the two,
// and such a one outlives Close until its call returns.
//
// What the bytes mean is not this package's business: see package mux. Whoever writes another
// transport tests it with package transporttest.
package transport
