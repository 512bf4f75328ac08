package jsgi_test

import (
	"testing"
	"testing/synctest"

	"omnistreams.dev/adapters/jsgi"
)

// The statements S01 to S39 about an evented stream, in their order; doc.go has
// the table. A turn is a func on the stream's queue, and script.turn fails if
// anything is fired inside it.

func TestS01WriteOnIdleIsTrueAndDeferred(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() { x.write(1, true) })
		x.want("data 1")
	})
}

// The same for a writer on a goroutine of its own: it holds what the listener
// takes, so an event inside Write, Close or Resume would never come to an end.
func TestS01NothingIsFiredInsideACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		enter := func() { turn <- struct{}{}; <-turn }
		s := jsgi.NewStream[int](nil)
		ended := false
		s.AddListener(jsgi.Listener[int]{
			Data: func(int) { enter() }, Drain: enter, Pause: enter, Resume: enter,
			End: func() { enter(); ended = true },
		})
		for _, call := range []func(){
			func() { s.Write(1) }, func() { s.Write(2) }, s.Pause, func() { s.Write(3) }, s.Resume, s.Close,
		} {
			turn <- struct{}{}
			call()
			<-turn
		}
		synctest.Wait()
		if !ended {
			t.Error("no end")
		}
	})
}

func TestS02SecondWriteIsFalseOrderIsKept(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.write(3, false)
		})
		x.want("data 1, data 2, data 3, drain")
	})
}

func TestS03DrainWhenTheBufferEmpties(t *testing.T) {
	run(t, func(x *script) {
		// What went on at once never was in the buffer.
		x.turn(func() { x.write(1, true) })
		x.turn(func() { x.write(2, true) })
		x.want("data 1, data 2")
		// A pause after it changes nothing about that.
		x.turn(func() {
			x.s.Pause()
			x.write(3, false)
		})
		x.want("data 1, data 2, pause")
		x.turn(x.s.Resume)
		x.want("data 1, data 2, pause, resume, data 3, drain")
	})
}

func TestS04OneEventATurn(t *testing.T) {
	run(t, func(x *script) {
		// Each event asks for a turn, which runs before the next event.
		x.on = func(event string) {
			if event != "turn" {
				x.q.Go(func() { x.log = append(x.log, "turn") })
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.s.Close()
		})
		x.want("data 1, turn, data 2, turn, drain, turn, end, turn")
	})
}

func TestS05WriteWhilePausedIsFalse(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.s.Pause()
			x.write(1, false)
		})
		x.want("pause")
	})
}

func TestS06ResumeFiresInOrderThenDrain(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.s.Pause()
			x.write(1, false)
			x.write(2, false)
		})
		x.turn(x.s.Resume)
		x.want("pause, resume, data 1, data 2, drain")
	})
}

func TestS07PauseAndResumeEventsAreDeferred(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.s.Pause()
			x.s.Resume()
			x.s.Pause()
		})
		x.want("pause, resume, pause")
	})
}

func TestS08StateChangesBeforeTheEvent(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			switch event {
			case "pause":
				x.write(1, false)
			case "drain":
				x.on = nil
			}
		}
		x.turn(x.s.Pause)
		x.turn(x.s.Resume)
		x.want("pause, resume, data 1, drain")
		x.turn(x.s.Pause)
		x.on = func(event string) {
			if event == "resume" {
				x.write(2, true)
			}
		}
		x.turn(x.s.Resume)
		x.want("pause, resume, data 1, drain, pause, resume, data 2")
	})
}

func TestS09TrueIsKeptWhenPauseFollows(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.s.Pause()
		})
		x.want("pause, data 1")
		x.turn(x.s.Resume)
		x.want("pause, data 1, resume, data 2, drain")
	})
}

func TestS10PauseInADataListener(t *testing.T) {
	run(t, func(x *script) {
		x.on = func(event string) {
			if event == "data 2" {
				x.s.Pause()
			}
		}
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.write(3, false)
		})
		x.want("data 1, data 2, pause")
		x.turn(x.s.Resume)
		x.want("data 1, data 2, pause, resume, data 3, drain")
	})
}

func TestS11EventsForChangesOnly(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.s.Pause()
			x.s.Pause()
		})
		x.want("pause")
		x.turn(func() {
			x.s.Resume() // one is enough: pauses do not nest
			x.s.Resume()
			x.write(1, true)
		})
		x.want("pause, resume, data 1")
	})
}

func TestS12EndIsDeferred(t *testing.T) {
	run(t, func(x *script) {
		x.turn(x.s.Close)
		x.want("end")
	})
}

func TestS13DataThenDrainThenEnd(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.write(2, false)
			x.s.Close()
		})
		x.want("data 1, data 2, drain, end")
	})
}

func TestS14WriteAfterCloseFailsAtOnce(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.write(1, true)
			x.s.Close()
			if on, err := x.s.Write(2); on || err != jsgi.ErrClosed {
				t.Errorf("Write after Close = %v, %v", on, err)
			}
		})
		x.want("data 1, end")
	})
}

func TestS15CloseWhilePausedAndEmpty(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.s.Pause()
			x.s.Close()
		})
		x.want("pause, end")
	})
}

func TestS16CloseWhilePausedWithData(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.s.Pause()
			x.write(1, false)
			x.write(2, false)
			x.s.Close()
		})
		x.want("pause")
		x.turn(x.s.Resume)
		x.want("pause, resume, data 1, data 2, drain, end")
	})
}

func TestS17CloseAfterEnd(t *testing.T) {
	run(t, func(x *script) {
		x.turn(x.s.Close)
		x.turn(x.s.Close)
		x.want("end")
	})
}

func TestS18TwoClosesInOneTurn(t *testing.T) {
	run(t, func(x *script) {
		x.turn(func() {
			x.s.Close()
			x.s.Close()
		})
		x.want("end")
	})
}

func TestS19PauseAndResumeAfterEnd(t *testing.T) {
	run(t, func(x *script) {
		x.turn(x.s.Close)
		x.turn(func() {
			x.s.Pause()
			x.s.Resume()
		})
		x.want("end")
	})
}
