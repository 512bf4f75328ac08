package mux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"omnistreams.dev/omni"
)

// vstep is one step of a script; exactly one of its actions is there.
type vstep struct {
	Peer      []vframe
	PeerHex   vbytes `json:"peer_hex"`
	Cut       bool
	Want      []vframe
	WantAny   []vframe `json:"want_any"`
	WantError *struct {
		Code omni.Code
		Rule int
	} `json:"want_error"`
	Idle   bool
	Closed bool
	App    string
	See    string

	// Of App and See.
	As, On, Reason string
	Metadata, Item vbytes
	Kind           uint8
	Code           omni.Code
	TooLong        bool `json:"too_long"`
}

func TestVectorsSessions(t *testing.T) {
	var file struct {
		Protocol int
		About    string
		Scripts  []struct {
			Name  string
			Rules []int
			Why   string
			Side  vside
			Steps []vstep
		}
	}
	readVectors(t, "sessions.json", &file)
	for _, script := range file.Scripts {
		t.Run(script.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s, p := meet(t, script.Side.config(t))
				if script.Side.OwnNext > 0 {
					s.mu.Lock()
					s.e.lastOwn = script.Side.OwnNext - 1
					s.mu.Unlock()
				}
				r := &runner{t: t, ctx: ctx, s: s, p: p, handles: map[string]*handle{}}
				for i, step := range script.Steps {
					r.at = fmt.Sprintf("step %d", i)
					r.step(&step)
				}
				p.cut()
				cancel()
				for _, h := range r.handles {
					h.work.Wait()
				}
				<-s.Done()
			})
		})
	}
}

// runner does the steps of one script: the peer and the application.
type runner struct {
	t       *testing.T
	ctx     context.Context
	s       *Session
	p       *rawPeer
	at      string
	handles map[string]*handle

	pings      []string // payloads that the script has sent
	sentClose0 bool
	closedByUs map[uint32]bool // streams of the peer that the side has closed
}

// handle is what one name in a script stands for. Its operations are done in
// order, on goroutines that wait for one another.
type handle struct {
	out      *omni.Consumer[[]byte]
	in       *omni.Producer[[]byte]
	duplex   *Duplex[[]byte, []byte]
	incoming *Incoming

	work sync.WaitGroup
	last chan struct{} // closed when the operation before is finished
	err  error         // of open or call

	reading chan readResult // a read is pending
}

// do runs f when the handle's operations before it are finished.
func (h *handle) do(f func()) {
	before := h.last
	done := make(chan struct{})
	h.last = done
	h.work.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		f()
	})
}

func (r *runner) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s: %s", r.at, fmt.Sprintf(format, args...))
}

func (r *runner) step(step *vstep) {
	switch {
	case step.Peer != nil:
		var msg []byte
		for _, v := range step.Peer {
			msg = v.encode(r.t, msg)
			switch {
			case v.typ(r.t) == framePing:
				r.pings = append(r.pings, string(v.bytes(r.t, "payload")))
			case v.typ(r.t) == frameClose && v.number(r.t, "stream") == 0:
				r.sentClose0 = true
			}
		}
		r.p.sendBytes(msg)
	case step.PeerHex != nil:
		r.p.sendBytes(step.PeerHex)
	case step.Cut:
		r.p.cut()
	case step.Want != nil:
		for _, v := range step.Want {
			r.want([]vframe{v})
		}
	case step.WantAny != nil:
		for left := step.WantAny; len(left) > 0; {
			i := r.want(left)
			left = slices.Delete(slices.Clone(left), i, i+1)
		}
	case step.WantError != nil:
		reason := r.p.wantFail(r.at, step.WantError.Code)
		if rule := fmt.Sprintf("rule %d: ", step.WantError.Rule); !strings.HasPrefix(reason, rule) {
			r.t.Errorf("the reason %q does not begin with %q", reason, rule)
		}
	case step.Idle:
		r.dropIgnored()
	case step.Closed:
		r.dropIgnored()
		r.p.wantClosed(r.at)
	case step.App != "":
		r.app(step)
	case step.See != "":
		synctest.Wait()
		r.see(step)
	default:
		r.fatalf("an unknown step")
	}
}

// dropIgnored takes what has come, all of which must be ignored.
func (r *runner) dropIgnored() {
	r.t.Helper()
	for range r.p.pending() {
		if f := r.p.next(r.at); !r.ignored(f) {
			r.fatalf("got %v, want nothing", f)
		}
	}
}

