// Package sim holds no code: its tests run whole sessions in simulated time,
// with faults, and on sockets for long, and check the history of each run.
//
// A seed draws everything: two to five sessions (each has two ends), their
// options, a plan of faults for the bytes between them, and a program of 200
// steps or more. The run is a bubble of testing/synctest: time is virtual,
// and after a step all that can happen at that moment has happened.
//
//	      steps: open, write, read, cancel, shut down ...
//	           │                                 │
//	mux.Session ── tap ── Frame ══ lines ══ Frame ── tap ── mux.Session ─ Pipe ─ ...
//	                │               │                │
//	             checker     latency, slices,     checker
//	                         cut, stall, hole,
//	                         flip, short write
//
// In a chain the far end of one session pipes streams on into the next, so
// that backpressure, ends and causes cross both.
//
// # What is checked
//
//   - Every reader gets a prefix of what was written, in order, intact, no
//     item twice, and nothing after the end; io.EOF only after End and after
//     every item; the writer's Done without an error only if all was read.
//   - Causes cross with their code. Where no fault struck nothing at all is
//     lost, and Shutdown returns nil.
//   - On the wire, at every moment: sent <= granted, slots in use <= slots
//     announced, one last word of each side. At rest: both ends count the
//     same, which is also what Stats says; with no stream alive the budget is
//     as it was at first; what came was taken or dropped; nobody waits for a
//     slot of a session that drains.
//   - Every call returns when its ctx ends. A session that a fault has struck
//     dies within the bounds of its keepalive, and every call on it returns.
//     The bubble finds the goroutines that are left.
//   - A session whose Err is nil has lost nothing that it knew of.
//
// A bit that is flipped inside an item changes that item alone. Flipped
// anywhere else it may do what a peer could do on purpose: the wire has no
// checksum. Then only the bounds are checked, and that no other session and
// no caller suffers.
//
// # Running it
//
//	go test ./rapid_test/sim                        1,000 new seeds
//	SEEDS=20000 go test -timeout 30m ./rapid_test/sim
//	BASE=7 SEEDS=1000 go test ./rapid_test/sim      the same every time
//	SEED=123 go test -v -run TestSim ./rapid_test/sim   one, with its steps
//
// A failure prints its seed, the plan and the last 40 steps. The same seed
// draws the same program; only the order of what happens at one and the same
// moment is the Go scheduler's, so try a seed a few times. A seed that hangs,
// on a mutex or in a loop that no time passes in, is named after 30 seconds.
// With -v a table says how often each rare path was met; a run of 1,000 seeds
// or more that missed one fails.
//
// # On sockets, for long
//
// TestSoak has the same programs and the same checks in real time: sessions of
// 0.2 to 60 seconds, eight at a time, half over TCP, Unix sockets and TLS and
// half over WebSocket, dialed and accepted by package transport. A relay
// between most ends passes bytes in slices, pauses, and cuts in the middle of
// them: by RST, by FIN, or to one end only. A session that was not cut loses
// nothing, and with its last stream slots and budget are back; then both ends
// count the same. After each phase (5 minutes, or half of a short run) no
// goroutine and no open file is left, and at the end the heap is what it was,
// within soakGrowth.
//
//	go test ./rapid_test/sim                            8 seconds of it
//	SOAK=1h go test -v -timeout 70m -run TestSoak ./rapid_test/sim
//	SOAK=10s SEED=123 go test -v -run TestSoak ./rapid_test/sim
//
// It prints a line every minute. A failure prints the session's seed, what it
// was and its last steps; with that SEED it is the first session of a run. Real
// time is not drawn, so the same seed does not bring the same moment.
//
// # Reading order
//
// sim_test.go runs the seeds; plan_test.go draws, world_test.go sets up,
// steps_test.go, writer_test.go and reader_test.go are the program,
// finish_test.go winds it up and judges. flow_test.go is what is known of one
// stream, line_test.go is the network, tap_test.go and view_test.go read
// along, cover_test.go is the table. soak_test.go runs sessions on sockets,
// which live_test.go draws; fabric_test.go connects their ends, relay_test.go
// is between them.
package sim
