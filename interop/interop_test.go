package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// goOnly is the matrix of Go with itself over the transports, with little to
// carry.
func goOnly(transports ...string) *matrix {
	race := false
	if info, ok := debug.ReadBuildInfo(); ok {
		race = slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	}
	return &matrix{
		clients: []string{"go"}, servers: []string{"go"}, transports: transports,
		root: "..", bytes: 20_000, limit: time.Minute, race: race, log: io.Discard,
	}
}

// prepared builds the Go peer.
func prepared(t *testing.T, m *matrix) map[string]peer {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		if os.Getenv("OMNI_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	peers, err := m.prepare(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return peers
}

func TestGoWithGo(t *testing.T) {
	m := goOnly("tcp", "ws")
	cells, err := m.runCells(t.Context(), prepared(t, m))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report(&out, *m, cells, false); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if strings.Count(out.String(), " MB/s") != 2 {
		t.Errorf("the tables of two pairs:\n%s", out.String())
	}
}

// What a server does wrong is found, and where it should be.
func TestFlawsAreFound(t *testing.T) {
	m := goOnly("tcp")
	peers := prepared(t, m)
	for flaw, want := range map[string][]string{
		"other-bytes":  {"long", "hundred-down", "slow-down", "cancel-down", "fail-down", "churn", "shutdown", "leave"},
		"other-digest": {"long", "hundred-up", "slow-up"},
		"other-reason": {"cancel-up", "churn"},
		"ends-well":    {"fail-down"},
		"reads-on":     {"slow-up"},
		"serves-all":   {"refuse"},
	} {
		t.Run(flaw, func(t *testing.T) {
			m := *m
			m.flaw = flaw
			cells, err := m.runCells(t.Context(), peers)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if report(&out, m, cells, false) == nil {
				t.Errorf("the report of a flawed server is no error:\n%s", out.String())
			}
			var failed []string
			for _, f := range cells[0].Failures {
				// abrupt may close the session before it sees anything.
				if name, _, _ := strings.Cut(f, ":"); name != "abrupt" {
					failed = append(failed, name)
				}
			}
			if !slices.Equal(failed, want) {
				t.Errorf("%q failed instead of %q:\n%s", failed, want, out.String())
			}
		})
	}
}

// A client that does not tell of all scenarios, in their order, has failed.
func TestJudge(t *testing.T) {
	told := func(edit func([]result) []result) *cell {
		var all []result
		for _, name := range scenarios {
			r := result{Name: name, OK: true, Seconds: 1}
			if strings.HasPrefix(name, "hundred") {
				r.Bytes = 100_000
			}
			all = append(all, r)
		}
		c := &cell{Scenarios: edit(all)}
		c.judge(1000)
		return c
	}
	if c := told(func(all []result) []result { return all }); !c.ok() || c.Up != 0.1 || c.Down != 0.1 {
		t.Errorf("a good client: %+v", c)
	}
	for name, edit := range map[string]func([]result) []result{
		"none":        func([]result) []result { return nil },
		"short":       func(all []result) []result { return all[:len(all)-1] },
		"long":        func(all []result) []result { return append(all, result{Name: "more", OK: true}) },
		"out of turn": func(all []result) []result { all[0], all[1] = all[1], all[0]; return all },
		"not ok":      func(all []result) []result { all[3].OK = false; return all },
		"few bytes":   func(all []result) []result { all[slices.Index(scenarios, "hundred-up")].Bytes--; return all },
	} {
		if c := told(edit); c.ok() {
			t.Errorf("%s: passes", name)
		}
	}
}

// A tool that is missing is told of, and a failure where all are required.
func TestMissingTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, required := range []bool{false, true} {
		t.Setenv("OMNI_REQUIRE", map[bool]string{true: "all"}[required])
		var log bytes.Buffer
		m := &matrix{clients: []string{"rust"}, servers: []string{"rust"}, root: "..", log: &log}
		peers, err := m.prepare(t.Context(), t.TempDir())
		if required != (err != nil) || len(peers) != 0 {
			t.Errorf("required %v: %v, %v", required, peers, err)
		}
		if want := "skipped: rust, since there is no cargo\n"; !required && log.String() != want {
			t.Errorf("it says %q", log.String())
		}
	}
}

// A server that tells of sessions otherwise than they ended is found.
func TestJudgeServer(t *testing.T) {
	for name, edit := range map[string]func([]line) []line{
		"good":              func(all []line) []line { return all },
		"good, mixed":       func(all []line) []line { slices.Reverse(all); return all },
		"one is lost":       func(all []line) []line { all[3].Error = "lost"; return all },
		"abrupt in order":   func(all []line) []line { all[len(all)-1].Error = ""; return all },
		"ends early":        func(all []line) []line { return all[1:] },
		"one of a stranger": func(all []line) []line { all[0].Peer = "stranger"; return all },
	} {
		var all []line
		for _, s := range scenarios {
			all = append(all, line{Peer: "interop " + s + " "})
		}
		all[len(all)-1].Error = "canceled"
		s := &server{lines: make(chan line, len(all))}
		for _, l := range edit(all) {
			s.lines <- l
		}
		close(s.lines)
		var c cell
		if c.judgeServer(s); c.ok() != strings.HasPrefix(name, "good") {
			t.Errorf("%s: %v", name, c.Failures)
		}
	}
}
