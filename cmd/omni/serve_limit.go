package main

import (
	"net"
	"sync"
)

// limitedListener has a bounded number of connections: who comes then waits in
// the system's queue until one ends, which all do that say nothing.
type limitedListener struct {
	net.Listener
	slots chan struct{}
}

func newLimitedListener(l net.Listener, most int) *limitedListener {
	return &limitedListener{l, make(chan struct{}, most)}
}

// Accept implements net.Listener. Closing the listener ends it as soon as a
// connection has ended, if it waits for that.
func (l *limitedListener) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { <-l.slots })}, nil
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
