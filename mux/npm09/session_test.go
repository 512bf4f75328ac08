package npm09

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// TestWriter: a stream of ours from its opening to its end, byte by byte.
func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.want("nothing is said before there is something to say")
		c := open(t, s, "about")
		p.want("the opening", create(0, "about"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantIs(t, "Write without credit", c.Write(ctx, []byte("x")), context.DeadlineExceeded)
		p.send(request(0, 2), request(0, 255))
		for range 257 {
			must(t, c.Write(t.Context(), []byte("x")))
		}
		synctest.Wait()
		p.mu.Lock()
		if n := len(p.got); n != 257 || p.got[256] != data(0, "x") {
			t.Fatalf("%d messages came, the last %q", n, p.got[n-1])
		}
		p.got = nil
		p.mu.Unlock()
		ctx2, cancel2 := context.WithTimeout(t.Context(), time.Second)
		defer cancel2()
		wantIs(t, "Write beyond credit", c.Write(ctx2, []byte("x")), context.DeadlineExceeded)
		must(t, c.End())
		p.want("the end needs no credit", end(0))
		<-c.Done()
		must(t, c.Err())
		p.send(request(0, 9), terminate(0)) // crossed the end
		p.want("which means nothing")
		must(t, s.Shutdown(t.Context()))
		<-p.done
	})
}

// TestReader: a stream of the peer, with credit in portions of a byte.
func TestReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, &Options{Options: mux.Options{Prefetch: -1, MaxItem: 1000}})
		p.send(create(7, "what"))
		in := accept(t, s)
		if string(in.Metadata()) != "what" || in.IsCall() {
			t.Fatalf("metadata %q, call %v", in.Metadata(), in.IsCall())
		}
		p.want("nothing is requested")
		in.Producer().Request(600)
		p.want("600 items", request(7, 255), request(7, 255), request(7, 90))
		p.send(data(7, "one"), data(7, ""), end(7))
		wantItem(t, in.Producer(), "one")
		wantItem(t, in.Producer(), "")
		if _, err := in.Producer().Next(t.Context()); err != io.EOF {
			t.Fatalf("got %v, want io.EOF", err)
		}
		p.want("an end is not answered")
		// The number is the peer's to use again, whatever we still hold.
		p.send(create(7, ""))
		in = accept(t, s)
		in.Producer().Request(1)
		p.want("the next one", request(7, 1))
		wantIs(t, "Reply", replyErr(in), mux.ErrNotCall)
	})
}

func replyErr(in *mux.Incoming) error {
	_, err := in.Reply(context.Background(), nil)
	return err
}

// TestPrefetch: what the session requests in a reader's name it requests when
// the stream is accepted.
func TestPrefetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, &Options{Options: mux.Options{Prefetch: 4}})
		p.send(create(0, ""))
		p.want("not before")
		in := accept(t, s)
		p.want("then", request(0, 4))
		p.send(data(0, "a"), data(0, "b"))
		wantItem(t, in.Producer(), "a")
		wantItem(t, in.Producer(), "b")
		p.want("half a window was taken", request(0, 2))
	})
}

// TestNumbers: 256 streams live at most, Open waits, and the number that has
// been free for longest is used first.
func TestNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		var cs []*omni.Consumer[[]byte]
		var want []string
		for k := range 256 {
			cs = append(cs, open(t, s, ""))
			want = append(want, create(uint8(k), ""))
		}
		p.want("all of them", want...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Open(ctx, nil)
		wantIs(t, "one more", err, context.DeadlineExceeded)
		must(t, cs[9].End())
		must(t, cs[3].End())
		p.want("two end", end(9), end(3))
		open(t, s, "")
		p.want("the first of them", create(9, ""))
		p.send(terminate(200))
		<-cs[200].Done()
		open(t, s, "")
		open(t, s, "")
		p.want("then the other, then the one that was terminated", create(3, ""), create(200, ""))
	})
}

// TestWriterCancels: nothing but the connection's end can say so.
func TestWriterCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		c, other := open(t, s, ""), open(t, s, "")
		p.want("open", create(0, ""), create(1, ""))
		c.Cancel(errors.New("no more"))
		<-p.done
		p.want("no END")
		<-s.Done()
		wantIs(t, "the session", s.Err(), ErrCanceled)
		wantIs(t, "another stream", other.Err(), ErrCanceled)
		wantIs(t, "another stream", other.Err(), mux.ErrSessionLost)
		_, err := s.Open(t.Context(), nil)
		wantIs(t, "Open", err, mux.ErrSessionLost)
	})
}

