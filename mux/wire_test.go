package mux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omnistreams.dev/omni"
	"omnistreams.dev/transport"
)

// violations are frames that break a rule, after frames that do not, for a
// side with small options. The session answers each with FAIL on stream 0.
var violations = []struct {
	name   string
	before []rawFrame
	bad    rawFrame
	code   omni.Code
}{
	{"W05 END with a byte", []rawFrame{wOpen(1, "")}, rawFrame{3, 1, "x"}, 2},
	{"W05 PING of 7", nil, rawFrame{7, 0, "1234567"}, 2},
	{"W05 PING of 9", nil, rawFrame{7, 0, "123456789"}, 2},
	{"W05 PONG of 0", nil, rawFrame{8, 0, ""}, 2},
	{"W05 REQUEST of 15", []rawFrame{wOpen(1, "")}, rawFrame{5, 1, strings.Repeat("\x00", 15)}, 2},
	{"W05 REQUEST of 17", []rawFrame{wOpen(1, "")}, rawFrame{5, 1, strings.Repeat("\x00", 17)}, 2},
	{"W05 FAIL of 3", []rawFrame{wOpen(1, "")}, rawFrame{4, 1, "\x00\x00\x00"}, 2},
	{"W05 CLOSE of 0", nil, rawFrame{6, 1, ""}, 2},
	{"W05 OPEN of 4", nil, rawFrame{1, 1, "\x00\x00\x00\x00"}, 2},
	{"W11 second HELLO", nil, wHello(16, 4, 4, 64, ""), 2},
	{"W11 HELLO after CLOSE on 0", []rawFrame{wClose(0, 8, "")}, wHello(16, 4, 4, 64, ""), 2},
	{"W14 metadata of 16 KiB + 1", nil, wOpen(1, strings.Repeat("m", 16<<10+1)), 4},
	{"W14 reason of 1 KiB + 1", []rawFrame{wOpen(1, "")}, wFail(1, 1, strings.Repeat("r", 1<<10+1)), 4},
	{"W14 reason of 64 KB in CLOSE on 0", nil, wClose(0, 8, strings.Repeat("r", 60<<10)), 4},

	{"C01 DATA after the credit", []rawFrame{wOpen(1, ""), wData(1, "a"), wData(1, "b"), wData(1, "c"), wData(1, "d")}, wData(1, "e"), 3},
	{"C01 DATA beyond the bytes", []rawFrame{wOpen(1, ""), wData(1, "0123456789")}, wData(1, "0123456"), 3},
	{"C05 REQUEST of 2^53", []rawFrame{wOpen(1, "")}, wRequest(1, 1<<53, 0), 2},
	{"C05 REQUEST of 2^64-1 bytes", []rawFrame{wOpen(1, "")}, wRequest(1, 0, 1<<64-1), 2},
	{"C08 item too long", []rawFrame{wOpen(1, "")}, wData(1, strings.Repeat("x", 17)), 4},
	{"C09 empty items cost credit", []rawFrame{wOpen(1, ""), wData(1, ""), wData(1, ""), wData(1, ""), wData(1, "")}, wData(1, ""), 3},

	{"I01 OPEN of stream 0", nil, wOpen(0, ""), 2},
	{"I01 first OPEN is 2", nil, wOpen(2, ""), 2},
	{"I02 OPEN of a living stream", []rawFrame{wOpen(1, "")}, wOpen(1, ""), 2},
	{"I03 OPEN of a dead stream", []rawFrame{wClose(0, 8, ""), wOpen(1, ""), wFail(1, 8, "")}, wOpen(1, ""), 2},
	{"I04 OPEN skips", []rawFrame{wOpen(1, "")}, wOpen(3, ""), 2},
	{"I04 OPEN of 2^32-1", []rawFrame{wOpen(1, "")}, wOpen(1<<32-1, ""), 2},
	{"I05 DATA on 0", nil, wData(0, "x"), 2},
	{"I05 REQUEST on 0", nil, wRequest(0, 1, 1), 2},
	{"I05 PING on 1", nil, rawFrame{7, 1, "12345678"}, 2},
	{"I05 PONG on 1", nil, rawFrame{8, 1, "12345678"}, 2},
	{"I05 HELLO on 1", nil, rawFrame{0, 1, wHello(16, 4, 4, 64, "").payload}, 2},
	{"I06 DATA on an idle stream", nil, wData(1, "x"), 2},
	{"I06 END on an idle stream", nil, wEnd(1), 2},
	{"I06 FAIL on an idle stream", nil, wFail(1, 1, ""), 2},
	{"I06 REQUEST on an idle stream", nil, wRequest(1, 1, 1), 2},
	{"I06 CLOSE on an idle stream", nil, wClose(1, 1, ""), 2},
	{"I06 answer to no call", nil, wAnswer(1, 1, ""), 2},
	{"I06 answer to call 0", nil, wAnswer(1, 0, ""), 2},
	{"I11 DATA after END", []rawFrame{wOpen(1, ""), wEnd(1)}, wData(1, "x"), 2},
	{"I11 END after END", []rawFrame{wOpen(1, ""), wEnd(1)}, wEnd(1), 2},
	{"I11 END after FAIL", []rawFrame{wOpen(1, ""), wFail(1, 1, "")}, wEnd(1), 2},
	{"I11 FAIL after END", []rawFrame{wOpen(1, ""), wEnd(1)}, wFail(1, 1, ""), 2},

	{"F04 one stream too many", []rawFrame{wOpen(1, ""), wOpen(2, ""), wCall(3, ""), wCall(4, "")}, wOpen(5, ""), 3},
	{"F04 END frees no slot", []rawFrame{wOpen(1, ""), wEnd(1), wOpen(2, ""), wEnd(2), wOpen(3, ""), wFail(3, 1, ""), wCall(4, "")}, wCall(5, ""), 3},
	{"F12 CLOSE on 0 twice", []rawFrame{wClose(0, 8, "")}, wClose(0, 8, ""), 2},
	{"F12 END on 0 twice", []rawFrame{wEnd(0)}, wEnd(0), 2},
	{"F12 CLOSE on 0 after END on 0", []rawFrame{wEnd(0)}, wClose(0, 8, ""), 2},
	{"F12 OPEN after END on 0", []rawFrame{wEnd(0)}, wOpen(1, ""), 2},
}

