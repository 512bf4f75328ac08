package nettest

import (
	"context"
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"omnistreams.dev/adapters"
	"omnistreams.dev/adapters/internal/wires"
	"omnistreams.dev/omni"
)

// A01: the suite on a call over every transport, with the caller as the first
// end and as the second.
func TestA01Conn(t *testing.T) {
	for _, w := range wires.All() {
		t.Run(w.Name, func(t *testing.T) {
			a, b := w.Sessions(t, nil)
			l := adapters.NewListener(b)
			pipe := func() (caller, acceptor net.Conn, stop func(), err error) {
				caller, err = adapters.DialConn(context.Background(), a, nil)
				if err != nil {
					return nil, nil, nil, err
				}
				if acceptor, err = l.Accept(); err != nil {
					return nil, nil, nil, err
				}
				return caller, acceptor, func() {
					// The suite has closed them, or not.
					_ = caller.Close()
					_ = acceptor.Close()
				}, nil
			}
			t.Run("caller", func(t *testing.T) { nettest.TestConn(t, pipe) })
			t.Run("acceptor", func(t *testing.T) {
				nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
					c1, c2, stop, err := pipe()
					return c2, c1, stop, err
				})
			})
			// All calls are over: nothing is cut.
			if err := a.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

// The same on two streams inside the process, with small items too.
func TestA01ConnInProcess(t *testing.T) {
	for name, size := range map[string]int{"default": 0, "small items": 7} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				p1, c1 := omni.NewStream[[]byte](nil)
				p2, c2 := omni.NewStream[[]byte](nil)
				opt := &adapters.ConnOptions{ItemSize: size}
				a, b := adapters.NewConn(p1, c2, opt), adapters.NewConn(p2, c1, opt)
				return a, b, func() {
					_ = a.Close() // closed already, or not
					_ = b.Close()
				}, nil
			})
		})
	}
}
