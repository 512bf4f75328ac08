package conform

import (
	"bytes"
	"fmt"
	"strings"
)

// Cases is all cases, those of random programs last. Zero seeds means 8, a
// negative number none.
func Cases(seed uint64, seeds int) []Case {
	var all []Case
	for _, of := range []func() []Case{
		formKept, numbersKept, formBroken, helloKept, helloBroken,
		creditKept, creditTotals, creditApart, creditBroken, grants, slotCases, callCases, answersBroken,
		endCases, endCredit, cancelCases, crossingCases, deadCases, limitsKept, limitsBroken,
		errorCases, faultCases, pingCases, shutdownKept, lateCases, goodbyeCases, shutdownBroken,
		codeCases, lawCases, movingCases, upgradeCases, webCases,
	} {
		all = append(all, of()...)
	}
	if seeds == 0 {
		seeds = 8
	}
	for i := range max(seeds, 0) {
		all = append(all, randomCase(seed+uint64(i)))
	}
	return all
}

// ruleOf is the rule that an id names.
func ruleOf(id string) string {
	rule, _, _ := strings.Cut(strings.TrimPrefix(id, "R"), ".")
	return rule
}

// kept is a case that keeps every rule.
func kept(id, title, must string, run func(*peer)) Case {
	return Case{ID: id, Rule: ruleOf(id), Title: title, Must: must, run: run}
}

// with changes the HELLO of a case.
func (c Case) with(me hello) Case { c.me = &me; return c }

// raw makes a case send its HELLO itself.
func (c Case) raw() Case { c.bare = true; return c }

// must says what must hold where it is not what cases of this kind want.
func (c Case) must(what string) Case { c.Must = what; return c }

// slow makes a case run only when asked for.
func (c Case) slow() Case { c.Slow = true; return c }

// mustFail is what must hold when a rule is broken.
func mustFail(code uint32) string {
	return fmt.Sprintf("FAIL on 0 with code %d and a reason within a second, nothing after it, and the transport ended within two", code)
}

// broken is a case that breaks a rule and wants this code.
func broken(id, title string, code uint32, run func(p *peer, code uint32)) Case {
	return kept(id, title, mustFail(code), func(p *peer) { run(p, code) })
}

// badFrames is a case of one message, of which the last frame is wrong.
func badFrames(id, title string, code uint32, frames ...frame) Case {
	return broken(id, title, code, func(p *peer, code uint32) { p.breach(code, frames...) })
}

// badBytes is a case of one message as it is on the wire.
func badBytes(id, title string, code uint32, msg []byte) Case {
	return broken(id, title, code, func(p *peer, code uint32) { p.breachBytes(code, msg) })
}

// badFirst is badBytes for the first message, with nothing before it.
func badFirst(id, title string, code uint32, msg []byte) Case {
	return badBytes(id, title, code, msg).raw()
}

// letters is n bytes of text.
func letters(n int) string { return strings.Repeat("omnistream", n/10+1)[:n] }

// zeros is n bytes of 0.
func zeros(n int) []byte { return bytes.Repeat([]byte{0}, n) }

// headerOf is a header that announces n bytes.
func headerOf(typ byte, stream uint32, n uint32) []byte {
	h := frame{typ, stream, nil}.encode(nil)
	return append(h[:5], byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