// violationRules are the rules that the rows are about: many have code 2, so
// that the code alone may be that of another check.
var violationRules = map[string]string{
	"W05": "0", "W11": "1", "W14": "9",
	"C01": "4", "C05": "2", "C08": "4", "C09": "4",
	"I01": "0", "I02": "0", "I03": "0", "I04": "0", "I05": "0", "I06": "0 6 8", "I11": "8",
	"F04": "5", "F12": "12",
}

func TestViolations(t *testing.T) {
	for _, v := range violations {
		t.Run(strings.ReplaceAll(v.name, " ", "_"), func(t *testing.T) {
			eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
				s, p := meet(small())
				for _, f := range v.before {
					p.send(f)
				}
				synctest.Wait()
				if s.Err() != nil || s.e.over {
					t.Fatalf("the session ended before the bad frame: %v", s.e.err)
				}
				started := time.Now()
				p.send(v.bad)
				reason := p.wantFail(v.name, v.code)
				rule, _, _ := strings.Cut(strings.TrimPrefix(reason, "rule "), ":")
				if want := violationRules[v.name[:3]]; !slices.Contains(strings.Fields(want), rule) {
					t.Fatalf("the reason is %q, want rule %s", reason, want)
				}
				if took := time.Since(started); took > lingerTime {
					t.Fatalf("the transport was closed after %v", took)
				}
				<-s.Done()
				var se *omni.StreamError
				if !errors.As(s.Err(), &se) || se.Code != v.code || se.Reason != reason || se.Remote {
					t.Fatalf("Err is %v, the peer was told %d %q", s.Err(), v.code, reason)
				}
				_, err := s.Open(t.Context(), nil)
				wantIs(t, "Open afterwards", err, s.Err())
				canary(t)
			})
		})
	}
}

