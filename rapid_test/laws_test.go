package laws

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The time that a program may take: virtual in a bubble, where nothing takes
// any but pauses and impatience, and real over sockets.
const (
	bubbleLimit = 2 * time.Minute
	socketLimit = time.Minute
)

// inBubble runs a program in a bubble of its own.
func inBubble(t *rapid.T, p *program, name string) *history {
	h := newHistory(p, name)
	rapid.SyncTest(t, func(*rapid.T) {
		f, err := makeFabric(h)
		if err != nil {
			h.broke(0, "%v", err)
			return
		}
		execute(p, h, f, bubbleLimit)
	})
	return h
}

// holds checks one law, or all if law is 0, on programs of a shape.
func holds(t *testing.T, law int, sh shape, fabrics ...string) {
	rapid.Check(t, property(law, sh, fabrics))
}

func property(law int, sh shape, fabrics []string) func(*rapid.T) {
	return func(t *rapid.T) {
		p := programs(sh).Draw(t, "program")
		for _, name := range fabrics {
			if v := inBubble(t, &p, name).verdict(law); v != "" {
				t.Fatal(v)
			}
		}
	}
}

func TestL1WrittenNeverExceedsRequested(t *testing.T) {
	holds(t, 1, shape{stepping: true}, bubbles...)
}

func TestL2ReceivedIsPrefix(t *testing.T) {
	holds(t, 2, shape{}, bubbles...)
}

func TestL3OneTerminalEvent(t *testing.T) {
	holds(t, 3, shape{}, bubbles...)
}

func TestL4EndNeedsNoCredit(t *testing.T) {
	holds(t, 4, shape{pure: true, stepping: true}, bubbles...)
}

func TestL5CancelFreesBoth(t *testing.T) {
	holds(t, 5, shape{cancels: true, stepping: true}, bubbles...)
}

// When the transport breaks, every call returns and no end is a clean one
// that was not.
func TestL5CutFreesBoth(t *testing.T) {
	holds(t, 0, shape{cuts: true}, overPair, overPipe)
}

func TestL6CreditMoves(t *testing.T) {
	holds(t, 6, shape{wide: true, patient: true, stepping: true}, bubbles...)
	holds(t, 6, shape{patient: true, stepping: true}, overPair, overPipe)
}

// Nothing in these programs takes time but waiting for a stream that is not
// read, so those that are read must be over before any time has passed.
func TestL7UnreadDelaysNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := programs(shape{stalled: true, patient: true}).Draw(t, "program")
		for _, name := range bubbles {
			h := inBubble(t, &p, name)
			if h.calm > 0 {
				h.broke(7, "the streams that are read were over after %v", h.calm)
			}
			if v := h.verdict(7); v != "" {
				t.Fatal(v)
			}
		}
	})
}

func TestL8BufferedWithinGrants(t *testing.T) {
	holds(t, 8, shape{stepping: true}, overPair, overPipe)
}

func TestL9SameTraceEverywhere(t *testing.T) {
	holds(t, 0, shape{}, bubbles...)
}

func TestL10FramesRoundTrip(t *testing.T) {
	holds(t, 10, shape{}, overPair)
}

func TestL11WrittenIsDeliveredOrDiscarded(t *testing.T) {
	holds(t, 11, shape{}, bubbles...)
}

// FuzzProgram holds every law to the programs that the fuzzer finds.
func FuzzProgram(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(property(0, shape{stepping: true}, bubbles)))
}
