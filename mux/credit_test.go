package mux

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
)

// TestC04RequestsThatSayNothingNew: equal and smaller totals change nothing.
func TestC04RequestsThatSayNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := newConfig(small())
		s, p := meet(t, cfg)
		p.next("HELLO")
		p.send(wHello(16, 4, 1, 16, ""))
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		must(t, c.Write(t.Context(), []byte("a")))
		p.want("one item on credit", wOpen(1, ""), wData(1, "a"))
		written := make(chan error, 1)
		go func() { written <- c.Write(t.Context(), []byte("b")) }()
		p.send(wRequest(1, 1, 16), wRequest(1, 0, 0), wRequest(1, 1, 1<<40), wRequest(1, 0, 1<<39))
		p.wantIdle("nothing was granted")
		p.send(wRequest(1, 2, 0))
		p.want("now it was", wData(1, "b"))
		must(t, <-written)
		p.send(wRequest(1, 3, 0), wRequest(1, 2, 1<<53-1))
		must(t, c.Write(t.Context(), []byte("c")))
		p.want("a smaller total takes nothing back", wData(1, "c"))
	})
}

// TestC07CreditForTheDying: a REQUEST that crosses END means nothing, and one
// for a dead stream is a protocol error.
func TestC07CreditForTheDying(t *testing.T) {
	eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
		s, p := meet(small())
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		must(t, c.End())
		p.want("open and end", wOpen(1, ""), wEnd(1))
		p.send(wRequest(1, 1<<40, 1<<40))
		p.wantIdle("it crossed")
		p.send(wClose(1, 0, ""))
		<-c.Done()
		must(t, c.Err())
		if st := s.Stats(); st.Opened != 0 {
			t.Fatalf("%d streams live", st.Opened)
		}
		p.send(wRequest(1, 1<<41, 1<<41))
		p.wantFail("it is dead", 2)
	})
}

// TestC11StreamsComeAndGo: streams that end in every way at every phase give
// all slots and the whole budget back, on both sides.
func TestC11StreamsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &Options{MaxStreams: 3})
		noErr[time.Duration](t)(a.Ping(t.Context()))
		fresh := a.Stats()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.Serve(ctx, func(ctx context.Context, in *Incoming) error {
			n := int(in.Metadata()[0])
			if n%7 == 0 {
				in.Refuse("no")
				return nil
			}
			in.Producer().Request(uint32(n) * 100) // lends windows
			if in.IsCall() && n%3 > 0 {
				c, err := in.Reply(ctx, nil)
				if err != nil {
					return err
				}
				defer c.End()
				if err := c.Write(ctx, make([]byte, n)); n%5 == 0 {
					return err
				}
			}
			for range n % 11 {
				if _, err := in.Producer().Next(ctx); err != nil {
					return nil
				}
			}
			return nil
		})
		for i := range 3000 {
			n := i % 231
			meta := []byte{byte(n)}
			var c *omni.Consumer[[]byte]
			if i%2 == 0 {
				c = noErr[*omni.Consumer[[]byte]](t)(a.Open(ctx, meta))
			} else {
				d := noErr[*Duplex[[]byte, []byte]](t)(a.Call(ctx, meta))
				c = d.Out
				d.In.Request(1000)
				if i%4 == 1 {
					d.In.Cancel(nil)
				} else {
					go omni.Collect(ctx, d.In)
				}
			}
			for range n % 13 {
				if c.Write(ctx, []byte("item")) != nil {
					break
				}
			}
			if i%3 == 0 {
				c.Cancel(nil)
			} else {
				c.End()
			}
		}
		synctest.Wait()
		for _, s := range []*Session{a, b} {
			st := s.Stats()
			if st.Opened != 0 || st.Accepted != 0 || st.AnswersFree != fresh.AnswersFree || st.WindowsFree != fresh.WindowsFree {
				t.Fatalf("after all have gone: %+v, fresh was %+v", st, fresh)
			}
			if s.e.ownSlots != 0 || s.e.theirSlots != 0 {
				t.Fatalf("slots are taken: %d of ours, %d of theirs", s.e.ownSlots, s.e.theirSlots)
			}
		}
	})
}