// TestReaderCancels: it drains, and the number is free when END has come.
func TestReaderCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, pure())
		p.send(create(0, ""))
		in := accept(t, s)
		in.Producer().Request(5)
		p.want("credit", request(0, 5))
		p.send(data(0, "x"))
		in.Producer().Cancel(nil)
		p.want("nothing is said")
		p.send(data(0, "y"), data(0, "z"))
		in.Producer().Request(9)
		p.want("and nothing asked")
		if st := s.Stats(); st.Accepted != 1 || st.ItemsDropped != 3 {
			t.Fatalf("%+v", st)
		}
		p.send(end(0), create(0, ""), end(0))
		if st := s.Stats(); st.Accepted != 1 {
			t.Fatalf("%+v", st)
		}
		if _, err := accept(t, s).Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
	})
}

// TestTerminate: only if it is asked for, once, and not behind an END that
// comes soon.
func TestTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, pure())
		p.send(create(0, ""), create(1, ""))
		a, b := accept(t, s), accept(t, s)
		Terminating(a.Producer()).Cancel(nil)
		Terminating(a.Producer()).Cancel(nil)
		wantIs(t, "the reader", a.Producer().Err(), omni.ErrCanceled)
		p.want("its END may be on the way")
		time.Sleep(grace)
		p.want("once", terminate(0))
		p.send(data(0, "on its way"), end(0)) // a peer that crossed it
		p.send(create(0, "again"))
		if in := accept(t, s); string(in.Metadata()) != "again" {
			t.Fatalf("%q", in.Metadata())
		}
		Terminating(b.Producer()).Cancel(nil)
		time.Sleep(grace / 2)
		p.send(end(1), create(1, ""), end(1))
		time.Sleep(grace)
		p.want("its END has come")
		if _, err := accept(t, s).Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		synctest.Wait() // it is let go
		if st := s.Stats(); st.Accepted != 1 {
			t.Fatalf("%+v", st)
		}
	})
}

// TestPeerTerminates: the writer learns it, and nothing follows.
func TestPeerTerminates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		c := open(t, s, "")
		p.want("open", create(0, ""))
		p.send(request(0, 1), terminate(0), terminate(0), request(0, 1))
		<-c.Done()
		var se *omni.StreamError
		if !errors.As(c.Err(), &se) || se.Code != omni.CodeCanceled || !se.Remote {
			t.Fatalf("got %v", c.Err())
		}
		if err := c.Write(t.Context(), []byte("x")); !errors.As(err, &se) {
			t.Fatalf("Write: %v", err)
		}
		p.want("no END")
	})
}

// TestHostile: whatever the peer does, the session ends with an error and the
// process lives.
func TestHostile(t *testing.T) {
	for name, msgs := range map[string][]string{
		"a type that there is not":     {"\x06\x00"},
		"text":                         {"hello"},
		"no stream":                    {"\x00"},
		"DATA without credit":          {create(1, ""), data(1, "x")},
		"DATA on no stream":            {data(9, "x")},
		"END on no stream":             {end(9)},
		"END twice":                    {create(1, ""), end(1), end(1)},
		"END with something behind it": {create(1, ""), end(1) + "x"},
		"CREATE twice":                 {create(1, ""), create(1, "")},
		"long metadata":                {create(1, string(make([]byte, 16<<10+1)))},
		"REQUEST 0":                    {request(0, 0)},
		"REQUEST without a count":      {frame(npmRequest, 0, "")},
		"REQUEST with two":             {frame(npmRequest, 0, "\x01\x01")},
		"REQUEST on no stream":         {request(9, 1)},
		"TERMINATE on no stream":       {terminate(9)},
		"TERMINATE with more":          {terminate(0) + "x"},
		"many control messages":        {"\x05a", "\x05b", "\x05c"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := meet(t, &Options{Options: mux.Options{Prefetch: -1}, Control: 130})
				c := open(t, s, "")
				p.want("open", create(0, ""))
				for _, msg := range msgs {
					_ = p.conn.Send(t.Context(), []byte(msg)) // it may be over already
				}
				<-s.Done()
				var se *omni.StreamError
				if !errors.As(s.Err(), &se) || se.Remote {
					t.Fatalf("the session ended with %v", s.Err())
				}
				wantIs(t, "a stream", c.Err(), mux.ErrSessionLost)
				<-p.done
			})
		})
	}
}