// TestC02ItemsBeforeTheBadOneCount: what came in order is there to be read,
// then the loss.
func TestC02ItemsBeforeTheBadOneCount(t *testing.T) {
	eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
		s, p := meet(small())
		p.send(wOpen(1, "m"), wData(1, "a"), wData(1, "b"), wData(1, "c"), wData(1, "d"), wData(1, "e"))
		in, err := s.Accept(t.Context())
		if err == nil {
			t.Fatalf("a lost stream was handed out: %q", in.Metadata())
		}
		p.wantFail("five items on credit for four", 3)

		s, p = meet(small())
		p.send(wOpen(1, "m"), wData(1, "a"))
		in = accept(t, s)
		p.send(wData(1, "b"), wData(1, "c"), wData(1, "d"), wData(1, "e"))
		synctest.Wait()
		for _, v := range []string{"a", "b", "c", "d"} {
			wantItem(t, in.Producer(), v)
		}
		_, err = in.Producer().Next(t.Context())
		wantLost(t, "after the items", err)
	})
}

// TestW06Types: each of the 256 types in three states.
func TestW06Types(t *testing.T) {
	ok := map[byte]bool{}
	for typ := range 256 {
		ok[byte(typ)] = typ >= 128
	}
	for typ := range 256 {
		if typ <= int(framePong) {
			continue // they have their own tests
		}
		synctest.Test(t, func(t *testing.T) {
			f := rawFrame{byte(typ), uint32(typ % 3), "payload"}
			cfg, _ := newConfig(small())
			_, p := meet(t, cfg)
			p.send(f)
			p.wantFail("before HELLO", 2)

			for _, before := range [][]rawFrame{{}, {wOpen(1, ""), wData(1, "x")}} {
				s, p := meetOpt(t, small())
				p.send(append(before, f)...)
				if ok[byte(typ)] {
					p.wantIdle("an ignored type")
					p.send(wPing(7))
					p.want("the session lives", wPong(7))
					continue
				}
				p.wantFail("an unknown type", 2)
				<-s.Done()
			}
		})
	}
}

// TestW01CutHello: the peer sends the first n bytes of a message and goes.
func TestW01CutHello(t *testing.T) {
	whole := binary.BigEndian.AppendUint32(nil, 30)
	whole = append(whole, join(wHello(16, 4, 4, 64, ""))...)
	for n := range len(whole) {
		synctest.Test(t, func(t *testing.T) {
			ca, cb := net.Pipe()
			s := start(t, transport.Frame(ca), nil)
			io.ReadFull(cb, make([]byte, len(whole))) // its HELLO
			cb.Write(whole[:n])
			cb.Close()
			_, err := s.Accept(t.Context())
			if err == nil || err == io.EOF {
				t.Fatalf("%d bytes: Accept returns %v", n, err)
			}
			<-s.Done()
			wantIs(t, fmt.Sprint(n, " bytes"), s.Err(), io.ErrUnexpectedEOF) // also between two messages
		})
	}
}

