package jsgi_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"

	"omnistreams.dev/adapters/jsgi"
)

func TestS20CloseInADrainListener(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "drain" {
				x.s.Close()
				x.log = append(x.log, "closed")
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
		})
		x.want("data 1, data 2, drain, closed, end")
	})
}

func TestS21WriteAndCloseInADrainListener(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "drain" {
				x.on = nil
				x.write(3, true)
				x.write(4, false)
				x.s.Close()
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
		})
		x.want("data 1, data 2, drain, data 3, data 4, drain, end")
	})
}

func TestS22APromisedDrainComes(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "data 2" { // the buffer is empty, and a drain is owed
				x.write(3, false)
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
		})
		x.want("data 1, data 2, data 3, drain")
	})
}

func TestS23WriteInADataListener(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "data 1" {
				x.write(2, false)
				x.log = append(x.log, "written")
			}
		}
		x.turn(func() { x.write(1, true) })
		x.want("data 1, written, data 2, drain")
	})
}

func TestS24SeveralListeners(t *testing.T) {
	run(t, func(x *script) {
		x.s.AddListener(x.listener("b "))
		remove := x.s.AddListener(x.listener("c "))
		x.on = func(event string) {
			if event == "data 1" {
				x.s.Pause() // does not hide the item from the others
			}
		}
		x.turn(func() { x.write(1, true) })
		x.want("data 1, b data 1, c data 1, pause, b pause, c pause")
		remove()
		x.log = nil
		x.turn(x.s.Resume)
		x.turn(func() { x.write(2, true) })
		x.turn(x.s.Close)
		x.want("resume, b resume, data 2, b data 2, end, b end")
	})
}

func TestS25ItemsWaitForAListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &script{t: t, q: &jsgi.Queue{}}
		x.s = jsgi.NewStream[int](&jsgi.Options{Queue: x.q})
		x.turn(func() { x.write(1, false) })
		x.turn(func() { x.write(2, false) })
		x.turn(x.s.Close)
		x.want("")
		x.turn(func() { x.s.AddListener(x.listener("")) })
		x.want("data 1, data 2, drain, end")
		// Who comes after the end is told so, and nobody else again.
		x.turn(func() { x.s.AddListener(x.listener("late ")) })
		x.want("data 1, data 2, drain, end, late end")
	})
}

func TestS26ChunksAreTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jsgi.NewStream[[]byte](nil)
		var got []byte
		s.AddListener(jsgi.Listener[[]byte]{Data: func(b []byte) { got = b }})
		sent := []byte{0xff, 0, 0x80} // no text in any encoding
		s.Write(sent)
		synctest.Wait()
		if len(got) != 3 || &got[0] != &sent[0] {
			t.Errorf("got %v, not what was written", got)
		}
	})
}

func TestS27EveryValuePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jsgi.NewStream[any](nil)
		var log []string
		s.AddListener(jsgi.Listener[any]{Data: func(v any) { log = append(log, fmt.Sprintf("%#v", v)) }})
		for _, v := range []any{nil, 0, false, "", []byte(nil), (*int)(nil)} {
			s.Write(v)
		}
		synctest.Wait()
		wantLog(t, log, `<nil>, 0, false, "", []byte(nil), (*int)(nil)`)
	})
}

func TestS28PauseAndResumeInOneTurn(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.s.Pause()
			x.write(3, false)
			x.s.Resume()
			x.write(4, false)
		})
		x.want("pause, resume, data 1, data 2, data 3, data 4, drain")
	})
}

func TestS29PauseInADrainListener(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "drain" {
				x.s.Pause()
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.s.Close()
		})
		x.want("data 1, data 2, drain, pause, end")
	})
}

