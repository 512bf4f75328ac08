// Package laws holds no code: its tests check the laws L1 to L11 of SPEC.md
// as properties, on random programs.
//
// One interpreter (run_test.go) runs a program: streams and calls in both
// directions, each with a script for its writer and one for its reader. The
// same program runs on every fabric: streams made in process, sessions over a
// channel pair and over framed net.Pipe in a bubble of virtual time, and
// sessions over TCP, TLS, Unix sockets, stdio and WebSocket in real time.
//
//	program ──> writer script ─> Consumer ═══ fabric ═══ Producer <─ reader script
//	   │                            │    in process, or     │
//	   │                         account  tap ─ wire ─ tap  account
//	   └──> model: what may come out ───────> laws <─── history
//
// In a bubble a program also runs step by step: after each step everything
// comes to rest, and what was asked for, granted, written and taken must
// agree exactly. A tap on either side of the wire parses every frame by a
// codec of its own and keeps its own totals. The transport between the taps
// draws pauses, so each seed has another order of events.
//
//	law                                        tests (laws_test.go unless said otherwise)
//	L1  written <= requested                   TestL1WrittenNeverExceedsRequested, TestL1StagesAskExactly
//	L2  received is a prefix of written        TestL2ReceivedIsPrefix, TestL2StagesKeepOrder
//	L3  one terminal event, final              TestL3OneTerminalEvent, TestL3StagesEndOnce
//	L4  END needs no credit, comes last        TestL4EndNeedsNoCredit
//	L5  cancel frees both ends                 TestL5CancelFreesBoth, TestL5CutFreesBoth, TestL5StagesCancel
//	L6  with credit left the stream moves      TestL6CreditMoves
//	L7  an unread stream delays no other       TestL7UnreadDelaysNobody
//	L8  buffered <= granted                    TestL8BufferedWithinGrants
//	L9  the network is only a longer pipe      TestL9SameTraceEverywhere, TestL9SameTraceOverSockets
//	L10 parse(append(f)) = f, no panic         TestL10FramesRoundTrip, TestL10MalformedIsAnError, TestL10ShortFramesAreErrors (malformed_test.go)
//	L11 written = delivered + discarded        TestL11WrittenIsDeliveredOrDiscarded
//
// The tests of stages are in stages_test.go, and FuzzProgram gives every law
// to the fuzzer. More checks: go test ./rapid_test -rapid.checks=10000, for
// which the socket tests draw a fiftieth as many.
//
// testdata/mutants holds a patch for each way in which a law is broken on
// purpose, with the test that must notice; the program in mutants applies
// each to a copy of the tree and demands that the test fails.
package laws