// TestW02W03MessageLengths is about messages by length alone, on a byte stream: none (W02),
// one that is announced too long and never sent.
func TestW02W03MessageLengths(t *testing.T) {
	for _, row := range []struct {
		length uint32
		code   omni.Code
	}{{0, 2}, {64<<10 + 1, 4}, {1<<32 - 1, 4}, {1 << 31, 4}} {
		synctest.Test(t, func(t *testing.T) {
			ca, cb := net.Pipe()
			cfg, _ := newConfig(small())
			s, p := meetOver(t, cfg, transport.Frame(ca), transport.Frame(cb))
			p.greet()
			cb.Write(binary.BigEndian.AppendUint32(nil, row.length))
			p.wantFail(fmt.Sprint("length ", row.length), row.code)
			<-s.Done()
			canary(t)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, p := meetOpt(t, small())
		p.send(rawFrame{200, 0, strings.Repeat("x", 64<<10-9)})
		p.wantIdle("a message of 64 KiB")
		p.sendBytes(join(rawFrame{200, 0, strings.Repeat("x", 64<<10-8)}))
		p.wantFail("a byte more", 4)
	})
}

// TestW09FramesAndMessages: many frames in a message are in order, a frame
// across two messages is cut.
func TestW09FramesAndMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := meetOpt(t, small())
		p.send(wOpen(1, "a"), wData(1, "x"), wEnd(1), wOpen(2, "b"), wPing(1))
		p.want("all of it counted", wPong(1))
		wantItem(t, accept(t, s).Producer(), "x")
		accept(t, s)
		whole := join(wData(2, "yz"))
		p.sendBytes(whole[:10])
		p.wantFail("half a frame", 2)
	})
}

// TestW12HelloFields: extreme values work or are turned down, and never loop.
func TestW12HelloFields(t *testing.T) {
	const most = 1<<32 - 1
	for _, row := range []struct {
		name  string
		hello rawFrame
		code  omni.Code // 0: in order
	}{
		{"all zero", wHello(0, 0, 0, 0, ""), 0},
		{"max_item 0 with items", wHello(0, 1, 1, 0, ""), 0},
		{"no streams", wHello(16, 0, 1, 16, ""), 0},
		{"all at their most", wHello(1<<24, most, most, most, strings.Repeat("m", 16<<10)), 0},
		{"max_item above", wHello(1<<24+1, 1, 0, 0, ""), 2},
		{"items without bytes", wHello(16, 1, 1, 15, ""), 2},
		{"metadata too long", wHello(16, 1, 1, 16, strings.Repeat("m", 16<<10+1)), 4},
		{"W17 the magic alone", rawFrame{0, 0, "OMNI"}, 2},
		{"W16 version 0", rawFrame{0, 0, "OMNI\x00" + u32s(16, 1, 1, 16)}, 9},
		{"W16 version 255", rawFrame{0, 0, "OMNI\xff" + u32s(16, 1, 1, 16)}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg, _ := newConfig(small())
			s, p := meet(t, cfg)
			p.next("HELLO")
			p.send(row.hello)
			if row.code != 0 {
				reason := p.wantFail(row.name, row.code)
				if row.code == 9 && !strings.Contains(reason, "1") {
					t.Fatalf("%s: the reason does not name this side's version: %q", row.name, reason)
				}
				_, err := s.Peer(t.Context())
				var se *omni.StreamError
				if !errors.As(err, &se) || se.Code != row.code {
					t.Fatalf("%s: Peer returns %v", row.name, err)
				}
				return
			}
			p.wantIdle(row.name)
			metadata := noErr[[]byte](t)(s.Peer(t.Context()))
			if string(metadata) != row.hello.payload[21:] {
				t.Fatalf("%s: metadata %.40q", row.name, metadata)
			}
		})
	}
}

// TestW12MostStreams: a peer that allows 2^32-1 streams is taken at its word,
// on machines with short ints too.
func TestW12MostStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := newConfig(small())
		s, p := meet(t, cfg)
		p.next("HELLO")
		p.send(wHello(1<<24, 1<<32-1, 1<<32-1, 1<<32-1, ""))
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		must(t, c.Write(t.Context(), []byte("x")))
		p.want("it opens", wOpen(1, ""))
		p.want("and writes", wData(1, "x"))
	})
}

