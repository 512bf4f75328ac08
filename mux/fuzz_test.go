package mux

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// seedFrames adds the messages of the vectors to a fuzz corpus.
func seedFrames(f *testing.F) {
	for _, name := range []string{"frames.json", "malformed.json"} {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", name))
		if err != nil {
			f.Fatal(err)
		}
		var file struct{ Messages []struct{ Hex vbytes } }
		if err := json.Unmarshal(b, &file); err != nil {
			f.Fatal(err)
		}
		for _, row := range file.Messages {
			if len(row.Hex) < 1<<12 {
				f.Add([]byte(row.Hex), false)
				f.Add([]byte(row.Hex), true)
			}
		}
	}
}

// FuzzReceive gives an engine any message, before and after HELLO, and an
// application that takes and answers what comes. Nothing panics, what is kept
// is bounded by what was granted, and what is sent is in form.
func FuzzReceive(f *testing.F) {
	seedFrames(f)
	f.Add(join(wOpen(1, "m"), wData(1, "item"), wEnd(1), wCall(2, ""), wData(2, "x"), wFail(2, 3, "r")), true)
	f.Add(join(wClose(1, 1, ""), wRequest(2, 9, 99), wAnswer(1, 2, "a"), wData(1, "b"), wEnd(1), wClose(0, 8, "bye"), wEnd(0)), true)
	f.Fuzz(func(t *testing.T, msg []byte, greeted bool) {
		e := newEngine(small1(t))
		var m message
		if greeted {
			e.receive(join(wHello(16, 4, 4, 64, "")))
			e.pack(&m)
			// Something of our own for the frames to speak of.
			e.takeSlot(false)
			e.open(kindOneWay, nil, nil).write([]byte("x"))
			e.takeSlot(true)
			e.openCall(nil).out.end()
			e.pack(&m)
		}
		for range 3 {
			e.receive(msg)
			for _, in := range e.theirs {
				for kept := 0; in.next+kept < len(in.items); kept++ {
					if uint64(kept) >= in.grantItems-in.tookItems {
						t.Fatalf("%d items kept, %d granted, %d taken", len(in.items)-in.next, in.grantItems, in.tookItems)
					}
				}
				for {
					if _, ok, _ := in.take(); !ok {
						break
					}
				}
				if in.kind == kindCall {
					in.answer([]byte("answer"))
				}
			}
			if e.theirSlots > 4 || len(e.accepts) > 4 || len(e.theirs) > 8 {
				t.Fatalf("%d slots, %d to be accepted, %d live", e.theirSlots, len(e.accepts), len(e.theirs))
			}
			for e.kick() {
				e.pack(&m)
				packed(&m) // panics if it is out of form
			}
		}
	})
}

// FuzzFrames: what is accepted as a frame is encoded again to the same bytes,
// but for reasons that are not UTF-8 (L10).
func FuzzFrames(f *testing.F) {
	seedFrames(f)
	f.Fuzz(func(t *testing.T, msg []byte, _ bool) {
		for len(msg) > 0 {
			fr, rest, bad := cutFrame(msg)
			if bad != nil {
				return
			}
			whole := msg[:len(msg)-len(rest)]
			msg = rest
			again := encodeAgain(fr)
			if again == nil {
				continue
			}
			if !bytes.Equal(again, whole) {
				t.Fatalf("%x is encoded as %x", whole, again)
			}
		}
	})
}

// encodeAgain parses a frame and encodes what was found; nil if it is out of
// form, has a reason that was replaced, or no form at all.
func encodeAgain(f frame) []byte {
	switch f.typ {
	case frameHello:
		h, bad := parseHello(f)
		if bad != nil {
			return nil
		}
		return h.append(nil)
	case frameOpen:
		kind, answers, metadata, bad := parseOpen(f.payload)
		if bad != nil {
			return nil
		}
		return appendOpen(nil, f.stream, kind, answers, metadata)
	case frameRequest:
		items, bytes, bad := parseTotals(f.payload)
		if bad != nil {
			return nil
		}
		return appendTotals(nil, f.stream, items, bytes)
	case frameFail, frameClose:
		code, reason, bad := parseReason(f.typ, f.payload)
		if bad != nil || reason != string(f.payload[4:]) {
			return nil
		}
		return appendReason(nil, f.typ, f.stream, code, reason)
	}
	return append(appendHeader(nil, f.typ, f.stream, len(f.payload)), f.payload...)
}

// FuzzProgram takes bytes as the choices of a course of two engines, with any
// mischief: neither ever blames the other, and nothing is stuck at the end.
func FuzzProgram(f *testing.F) {
	for i := range len(scenarios) {
		f.Add(append([]byte{byte(i), 3}, bytes.Repeat([]byte{0, 7, 3, 1, 9, 4, 2, 200, 77, 5}, 8)...))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) < 2 {
			return
		}
		sc := scenarios[int(program[0])%len(scenarios)]
		w := newWorld(sc.cfg, int(program[1])%6, sc.answers, sc.plans)
		program = program[2:]
		for w.fault == "" {
			moves := w.moves()
			if w.quiet() {
				w.checkQuiet()
				if onlyWaiting(w, moves) && len(program) == 0 {
					w.checkFinal()
					break
				}
			}
			if len(moves) == 0 {
				w.checkFinal()
				break
			}
			n := 0
			if len(program) > 0 {
				n, program = int(program[0]), program[1:]
			} else {
				w.mischief, moves = 0, w.quietly(moves)
			}
			w.do(moves[n%len(moves)])
		}
		if w.fault != "" {
			t.Fatal(w.fault)
		}
	})
}

// quietly is moves without mischief, if there are any such.
func (w *world) quietly(moves []move) []move {
	w.mischief = 0
	if left := w.moves(); len(left) > 0 {
		return left
	}
	return moves
}
