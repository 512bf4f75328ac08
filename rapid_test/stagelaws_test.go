package laws

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"omnistreams.dev/omni"
	"pgregory.net/rapid"
)

// A stage asks upstream for what it is asked for: exactly, where its items are
// its input's, and never for more than its documentation says.
func TestL1StagesAskExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTrial(t, io.EOF)
		steps := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 10).Draw(t, "steps")
		wrong := ""
		x.run(t, func() {
			defer x.p.Cancel(nil)
			for _, n := range steps {
				if n == 0 {
					if !x.next() {
						return
					}
				} else {
					x.p.Request(uint32(n))
					x.asked += n
				}
				if wrong = x.demand(); wrong != "" {
					return
				}
			}
		})
		if wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// What comes out is what should, in order, and nothing is lost or made up.
func TestL2StagesKeepOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTrial(t, io.EOF)
		most := rapid.IntRange(0, 40).Draw(t, "most")
		x.run(t, func() {
			for len(x.got) < most && x.next() {
			}
			x.p.Cancel(nil)
		})
		if wrong := x.prefix(x.err == io.EOF); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// The end of the input is the stage's end, an error is its error, after all
// that came before; and that does not change.
func TestL3StagesEndOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fails := rapid.SampledFrom([]error{io.EOF, errUpstream}).Draw(t, "end")
		x := drawTrial(t, fails)
		x.run(t, func() {
			for x.next() {
			}
			before := x.p.Err()
			x.p.Cancel(errors.New("too late"))
			if _, err := x.p.Next(t.Context()); err != x.err || x.p.Err() != before {
				t.Errorf("%s ended with %v, later with %v", x.law.name, x.err, err)
			}
			if (x.err == io.EOF) != (before == nil) || x.err != io.EOF && before != x.err {
				t.Errorf("%s: Next says %v and Err %v", x.law.name, x.err, before)
			}
			select {
			case <-x.p.Done():
			default:
				t.Errorf("%s: Done is open after the end", x.law.name)
			}
		})
		short := x.law.early && len(x.got) == x.n // it had enough
		if x.err != fails && !short {
			t.Fatalf("%s: the input ended with %v, the stage with %v", x.law.name, fails, x.err)
		}
		// An error may overtake what runs ahead or beside it, but no more.
		if wrong := x.prefix(fails == io.EOF || short || !x.law.anyOrder && x.law.inputs == 1); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// Canceling a stage, and the end of its ctx, cancel every input with the
// cause, and nothing goes on: a goroutine that stays fails the bubble.
func TestL5StagesCancel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTrial(t, io.EOF)
		takes := rapid.IntRange(0, 5).Draw(t, "takes")
		byCtx := rapid.Bool().Draw(t, "by ctx")
		cause := &omni.StreamError{Code: 300, Reason: "enough"}
		x.run(t, func() {
			for range takes {
				if !x.next() {
					return
				}
			}
			if byCtx {
				x.cancel(cause)
			} else {
				x.p.Cancel(cause)
			}
			synctest.Wait()
			for i, p := range x.probes {
				err, over := p.whyCanceled()
				if !over && x.law.name != "Tee" || !over && byCtx {
					t.Errorf("%s: input %d goes on", x.law.name, i)
				}
				// Take cancels its input itself when it has enough.
				if over && err != nil && err != cause && !(x.law.early && len(x.got) == x.n) {
					t.Errorf("%s: input %d was canceled with %v", x.law.name, i, err)
				}
			}
		})
	})
}
