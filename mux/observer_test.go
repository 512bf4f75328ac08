package mux

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/transport"
)

var _ expvar.Var = (*Observer)(nil)

// TestObserverCountsEnds: each way in which a session ends counts once, in the
// counter for it, and is logged.
func TestObserverCountsEnds(t *testing.T) {
	for name, row := range map[string]struct {
		end   func(t *testing.T, s *Session, p *rawPeer)
		count func(c Counters) uint64
		level string
	}{
		"clean": {func(t *testing.T, s *Session, p *rawPeer) {
			p.send(wClose(0, 8, ""), wEnd(0))
			p.pending()
			p.send(wFail(0, 0, ""))
		}, func(c Counters) uint64 { return c.Clean }, "INFO"},
		"closed": {func(t *testing.T, s *Session, p *rawPeer) { s.Close() },
			func(c Counters) uint64 { return c.Closed }, "INFO"},
		"drain": {func(t *testing.T, s *Session, p *rawPeer) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s.Shutdown(ctx)
		}, func(c Counters) uint64 { return c.DrainTimeouts }, "WARN"},
		"peer": {func(t *testing.T, s *Session, p *rawPeer) { p.send(wFail(0, 1, "enough")) },
			func(c Counters) uint64 { return c.PeerErrors }, "WARN"},
		"protocol": {func(t *testing.T, s *Session, p *rawPeer) { p.send(wData(9, "x")) },
			func(c Counters) uint64 { return c.ProtocolErrors }, "WARN"},
		"cut": {func(t *testing.T, s *Session, p *rawPeer) { p.cut() },
			func(c Counters) uint64 { return c.Cut }, "WARN"},
		"silent": {func(t *testing.T, s *Session, p *rawPeer) { time.Sleep(time.Minute) },
			func(c Counters) uint64 { return c.KeepAliveTimeouts }, "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lockedBuilder
				o := &Observer{Log: slog.New(slog.NewTextHandler(&log, nil))}
				s, p := meetOpt(t, &Options{Observer: o})
				p.send(wOpen(1, ""), wData(1, "abc"))
				in := accept(t, s)
				if c := o.Counters(); c.Began != 1 || c.Living != 1 || c.Streams.Accepted != 1 || len(o.Snapshots()) != 1 {
					t.Fatalf("%+v", c)
				}
				if name == "clean" {
					in.Refuse("no")
					p.send(wFail(1, 5, ""))
				}
				row.end(t, s, p)
				<-s.Done()
				c := o.Counters()
				if row.count(c) != 1 || c.Living != 0 || c.Streams.ItemsReceived != 1 || sum(c) != 1 {
					t.Fatalf("%v: %+v", s.Err(), c)
				}
				if want := name == "clean"; (c.Streams.Refused == 1) != want {
					t.Fatalf("%d streams were refused", c.Streams.Refused)
				}
				if got := log.String(); !strings.Contains(got, "level="+row.level) || strings.Count(got, "\n") != 1 {
					t.Fatal(got)
				}
			})
		})
	}
}

// sum is how many sessions have ended.
func sum(c Counters) uint64 {
	return c.Clean + c.Closed + c.DrainTimeouts + c.PeerErrors + c.ProtocolErrors + c.PeersRefused + c.Cut +
		c.HelloTimeouts + c.MessageTimeouts + c.WriteTimeouts + c.KeepAliveTimeouts
}

// TestObserverCountsStarts: sessions that never came to be.
func TestObserverCountsStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &Observer{}
		cfg, err := newConfig(&Options{Observer: o})
		must(t, err)
		s, _ := meet(t, cfg)
		<-s.Done()
		s, p := meetOpt(t, &Options{Observer: o, CheckPeer: func([]byte) error { return errors.New("who are you") }})
		p.pending()
		<-s.Done()
		if c := o.Counters(); c.HelloTimeouts != 1 || c.PeersRefused != 1 || c.Began != 2 || sum(c) != 2 {
			t.Fatalf("%+v", c)
		}
	})
}

// TestObserverIsAnExpvar: what it shows is JSON, also while sessions come and
// go.
func TestObserverIsAnExpvar(t *testing.T) {
	o := &Observer{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				ca, cb := transport.Pair()
				a, err := New(ca, &Options{Observer: o})
				must(t, err)
				b, err := New(cb, &Options{Observer: o})
				must(t, err)
				c, err := a.Open(t.Context(), nil)
				must(t, err)
				must(t, c.Write(t.Context(), []byte("x")))
				b.Close()
				a.Close()
			}
		})
	}
	for range 100 {
		var got struct {
			Counters Counters
			Sessions []Snapshot
		}
		must(t, json.Unmarshal([]byte(o.String()), &got))
	}
	all.Wait()
	if c := o.Counters(); c.Began != 160 || c.Living != 0 || sum(c) != 160 {
		t.Fatalf("%+v", c)
	}
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
