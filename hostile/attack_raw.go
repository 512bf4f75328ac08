package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"net"
	"time"
)

// cutFrames closes the connection after 1 byte, 2 bytes and so on, up to all
// but one. No stream is ever complete.
func cutFrames(r *run) error {
	w := r.victim.wire()
	var stream [][]byte
	if _, ours := w.(*oursWire); ours {
		stream = [][]byte{w.preface(), w.ask(1)} // an OPEN that is short
	} else {
		stream = [][]byte{w.open(1)}
	}
	stream = append(stream, w.data(1, []byte("o234567")), w.data(1, []byte("89")), w.end(1))
	whole := bytes.Join(stream, nil)
	for n := 1; n < len(whole); n++ {
		if err := r.once(whole[:n], time.Millisecond); err != nil {
			return err
		}
	}
	r.sessions = len(whole) - 1
	return nil
}

// crashInputs ends each session as well, so that the victim does not wait for
// a length that never comes. The random bytes are the same in every run.
func crashInputs(r *run) error {
	inputs := r.victim.wire().crash()
	random := rand.New(rand.NewSource(1))
	for range 200 {
		b := make([]byte, 1+random.Intn(200))
		random.Read(b)
		inputs = append(inputs, b, append(r.victim.wire().preface(), b...))
	}
	start := time.Now()
	for i, b := range inputs {
		if time.Since(start) > 4*r.duration {
			r.note = fmt.Sprintf("stopped after %d of %d", i, len(inputs))
			return nil
		}
		if err := r.once(b, 0); err != nil {
			return nil // nobody listens any more: the process says why
		}
		r.sessions++
	}
	return nil
}

// once sends b on a connection of its own, ends it after a pause in which the
// application may accept what came, and waits a moment until the victim has
// ended it too.
func (r *run) once(b []byte, pause time.Duration) error {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(b); err != nil {
		return nil // the victim was quicker
	}
	time.Sleep(pause)
	c.(*net.TCPConn).CloseWrite()
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for buf := make([]byte, 4096); err == nil; {
		_, err = c.Read(buf)
	}
	return nil
}
