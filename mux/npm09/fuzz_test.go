package npm09

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// FuzzPeer: whatever a peer sends, a live session with an application neither
// panics nor hangs, and what it sends itself is well formed. A message is a
// length and that many bytes.
func FuzzPeer(f *testing.F) {
	add := func(msgs ...string) {
		var b []byte
		for _, m := range msgs {
			b = append(append(b, byte(len(m))), m...)
		}
		f.Add(b)
	}
	add(create(0, "m"), data(0, "x"), end(0), create(0, ""), end(0))
	add(create(0, ""), create(1, ""), end(1), terminate(0), request(0, 9), request(1, 255), "\x05control")
	add(create(0, ""), data(0, "a"), data(0, "b"), data(0, "c"), create(0, ""))
	add(request(0, 0), "\x00", "\x06\x00", "text")
	f.Fuzz(func(t *testing.T, in []byte) {
		synctest.Test(t, func(t *testing.T) {
			ca, cb := transport.Pair()
			s, err := New(ca, &Options{Options: mux.Options{Prefetch: 2, MaxItem: 100}, Control: 1000})
			must(t, err)
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			served := make(chan struct{})
			go func() { defer close(served); _ = s.Serve(ctx, echo) }()
			read := make(chan struct{})
			go func() {
				defer close(read)
				open := map[byte]bool{} // of the session's own streams
				for {
					msg, err := cb.Recv(context.Background())
					if err != nil {
						return
					}
					checkSent(t, open, msg)
				}
			}()
			for len(in) > 0 {
				n := min(int(in[0]), len(in)-1)
				if n > 0 && cb.Send(ctx, in[1:1+n]) != nil {
					break
				}
				in = in[1+n:]
				synctest.Wait()
			}
			cb.Close()
			<-s.Done()
			<-served
			<-read
		})
	})
}

// checkSent fails for what kills a peer of the package: a frame of no stream, an
// END twice, a REQUEST for nothing.
func checkSent(t *testing.T, open map[byte]bool, msg []byte) {
	k := byte(0)
	if len(msg) > 1 {
		k = msg[1]
	}
	switch ok := len(msg) >= 2; {
	case msg[0] == npmControl:
	case !ok || msg[0] > npmControl:
		t.Errorf("sent %x", msg)
	case msg[0] == npmCreate:
		open[k] = true // the peer may have terminated the one before
	case msg[0] == npmData, msg[0] == npmEnd:
		if !open[k] {
			t.Errorf("sent %x for a stream that does not live", msg)
		}
		open[k] = msg[0] == npmData
	case msg[0] == npmRequest && (len(msg) != 3 || msg[2] == 0):
		t.Errorf("sent %x", msg)
	}
}