// want takes the next frame that is not ignored and returns which of the
// wanted it is.
func (r *runner) want(wanted []vframe) int {
	r.t.Helper()
	for {
		f := r.p.next(r.at)
		for i, v := range wanted {
			if r.matches(v, f) {
				if f.typ == byte(frameClose) {
					if r.closedByUs == nil {
						r.closedByUs = map[uint32]bool{}
					}
					r.closedByUs[f.stream] = true
				}
				return i
			}
		}
		if !r.ignored(f) {
			r.fatalf("got %v, want one of %v", f, wanted)
		}
	}
}

func (r *runner) ignored(f rawFrame) bool {
	switch frameType(f.typ) {
	case framePing:
		return true
	case framePong:
		return slices.Contains(r.pings, f.payload)
	case frameRequest:
		return !r.closedByUs[f.stream]
	case frameClose:
		return f.stream == 0 && r.sentClose0
	}
	return f.typ >= 128
}

func (r *runner) matches(v vframe, f rawFrame) bool {
	if v.typ(r.t) != frameType(f.typ) {
		return false
	}
	got, bad := decodeVector(frame{frameType(f.typ), f.stream, []byte(f.payload)})
	if bad != nil {
		r.fatalf("got %v: %v", f, bad)
	}
	for name, value := range v.plain(r.t) {
		switch name {
		case "items_min", "bytes_min":
			field := strings.TrimSuffix(name, "_min")
			if got.number(r.t, field) < v.number(r.t, name) {
				return false
			}
		case "code_not":
			if got.number(r.t, "code") == v.number(r.t, name) {
				return false
			}
		default:
			if _, known := got[name]; !known {
				r.fatalf("unknown field %q", name)
			}
			if got[name] != value {
				return false
			}
		}
	}
	return true
}

// on is the handle that a step names.
func (r *runner) on(step *vstep) *handle {
	h := r.handles[step.On]
	if h == nil {
		r.fatalf("no handle %q", step.On)
	}
	return h
}

// as makes the handle that a step names.
func (r *runner) as(step *vstep) *handle {
	h := &handle{}
	r.handles[step.As] = h
	return h
}

func (r *runner) app(step *vstep) {
	cause := &omni.StreamError{Code: step.Code, Reason: step.Reason}
	switch step.App {
	case "open":
		h := r.as(step)
		h.do(func() { h.out, h.err = r.s.Open(r.ctx, step.Metadata) })
	case "call":
		h := r.as(step)
		h.do(func() {
			if h.duplex, h.err = r.s.Call(r.ctx, step.Metadata); h.err == nil {
				h.out = h.duplex.Out
			}
		})
	case "write":
		h := r.on(step)
		h.do(func() {
			err := h.out.Write(r.ctx, step.Item)
			var long *TooLargeError
			if step.TooLong != errors.As(err, &long) {
				r.t.Errorf("write: %v, too long: %v", err, step.TooLong)
			}
		})
	case "end":
		h := r.on(step)
		h.do(func() { h.out.End() })
	case "fail":
		h := r.on(step)
		h.do(func() { h.out.Cancel(cause) })
	case "give_up":
		h := r.on(step)
		h.do(func() { h.duplex.Out.Cancel(cause); h.duplex.In.Cancel(cause) })
	case "accept":
		in, err := r.s.Accept(r.ctx)
		if err != nil || in.IsCall() != (step.Kind == kindCall) || !bytes.Equal(in.Metadata(), step.Metadata) {
			r.fatalf("accepted %v, %v", in, err)
		}
		h := r.as(step)
		h.incoming, h.in = in, in.Producer()
	case "answer":
		d := r.on(step).duplex
		metadata, err := d.Metadata(r.ctx)
		if err != nil || !bytes.Equal(metadata, step.Metadata) {
			r.fatalf("answered with %q, %v", metadata, err)
		}
		r.as(step).in = d.In
	case "reply":
		from, h := r.on(step), r.as(step)
		h.do(func() {
			if h.out, h.err = from.incoming.Reply(r.ctx, step.Metadata); h.err != nil {
				r.t.Errorf("reply: %v", h.err)
			}
		})
	case "read":
		r.on(step).read(r.ctx)
	case "refuse":
		h := r.on(step)
		h.do(func() {
			if step.Code == omni.CodeRefused {
				h.incoming.Refuse(step.Reason)
			} else {
				h.incoming.finish(cause)
			}
		})
	case "cancel":
		h := r.on(step)
		h.do(func() { h.in.Cancel(cause) })
	case "shutdown":
		r.s.mu.Lock()
		r.s.e.drain(step.Reason)
		r.s.unlock()
	default:
		r.fatalf("unknown operation %q", step.App)
	}
	synctest.Wait()
}
