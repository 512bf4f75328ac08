// Package nettest holds tests only: that a call is a net.Conn by the suite of
// golang.org/x/net/nettest, and that net/http serves and is served over a
// session, on every transport. It is a module of its own, so that whoever
// uses the adapters does not depend on golang.org/x/net.
package nettest