// TestC11RefusedCallsGiveWindowsBack: a caller who asked for much and was
// refused need not look at the answer for its window to be free again.
func TestC11RefusedCallsGiveWindowsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, &Options{Prefetch: -1})
		fresh := s.Stats()
		for i := range uint32(50) {
			d := noErr[*Duplex[[]byte, []byte]](t)(s.Call(t.Context(), nil))
			d.In.Request(1000)
			p.want("call", wCall(i+1, ""))
			p.send(wClose(i+1, 5, "no"))
			<-d.Out.Done()
			p.want("it stops", wFail(i+1, 5, ""))
		}
		if st := s.Stats(); st.WindowsFree != fresh.WindowsFree || st.AnswersFree != fresh.AnswersFree {
			t.Fatalf("fresh %+v, now %+v", fresh, st)
		}
	})
}

// TestC13NoCredit: a writer without credit honours its ctx, and nothing was
// sent.
func TestC13NoCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := newConfig(small())
		s, p := meet(t, cfg)
		p.next("HELLO")
		p.send(wHello(16, 4, 0, 0, ""))
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		wantIs(t, "Write", c.Write(ctx, []byte("x")), context.DeadlineExceeded)
		if took := time.Since(started); took != time.Second {
			t.Fatalf("Write took %v", took)
		}
		p.want("nothing but", wOpen(1, ""))
		p.wantIdle("the item")
		p.send(wRequest(1, 1, 16))
		must(t, c.Write(t.Context(), []byte("y")))
		p.want("the stream goes on", wData(1, "y"))
	})
}

// TestC14BothWrite: both sides write as fast as they can over a transport
// without any room, and neither waits for the other for ever.
func TestC14BothWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := net2()
		sides := []*Session{start(t, ca, nil), start(t, cb, nil)}
		done := make(chan int)
		for _, s := range sides {
			go func() {
				c, err := s.Open(t.Context(), nil)
				if err != nil {
					t.Error(err)
				}
				for range 200 {
					if err := c.Write(t.Context(), make([]byte, 10_000)); err != nil {
						t.Error(err)
					}
				}
				c.End()
				done <- 0
			}()
			go func() {
				all, err := omni.Collect(t.Context(), accept(t, s).Producer())
				if err != nil {
					t.Error(err)
				}
				done <- len(all)
			}()
		}
		sum := 0
		for range 4 {
			sum += <-done
		}
		if sum != 400 {
			t.Fatalf("%d items", sum)
		}
	})
}

// TestCallWaitsForBudget: a call waits for its answer's share, goes on when
// another is over, and fails with the session.
func TestCallWaitsForBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := small()
		opt.MaxStreams, opt.Budget = -1, 1100 // shares for two answers
		s, p := meetOpt(t, opt)
		for i := range uint32(2) {
			noErr[*Duplex[[]byte, []byte]](t)(s.Call(t.Context(), nil))
			p.want("there is room", wCall(i+1, ""))
		}
		called := make(chan error, 1)
		call := func() {
			_, err := s.Call(t.Context(), nil)
			called <- err
		}
		go call()
		p.wantIdle("the third waits")
		if _, err := s.Open(t.Context(), nil); err != nil {
			t.Fatalf("a stream without an answer does not: %v", err)
		}
		p.want("one way", wOpen(3, ""))
		p.send(wClose(1, 5, "no"))
		p.want("one is over, another begins", wFail(1, 5, ""), wCall(4, ""))
		must(t, <-called)
		go call()
		p.wantIdle("the next waits")
		go s.Close()
		if err := <-called; err != ErrClosed {
			t.Fatalf("Call returns %v", err)
		}
	})
}
