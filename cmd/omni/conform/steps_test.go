package conform

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// DESIGN.md tells in which order to write an implementation, and which cases
// each step turns green: each case stands in one step, and the numbers agree.
func TestStepsOfDesign(t *testing.T) {
	text, err := os.ReadFile("../../../DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| (\\d+) [^|]*\\|[^|]*\\| `(\\^\\(.*\\) )`[^|]*\\| (\\d+) \\|")
	in := make(map[string]string)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		step, selects := m[1], regexp.MustCompile(strings.ReplaceAll(m[2], `\|`, `|`))
		n := 0
		for _, c := range Cases(1, 0) {
			if !selects.MatchString(c.ID + " " + c.Title) {
				continue
			}
			n++
			if other, ok := in[c.ID]; ok {
				t.Errorf("%s is in step %s and in step %s", c.ID, other, step)
			}
			in[c.ID] = step
		}
		if said, _ := strconv.Atoi(m[3]); n != said {
			t.Errorf("step %s has %d cases, not %d", step, n, said)
		}
	}
	for _, c := range Cases(1, 0) {
		if in[c.ID] == "" {
			t.Errorf("%s (%s) is in no step", c.ID, c.Title)
		}
	}
}
