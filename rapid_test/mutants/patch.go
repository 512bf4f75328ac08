package main

import (
	"errors"
	"fmt"
	"strings"
)

// A mutant is one patch file: header lines, then a unified diff.
type mutant struct {
	name   string
	law    string // that the mutant breaks
	pkg    string // of the test that must notice, as ./rapid_test
	test   string // its name
	checks string // for -rapid.checks; empty is the default
	why    string // what was broken
	hunks  []hunk
}

// A hunk replaces whole lines of one file.
type hunk struct {
	file     string // slash-separated, from the root of the tree
	old, new string // lines with their ends
}

// parseMutant reads a patch file. Of the diff only the lines count, not the
// numbers, so that a patch outlives changes above it.
func parseMutant(name, text string) (*mutant, error) {
	m := &mutant{name: name}
	file := ""
	for n, line := range strings.SplitAfter(text, "\n") {
		var err error
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "--- a/"):
			file = strings.TrimPrefix(bare, "--- a/")
		case strings.HasPrefix(line, "+++ b/"):
			if file != strings.TrimPrefix(bare, "+++ b/") {
				err = errors.New("a patch changes files in place")
			}
		case strings.HasPrefix(line, "@@"):
			m.hunks = append(m.hunks, hunk{file: file})
		case len(m.hunks) > 0:
			err = m.hunks[len(m.hunks)-1].add(line)
		default:
			err = m.header(bare)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, n+1, err)
		}
	}
	if m.law == "" || m.test == "" || m.why == "" || len(m.hunks) == 0 {
		return nil, fmt.Errorf("%s: law, test, why and a diff are all needed", name)
	}
	for _, h := range m.hunks {
		if h.file == "" || h.old == h.new {
			return nil, fmt.Errorf("%s: a hunk without a file or without a change", name)
		}
	}
	return m, nil
}

// header takes one line above the diff.
func (m *mutant) header(line string) error {
	key, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch key {
	case "law":
		m.law = value
	case "test":
		var ok bool
		if m.pkg, m.test, ok = strings.Cut(value, " "); !ok {
			return errors.New("test: PACKAGE NAME")
		}
	case "checks":
		m.checks = value
	case "why":
		m.why = value
	case "":
	default:
		return fmt.Errorf("unknown header %q", key)
	}
	return nil
}

// add takes one line of the diff.
func (h *hunk) add(line string) error {
	switch {
	case line == "":
	case line[0] == ' ':
		h.old += line[1:]
		h.new += line[1:]
	case line[0] == '-':
		h.old += line[1:]
	case line[0] == '+':
		h.new += line[1:]
	default:
		return fmt.Errorf("a diff's line begins with a blank, + or -: %q", line)
	}
	return nil
}

// apply returns text with the hunk's lines replaced. They must be there once,
// neither more nor less: a patch that fits nowhere or twice says nothing.
func (h *hunk) apply(text string) (string, error) {
	at := linesAt(text, h.old)
	switch {
	case len(at) == 0:
		return "", fmt.Errorf("no longer applies: %s has no lines\n%s", h.file, h.old)
	case len(at) > 1:
		return "", fmt.Errorf("needs more context: %s has %d places with\n%s", h.file, len(at), h.old)
	}
	return text[:at[0]] + h.new + text[at[0]+len(h.old):], nil
}

// linesAt lists where old stands in text as whole lines.
func linesAt(text, old string) (at []int) {
	if old == "" {
		return nil
	}
	for from := 0; ; {
		i := strings.Index(text[from:], old)
		if i < 0 {
			return at
		}
		i += from
		if i == 0 || text[i-1] == '\n' {
			at = append(at, i)
		}
		from = i + 1
	}
}
