package conform

import (
	"fmt"
	"os"
	"regexp"
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
	selects := regexp.MustCompile(`(?m)^(\d+)  (\^\(.*)$`)
	in := make(map[string]string)
	for _, m := range selects.FindAllStringSubmatch(string(text), -1) {
		step, run := m[1], regexp.MustCompile(m[2])
		quick, slow := 0, 0
		for _, c := range Cases(1, 0) {
			if !run.MatchString(c.ID + " " + c.Title) {
				continue
			}
			if other, ok := in[c.ID]; ok {
				t.Errorf("%s is in step %s and in step %s", c.ID, other, step)
			}
			in[c.ID] = step
			if c.Slow {
				slow++
			} else {
				quick++
			}
		}
		said := fmt.Sprint(quick)
		switch {
		case quick == 0:
			said = fmt.Sprint(slow, " slow")
		case slow > 0:
			said = fmt.Sprintf("%d, and %d slow", quick, slow)
		}
		row := regexp.MustCompile(`(?m)^\| ` + step + ` .*$`).FindString(string(text))
		if !strings.Contains(row, "| "+said+" |") && !strings.Contains(row, "| "+said+", with") {
			t.Errorf("step %s has %s cases; the table says %s", step, said, row)
		}
	}
	for _, c := range Cases(1, 0) {
		if in[c.ID] == "" {
			t.Errorf("%s (%s) is in no step", c.ID, c.Title)
		}
	}
}
