// Package broken is echoes that are wrong on purpose, to test the conformance
// suite: each breaks one rule, and names the case that must find it.
//
//	suite <---> tamper <---> session of package mux, an echo as it should be
//	            changes, drops, repeats or reorders frames
//
// A flaw is a few lines between a correct echo and the wire, so what the suite
// finds is that flaw and nothing else.
package broken
