package main

import (
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/mux"
	"omnistreams.dev/transport"
)

// TestExplainByItself: what is held up for ten seconds is told once, and again
// if it moved in between.
func TestExplainByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connection{explain: true}
		ca, cb := transport.Pair()
		a, err := mux.New(ca, &mux.Options{Observer: &c.observer})
		if err != nil {
			t.Fatal(err)
		}
		b, err := mux.New(cb, nil)
		if err != nil {
			t.Fatal(err)
		}
		said := newTranscript()
		out := &output{text: said}
		over, asked := make(chan struct{}), make(chan os.Signal)
		var explaining sync.WaitGroup
		explaining.Go(func() { c.explainUntil(over, asked, out) })
		w, err := a.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		in, err := b.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for w.Write(t.Context(), []byte("x")) == nil {
			}
		}()
		for want, pause := range []time.Duration{5 * time.Second, 10 * time.Second, time.Minute} {
			time.Sleep(pause)
			synctest.Wait()
			if got := strings.Count(said.String(), "our one-way 1"); got != min(want, 1) {
				t.Fatalf("said %d times:\n%s", got, said)
			}
		}
		for range 64 { // a window
			if _, err := in.Producer().Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if got := strings.Count(said.String(), "our one-way 1"); got != 2 {
			t.Fatalf("said %d times:\n%s", got, said)
		}
		close(over)
		explaining.Wait()
		a.Close()
		b.Close()
	})
}