// TestLongItem: one over MaxItem ends the session.
func TestLongItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, &Options{Options: mux.Options{MaxItem: 10}})
		p.send(create(0, ""))
		in := accept(t, s)
		synctest.Wait() // it has asked for some
		p.send(data(0, "0123456789"))
		wantItem(t, in.Producer(), "0123456789")
		p.send(data(0, "0123456789x"))
		<-s.Done()
		wantIs(t, "the session", s.Err(), omni.ErrTooLarge)
	})
}

// TestControl: control messages go both ways, unread ones are bounded.
func TestControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, &Options{Control: 1000})
		must(t, s.WriteControl(t.Context(), []byte("hello")))
		must(t, s.WriteControl(t.Context(), nil))
		p.want("in order", "\x05hello", "\x05")
		p.send("\x05a", "\x05", "\x05c")
		for _, want := range []string{"a", "", "c"} {
			if msg, err := s.ReadControl(t.Context()); err != nil || string(msg) != want {
				t.Fatalf("got %q, %v, want %q", msg, err, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.ReadControl(ctx)
		wantIs(t, "ReadControl", err, context.DeadlineExceeded)
		p.send("\x05last")
		synctest.Wait()
		must(t, s.Close())
		if msg, err := s.ReadControl(t.Context()); err != nil || string(msg) != "last" {
			t.Fatalf("got %q, %v", msg, err)
		}
		_, err = s.ReadControl(t.Context())
		wantIs(t, "ReadControl", err, mux.ErrClosed)
		wantIs(t, "WriteControl", s.WriteControl(t.Context(), nil), mux.ErrClosed)
	})
}

// TestControlIsDropped: by default nobody reads them, and nothing piles up.
func TestControlIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		for range 10_000 {
			p.send("\x05nobody listens")
		}
		p.send(create(0, "x"))
		accept(t, s)
		if n := len(s.dialect.in); n != 0 {
			t.Fatalf("%d are kept", n)
		}
	})
}

// TestConnectionEnds: what has ended is complete, what has not is lost, and
// between streams it is how a peer leaves.
func TestConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, ""))
		in := accept(t, s)
		synctest.Wait() // it has asked for some
		p.send(data(0, "x"), end(0), create(0, "unseen"), end(0))
		p.conn.Close()
		<-s.Done()
		must(t, s.Err())
		_, err := s.Open(t.Context(), nil)
		wantIs(t, "Open", err, mux.ErrClosed)
		unseen := accept(t, s)
		_, err = s.Accept(t.Context())
		wantIs(t, "Accept", err, mux.ErrClosed)
		for _, want := range []struct {
			in   *mux.Incoming
			item string
		}{{in, "x"}, {unseen, ""}} {
			if want.item != "" {
				wantItem(t, want.in.Producer(), want.item)
			}
			if _, err := want.in.Producer().Next(t.Context()); err != io.EOF {
				t.Fatalf("got %v, want io.EOF", err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, ""))
		in := accept(t, s)
		synctest.Wait() // it has asked for some
		p.send(data(0, "x"))
		synctest.Wait()
		p.conn.Close()
		<-s.Done()
		if s.Err() == nil {
			t.Fatal("a stream was cut, and the session has no error")
		}
		wantItem(t, in.Producer(), "x")
		_, err := in.Producer().Next(t.Context())
		wantIs(t, "Next", err, mux.ErrSessionLost)
	})
}

// TestConnectionEndsWhileDraining: nobody waits for what does not come.
func TestConnectionEndsWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, ""))
		accept(t, s).Producer().Cancel(nil)
		synctest.Wait()
		p.conn.Close()
		<-s.Done()
		must(t, s.Err())
	})
}

// TestShutdown: what lives goes on to its end, what the peer opens meanwhile
// is not looked at.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, ""))
		in := accept(t, s)
		c := open(t, s, "")
		p.want("open", request(0, 64), create(0, ""))
		over := make(chan error, 1)
		go func() { over <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		p.send(create(1, "too late"), end(1), create(1, "too late"), data(1, "not asked for"))
		p.send(data(0, "x"), end(0))
		wantItem(t, in.Producer(), "x")
		if _, err := in.Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		p.want("the writer has not ended")
		must(t, c.End())
		must(t, <-over)
		p.want("now", end(0))
		<-p.done
		must(t, s.Err())
	})
}