// TestW14Reasons: what a peer says is text for people and bounded: bad UTF-8
// is replaced, and errors quote it.
func TestW14Reasons(t *testing.T) {
	eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
		s, p := meet(small())
		p.send(wOpen(1, ""), wFail(1, 4711, "\x1b[31m\n\xff"+strings.Repeat("r", 1000)))
		_, err := accept(t, s).Producer().Next(t.Context())
		var se *omni.StreamError
		if !errors.As(err, &se) || se.Code != 4711 || !se.Remote || !strings.HasPrefix(se.Reason, "\x1b[31m\n\uFFFDr") {
			t.Fatalf("read %v", err)
		}
		if strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Fatalf("the error does not quote its reason: %q", err.Error())
		}
		p.want("read to its end", wClose(1, 0, ""))

		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		c.Cancel(&omni.StreamError{Code: 300, Reason: "e" + strings.Repeat("é", 600) + "\xff"})
		p.next("OPEN")
		p.want("cut at a rune", wFail(1, 300, "e"+strings.Repeat("é", 511)))
	})
}

// TestW15TooLarge: an item or metadata that is too long is found here, and
// the stream goes on.
func TestW15TooLarge(t *testing.T) {
	eachTransport(t, func(t *testing.T, meet func(*Options) (*Session, *rawPeer)) {
		s, p := meet(small())
		c := noErr[*omni.Consumer[[]byte]](t)(s.Open(t.Context(), nil))
		for _, n := range []int{1<<16 + 1, 1 << 24, 1<<24 + 1} {
			err := c.Write(t.Context(), make([]byte, n))
			var long *TooLargeError
			if !errors.As(err, &long) || long.Size != n || long.Limit != 1<<16 {
				t.Fatalf("writing %d bytes: %v", n, err)
			}
		}
		p.want("only OPEN", wOpen(1, ""))
		p.wantIdle("nothing of the long items")
		must(t, c.Write(t.Context(), make([]byte, 1<<16)))
		p.want("the stream lives on", wData(1, strings.Repeat("\x00", 1<<16)))

		_, err := s.Open(t.Context(), make([]byte, maxMetadata+1))
		var long *TooLargeError
		if !errors.As(err, &long) || long.Limit != maxMetadata {
			t.Fatalf("opening with too much metadata: %v", err)
		}
		if _, err = s.Call(t.Context(), make([]byte, maxMetadata+1)); !errors.As(err, &long) {
			t.Fatalf("calling with too much metadata: %v", err)
		}
		p.send(wCall(1, ""))
		if _, err = accept(t, s).Reply(t.Context(), make([]byte, maxMetadata+1)); !errors.As(err, &long) {
			t.Fatalf("replying with too much metadata: %v", err)
		}
		p.wantIdle("no number was spent")
	})
}

// TestW04MessageLimit: no message is longer than the peer takes, though a word
// on stream 0 is due when the longest item goes.
func TestW04MessageLimit(t *testing.T) {
	for name, due := range map[string]func(*engine){
		"END":  func(e *engine) { e.receive(join(wClose(0, 8, ""))) },
		"PING": func(e *engine) { e.receive(join(wPing(1))) },
		"FAIL": func(e *engine) { e.fail(fault(11, omni.CodeTimeout, "late")) },
	} {
		const longest = 1 << 20
		e := newEngine(small1(t))
		e.receive(join(wHello(longest, 4, 4, 4*longest, "")))
		var m message
		o := e.open(kindOneWay, nil, nil)
		e.pack(&m)
		o.adopt(make([]byte, headerSize+longest))
		due(e)
		sent := 0
		for e.kick() {
			e.pack(&m)
			sent += len(packed(&m))
			if m.size > headerSize+longest {
				t.Errorf("%s: a message of %d bytes, %d are allowed", name, m.size, headerSize+longest)
			}
		}
		if want := 2; name != "FAIL" && sent != want || name == "FAIL" && sent != 1 {
			t.Errorf("%s: %d frames", name, sent)
		}
	}
}