// A listener that panics ends the process, as any goroutine does; so it is
// tried in another one.
func TestS30APanicIsNotSwallowed(t *testing.T) {
	if os.Getenv("JSGI_TEST_PANIC") != "" {
		s := jsgi.NewStream[int](nil)
		s.AddListener(jsgi.Listener[int]{Data: func(int) { panic("the listener's own words") }})
		s.Write(1)
		select {} // the panic ends this
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestS30")
	cmd.Env = append(os.Environ(), "JSGI_TEST_PANIC=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the listener's own words") {
		t.Errorf("the process lives on: %v\n%s", err, out)
	}
}

func TestS31OneDrainAPeriod(t *testing.T) {
	run(t, func(x *script) {
		for range 2 {
			x.log = nil
			x.turn(func() {
				x.write(1, true)
				x.write(2, false)
				x.write(3, false)
			})
			x.want("data 1, data 2, data 3, drain")
		}
	})
}

func TestS32WriteInADrainListener(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "drain" {
				x.on = nil
				x.write(3, true)
				x.log = append(x.log, "written")
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
		})
		x.want("data 1, data 2, drain, written, data 3")
	})
}

func TestS33TheBufferHasABound(t *testing.T) {
	for _, c := range []struct{ buffer, want int }{{0, jsgi.DefaultBuffer}, {1, 1}, {-1, 1}, {100000, 100000}} {
		synctest.Test(t, func(t *testing.T) {
			s := jsgi.NewStream[int](&jsgi.Options{Buffer: c.buffer})
			for i := range c.want {
				if _, err := s.Write(i); err != nil {
					t.Fatalf("Buffer %d: item %d: %v", c.buffer, i, err)
				}
			}
			on, err := s.Write(-1)
			wantErr(t, err, jsgi.ErrFull)
			if on {
				t.Error("true")
			}
			// Nothing is lost of what was taken, and nothing else is there.
			next := 0
			s.AddListener(jsgi.Listener[int]{Data: func(v int) {
				if v != next {
					t.Errorf("got %d, want %d", v, next)
				}
				next++
			}})
			synctest.Wait()
			if next != c.want {
				t.Errorf("Buffer %d: got %d items, want %d", c.buffer, next, c.want)
			}
		})
	}
}

func TestS34StreamsOfAQueueTakeTurns(t *testing.T) {
	run(t, func(x *script) {
		other := jsgi.NewStream[int](&jsgi.Options{Queue: x.q})
		other.AddListener(x.listener("b "))
		x.turn(func() {
			for i := 1; i <= 3; i++ {
				x.s.Write(i)
				other.Write(i)
			}
		})
		x.want("data 1, b data 1, data 2, b data 2, data 3, b data 3, drain, b drain")
	})
}

func TestS35AChainKeepsOrderAndEndsOnce(t *testing.T) {
	const n = 1000
	run(t, func(x *script) {
		first := jsgi.NewStream[int](&jsgi.Options{Queue: x.q})
		second := jsgi.NewStream[int](nil) // with a queue of its own
		jsgi.Pump(first, second)
		jsgi.Pump(second, x.s)
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint("data ", i))
			must(t, first.Ready(bg))
			first.Write(i)
		}
		first.Close()
		synctest.Wait()
		var got []string
		for _, event := range x.log {
			if event != "drain" && event != "pause" && event != "resume" {
				got = append(got, event)
			}
		}
		wantLog(t, got, strings.Join(append(want, "end"), ", "))
	})
}

func TestS37WriteBetweenTheLastDataAndDrain(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "data 2" {
				x.on = nil
				x.q.Go(func() { x.write(3, false) }) // before the drain's turn
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
		})
		x.want("data 1, data 2, data 3, drain")
	})
}

func TestS38ResumeOfWhatIsNotPaused(t *testing.T) {
	run(t, func(x *script) {
		x.turn(x.s.Resume)
		x.want("")
		x.turn(func() { x.write(1, true) })
		x.want("data 1")
	})
}

func TestS39WriteInAnEndListener(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "end" {
				if _, err := x.s.Write(1); err != jsgi.ErrClosed {
					t.Errorf("error %v", err)
				}
			}
		}
		x.turn(x.s.Close)
		x.want("end")
	})
}