// TestShutdownCuts: what still lives when ctx ends is named. A stream whose
// reader has canceled may never see its END, and nobody waits for that.
func TestShutdownCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(5, "m"), create(6, "canceled"))
		accept(t, s)
		accept(t, s).Producer().Cancel(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var cut *mux.CutError
		if err := s.Shutdown(ctx); !errors.As(err, &cut) || len(cut.Cut) == 0 {
			t.Fatalf("got %v", err)
		}
		<-p.done
	})
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send(create(0, "canceled"), create(1, "never accepted"))
		accept(t, s).Producer().Cancel(nil)
		must(t, s.Shutdown(t.Context()))
		<-p.done
	})
}

// TestManyUnaccepted: streams that nobody accepted take nothing, and are not
// without end.
func TestManyUnaccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		const many = 256 + 4096
		for i := range many {
			p.send(create(uint8(i), fmt.Sprint(i)), end(uint8(i)))
		}
		p.want("they are granted nothing")
		for i := range 300 {
			in := accept(t, s)
			if string(in.Metadata()) != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", in.Metadata(), i)
			}
			if _, err := in.Producer().Next(t.Context()); err != io.EOF {
				t.Fatal(err)
			}
			synctest.Wait() // it is let go
			p.send(create(uint8(i), fmt.Sprint(many+i)), end(uint8(i)))
		}
		p.send(create(0, ""))
		<-s.Done()
		wantIs(t, "one too many", s.Err(), omni.ErrNoCredit)
	})
}

// TestAcceptWaits: as many streams are handed out as there is memory for.
func TestAcceptWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, &Options{Options: mux.Options{MaxStreams: 2, Prefetch: -1}})
		p.send(create(0, ""), create(1, ""), create(2, ""), end(0))
		a, _ := accept(t, s), accept(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Accept(ctx)
		wantIs(t, "a third", err, context.DeadlineExceeded)
		got := make(chan error, 1)
		go func() {
			_, err := s.Accept(t.Context())
			got <- err
		}()
		synctest.Wait()
		if _, err := a.Producer().Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		must(t, <-got)
	})
}

// TestMemoryIsBounded: whatever is asked for, the items granted and not taken
// fit into the budget, each as long as it may be.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxItem, streams = 1000, 20
		opt := &Options{Options: mux.Options{MaxItem: maxItem, MaxStreams: streams, Budget: 100_000}}
		s, p := meet(t, opt)
		for k := range uint8(streams) {
			p.send(create(k, ""))
			accept(t, s).Producer().Request(1 << 30)
		}
		synctest.Wait()
		items := 0
		for _, msg := range p.got {
			items += int(msg[2])
		}
		if items < streams || items*(maxItem+64) > 100_000 {
			t.Fatalf("%d items of %d bytes are granted", items, maxItem)
		}
		p.got = nil
	})
}

// TestCalls: there are none.
func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		_, err := s.Call(t.Context(), nil)
		wantIs(t, "Call", err, mux.ErrNoCalls)
		p.want("nothing")
		d, err := s.Ping(t.Context())
		if err != nil || d != 0 {
			t.Fatal(d, err)
		}
	})
}

// TestSilence: there is no PING that such a peer could answer, so its silence
// means nothing.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		time.Sleep(time.Hour)
		p.send(create(0, "late"))
		if in := accept(t, s); string(in.Metadata()) != "late" {
			t.Fatalf("%q", in.Metadata())
		}
	})
}

// TestClose: at once, whoever waits learns it.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		c := open(t, s, "")
		began := time.Now()
		must(t, s.Close())
		if took := time.Since(began); took != 0 {
			t.Fatalf("Close took %v", took)
		}
		wantIs(t, "a stream", c.Err(), mux.ErrSessionLost)
		<-p.done
	})
}

// TestBudgetIsTooSmall: what is set aside must fit, each item with its charge.
func TestBudgetIsTooSmall(t *testing.T) {
	conn, _ := transport.Pair()
	if _, err := New(conn, &Options{Options: mux.Options{MaxItem: 4, MaxStreams: 250, Budget: 2000}}); err == nil || !strings.Contains(err.Error(), "Options.Budget") {
		t.Fatal(err)
	}
}

// TestOtherProtocol: a peer of version 1 is told apart.
func TestOtherProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meet(t, nil)
		p.send("\x00\x00\x00\x00\x00\x00\x00\x00\x15OMNI\x01")
		<-s.Done()
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "omni.1") {
			t.Fatal(err)
		}
	})
}
