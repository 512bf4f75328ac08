// Package conform tests implementations of the protocol from outside, by an
// echo that each of them provides: a program that answers every call with what
// the call sends, as omni echo does.
//
//	case ---> peer ---> codec ---> transport ---> the echo under test
//	           |  ^
//	           v  |
//	          ledger: what both sides have said, and what may follow
//
// A case leads a raw peer over a connection of its own: it sends frames by
// hand, right and wrong ones, and waits for what must come of them. Whatever
// the case is about, the ledger checks each frame of the echo against all the
// rules of SPEC.md; so a case says only what is to happen, not what is not. It
// takes every course that the rules leave open: frames of different streams in
// any order, in any messages, credit in any amounts at any time.
//
// The codec is the suite's own, and nothing here knows package mux, since that
// is one of the implementations that are tested:
//
//	report, err := conform.Run(ctx, conform.Options{Connect: url})
//	...
//	fmt.Println(report) // 280 passed, 0 failed, 9 skipped
//
// Package broken has echoes with known flaws, each with the case that finds it.
package conform
