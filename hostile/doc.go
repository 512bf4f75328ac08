// Command hostile shows what the same hostile peers do to this project's
// sessions and to those of yamux, libp2p's yamux and smux.
//
//	   this process                                a process of its own
//	attacker, frames by hand --- TCP, loopback --> session \
//	  (and, in between, an honest stream 1)                 application
//	canary, the library itself --- TCP ----------> session /
//
// Each attack on each victim has a process of its own, so that a crash or an
// explosion of memory, which is stopped at 1 GiB, is a result and not the end.
// The victim is the library's server side at its default settings, with an
// application that accepts streams and reads them, unless the attack says that
// it does not. The attacker is no library: it writes the protocol's frames.
//
//	go run . -out RESULTS.md
//	go run . -run '^smux/ping' -for 2s
//
// # Reading the table
//
// A row is an attack, a column a victim. A cell has three parts:
//
//	lives, beside it 1.00; 2,344,000 pings · +4, 0 left · 0.3 MiB
//
// The outcome comes first. A session that ends says why, in the library's
// words; one that lives says how much of an honest stream beside the attack
// arrived in time, of what was due. That is little enough (50 items) for every
// protocol's first credit, so whatever is missing was held up: by a session
// that stands still, or by one that is slower than the attacker, behind whose
// frames the honest ones then wait. Whether a session should end or live is for
// the reader: where a protocol forbids what the attacker does, an end that
// names it is an answer, and so is to ignore it at no cost.
//
// Then how many goroutines there were at most beyond those before the attack,
// the application's own among them, and how many were left two seconds after
// the attacker had gone. Then how much memory. The application's part in both
// is the same for every victim.
//
// Figures are of one run each: they tell bounded from unbounded, and say
// little about one library being somewhat faster than another.
//
// # Reading order
//
// attacks.go and the attack_ files have the attacks, wire.go and the wire_
// files the protocols, attacker.go the connection that both work on. child.go
// is the victim's process, victims.go what is in it, sample.go its meter. run.go
// has them meet, table.go prints.
package main
