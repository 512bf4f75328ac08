// Package wire measures streams over connections: this project's mux beside
// what one would use instead, over TCP, net.Pipe, Unix sockets and WebSocket.
//
//	             open, send, closeSend             accept, recv
//	workload --> conn  ------------ muxer == link == muxer ------------> conn
//
// A peer makes the two muxers of a session over a link; a workload opens
// streams and sends. So everyone does the same work, which each reader checks:
// as many messages as were sent, whole, in order, and then the end.
//
// Each peer is one small file that names its source and says which of its
// settings are not the defaults, and why. What is a byte stream carries a
// message behind its length, once written at once and once batched by hand.
//
// None was refused by the module proxy.
package wire
