package conform

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestCasesCoverEveryRule(t *testing.T) {
	ids, rules := map[string]bool{}, map[string]int{}
	for _, c := range Cases(1, 0) {
		if ids[c.ID] || c.Title == "" || c.Must == "" {
			t.Errorf("%+v: its id is taken, or there are no words", c)
		}
		ids[c.ID] = true
		if !c.Slow {
			rules[c.Rule]++
		}
	}
	for rule := range 15 {
		if rules[strconv.Itoa(rule)] == 0 {
			t.Errorf("rule %d has no case", rule)
		}
	}
	if len(ids) < 120 {
		t.Errorf("there are %d cases", len(ids))
	}
}

// row is a row of the vectors, as far as the codec is concerned.
type row struct {
	Name, Hex, Phase string
	Code, Good       int
	DecodeOnly       bool `json:"decode_only"`
	Frames           []json.RawMessage
}

// vectors reads a file of golden vectors.
func vectors(t *testing.T, name string) []row {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Messages []row }
	if err := json.Unmarshal(raw, &file); err != nil || len(file.Messages) == 0 {
		t.Fatalf("%s: %d rows, %v", name, len(file.Messages), err)
	}
	return file.Messages
}

// message is the bytes of a row.
func (r row) message(t *testing.T) (msg []byte) {
	t.Helper()
	for _, token := range strings.Fields(r.Hex) {
		digits, times, many := strings.Cut(token, "*")
		n := 1
		if many {
			n, _ = strconv.Atoi(times)
		}
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("%s: %v", r.Name, err)
		}
		msg = append(msg, bytes.Repeat(b, n)...)
	}
	return msg
}

// decode is the frames of a message up to the first fault of form.
func decode(msg []byte) (frames []frame, err error) {
	for err == nil && len(msg) > 0 {
		var f frame
		if f, msg, err = cut(msg); err == nil {
			err = f.form()
		}
		if err == nil {
			frames = append(frames, f)
		}
	}
	return frames, err
}

func TestCodecKeepsTheGoldenVectors(t *testing.T) {
	for _, r := range vectors(t, "frames.json") {
		msg := r.message(t)
		frames, err := decode(msg)
		if err != nil && !r.DecodeOnly { // a reason that is not UTF-8 is no fault, but no echo may send one
			t.Errorf("%s: %v", r.Name, err)
		}
		if err == nil && (len(frames) != len(r.Frames) || !bytes.Equal(message(frames...), msg)) {
			t.Errorf("%s: %v", r.Name, frames)
		}
	}
}

func TestCodecFindsFaultsOfForm(t *testing.T) {
	state := 0 // rows whose fault is not one of a frame by itself
	for _, r := range vectors(t, "malformed.json") {
		msg := r.message(t)
		l := newLedger()
		l.given(tight(16, 4, 64).frame())
		if r.Phase == "after hello" {
			if _, err := l.taken(message(tight(16, 4, 64).frame())); err != nil {
				t.Fatal(err)
			}
		}
		if len(msg) == 0 {
			state++ // transports tell of empty messages
			continue
		}
		if frames, err := l.taken(msg); err == nil {
			t.Errorf("%s: taken, %v", r.Name, frames)
		}
	}
	if state > 2 {
		t.Errorf("%d rows were left out", state)
	}
}

func TestLinesAndReport(t *testing.T) {
	r := Report{Target: "tcp://h:1", Role: "client", Passed: 1, Failed: 1, Results: []Result{
		{Case: Case{ID: "R1.1", Rule: "1", Title: "a", Must: "b"}, Outcome: Passed},
		{Case: Case{ID: "R2.1", Rule: "2", Title: "<c>", Must: "d"}, Outcome: Failed, Why: "rule 2: \"x\"", Trace: []string{"<  END 1"}},
	}}
	if got, want := fmt.Sprint(r.Results[1], "\n", &r), "failed  R2.1    <c>: rule 2: \"x\"\n1 passed, 1 failed"; got != want {
		t.Errorf("got %q", got)
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"&lt;c&gt;", `id="R1.1"`, "&lt;  END 1"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, &page)
		}
	}
}
