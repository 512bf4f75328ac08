// Package transporttest checks that a [transport.Conn] keeps its contract.
//
// Whoever writes a transport of their own runs it on a pair of connected ends:
//
//	func TestMyTransport(t *testing.T) {
//		transporttest.TestConn(t, func(t *testing.T) (a, b transport.Conn) { return myPair(t) })
//	}
package transporttest
