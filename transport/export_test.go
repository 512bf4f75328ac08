package transport

import "time"

// SetHandshakeTimeout is for TestMain.
func SetHandshakeTimeout(d time.Duration) { handshakeTimeout = d }

// Kill drops the connection as Close does when the peer is silent.
func (c *wsConn[T, S]) Kill() { c.kill() }
