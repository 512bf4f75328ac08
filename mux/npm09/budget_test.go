package npm09

import (
	"testing"
	"testing/synctest"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// TestOneGrowsOthersLive: a stream that is read fast takes a part of the budget,
// not all of it.
func TestOneGrowsOthersLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		granted := func() (n [256]int) {
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, m := range p.got {
				if m[0] == npmRequest {
					n[m[1]] += int(m[2])
				}
			}
			p.got = nil
			return n
		}
		p.send(create(0, ""))
		in := accept(t, s)
		credit, left := 0, 150_000
		for range 40 { // small items, read as they come
			done := make(chan bool)
			credit += granted()[0]
			n := min(credit, left)
			go func() {
				for range n {
					in.Producer().Next(t.Context())
				}
				close(done)
			}()
			synctest.Wait() // it finds none
			for range n {
				p.send(data(0, "x"))
			}
			<-done
			credit, left = credit-n, left-n
		}
		granted()
		for k := 1; k < 9; k++ {
			p.send(create(uint8(k), ""))
			accept(t, s)
			if n := granted()[k]; n < 16 {
				t.Errorf("stream %d is granted %d items, since another grew", k, n)
			}
		}
	})
}

// order sees in which order a Dialect is called.
type order struct {
	mux.Dialect
	t        *testing.T
	attached bool
}

func (o *order) Attach(w func()) { o.attached = true; o.Dialect.Attach(w) }
func (o *order) Encode(m [][]byte, f []byte) ([][]byte, []byte, error) {
	if !o.attached {
		o.t.Error("Encode before Attach")
	}
	return o.Dialect.Encode(m, f)
}

// TestAttachComesFirst: a Dialect is told how to wake its session before all
// else.
func TestAttachComesFirst(t *testing.T) {
	a, b := transport.Pair()
	defer b.Close()
	s, err := mux.New(a, &mux.Options{Dialect: func() mux.Dialect { return &order{Dialect: Dialect(), t: t} }})
	must(t, err)
	s.Close()
}
