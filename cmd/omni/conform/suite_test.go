package conform

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"omnistreams.dev/transport"
)

func TestTheSuiteStopsAfterTenCasesWithoutAnEcho(t *testing.T) {
	c := Case{ID: "R1.1"}
	there, absent, nothing := &outcome{heard: true}, &outcome{absent: true}, &outcome{} // the last may be a first message that is wrong
	for _, test := range []struct {
		before, last []*outcome
	}{
		{nil, nil},
		{[]*outcome{nothing, nothing}, nil},
		{nil, []*outcome{nothing}},
		{[]*outcome{absent, absent, there}, nil},
	} {
		all := slices.Concat(test.before, slices.Repeat([]*outcome{absent}, mostAbsent-1), test.last, []*outcome{absent, absent})
		r := &runner{results: make([]*Result, len(all))}
		for i, o := range all {
			err := r.keep(i, newResult(c, o, 0, false), o)
			if want := i >= len(all)-2; (err != nil) != want {
				t.Errorf("%d before, %d last: after result %d: %v", len(test.before), len(test.last), i, err)
			}
		}
	}
}

func TestWhatIsMissingAtTheEnd(t *testing.T) {
	l := newLedger()
	l.own[1], l.own[2] = &stream{number: 1}, &stream{number: 2, closed: &word{}}
	for n := uint32(1); n < 6; n++ {
		l.theirs[n] = &stream{number: n, closed: &word{}}
	}
	l.theirs[5].said = &word{}
	p := &peer{ledger: l}
	want := "FAIL 1, the answer to CLOSE 1; FAIL 2, the answer to CLOSE 2; FAIL 3, the answer to CLOSE 3; FAIL 4, the answer to CLOSE 4; 2 more"
	if got := p.missing(); got != want {
		t.Errorf("%s", got)
	}
	l.heardEnd, l.theirs = true, map[uint32]*stream{2: {number: 2}}
	if got := p.missing(); got != "CLOSE 1" {
		t.Errorf("%s", got)
	}
}

func TestWhatServesAWrongFrame(t *testing.T) {
	p := &peer{ledger: newLedger()}
	p.theirs[3] = &stream{number: 3, call: &stream{number: 7}}
	p.wrong = []frame{openFrame(9, kindCall, 0, nil), dataFrame(7, nil), endFrame(0)}
	for _, test := range []struct {
		f    frame
		want string
	}{
		{openFrame(1, kindAnswer, 9, nil), "OPEN 9"}, {closeFrame(9, 5, ""), "OPEN 9"}, {requestFrame(9, 1, 1), "OPEN 9"},
		{dataFrame(3, nil), "DATA 7"}, {endFrame(3), "DATA 7"}, {requestFrame(7, 1, 1), "DATA 7"},
		{openFrame(1, kindAnswer, 7, nil), ""}, {closeFrame(1, 5, ""), ""}, {dataFrame(1, nil), ""}, {endFrame(0), ""},
		{failFrame(0, 2, "x"), ""}, {frame{tOpen, 1, nil}, ""}, {frame{77, 7, nil}, ""}, {pingFrame(1), ""},
	} {
		if got := p.serves(test.f); got != test.want {
			t.Errorf("%v serves %q, not %q", test.f, got, test.want)
		}
	}
}

// lead runs steps as a case does and returns the fault that ends them.
func lead(p *peer, steps func()) error {
	done := make(chan struct{})
	go func() { // ends with the steps, or with the first fault
		defer close(done)
		steps()
	}()
	<-done
	return p.fault
}

// piped is a peer at one end of a pipe; the test has the other.
func piped(t *testing.T, ctx context.Context) (*peer, net.Conn) {
	here, there := net.Pipe()
	conn := transport.Frame(here)
	p := &peer{ledger: newLedger(), ctx: ctx, conn: conn, in: newInbox(conn), wait: 20 * time.Millisecond, outcome: &outcome{}}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = there.Close()
		<-p.in.done
	})
	return p, there
}

func TestTheSuitesOwnBoundIsNotTheEchosFault(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	p, _ := piped(t, ctx)
	p.wait = time.Minute
	cancel(errors.New("the case took longer than 1s"))
	err := lead(p, func() { p.until("what never comes", func() bool { return false }) })
	if err == nil || err.Error() != "the case took longer than 1s; the last it waited for: what never comes" || p.over {
		t.Errorf("%v", err)
	}
	err = lead(p, func() { p.transmit([]byte("nobody reads it")) })
	if err == nil || !strings.HasPrefix(err.Error(), "the case took longer than 1s") {
		t.Errorf("%v", err)
	}
}

func TestAnEchoThatReadsNothingIsToldOf(t *testing.T) {
	p, _ := piped(t, t.Context())
	err := lead(p, func() { p.transmit([]byte("nobody reads it")) })
	if err == nil || !strings.HasPrefix(err.Error(), "rule 11: the echo reads nothing: a message of 15 bytes") {
		t.Errorf("%v", err)
	}
}
