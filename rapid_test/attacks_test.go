package laws

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAttacksNameTests keeps testdata/attacks.md to tests that exist.
func TestAttacksNameTests(t *testing.T) {
	table, err := os.ReadFile("../testdata/attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(table)) {
		if id := regexp.MustCompile(`^\| ([A-Z]\d\d) \|`).FindStringSubmatch(line); id != nil {
			rows[id[1]] = line
		}
	}
	var code strings.Builder
	err = filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		code.Write(src)
		if strings.Contains(path, "jsgi") {
			return err // S01 to S39 are its own
		}
		// What has an id in its name stands in that id's row.
		for _, test := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`).FindAllStringSubmatch(string(src), -1) {
			for _, id := range regexp.MustCompile(`[A-Z]\d\d`).FindAllString(test[1], -1) {
				if row := rows[id]; row != "" && !regexp.MustCompile(test[1]+`\b`).MatchString(row) {
					t.Errorf("%s is not in the row of %s", test[1], id)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Not behind a dot: iotest.TestReader is another's.
	named := regexp.MustCompile(`[^.\w](Test|Fuzz)[A-Z]\w+`).FindAllString(string(table), -1)
	if len(named) < 100 {
		t.Errorf("the table names %d tests only", len(named))
	}
	for _, name := range named {
		name = name[1:]
		if !strings.Contains(code.String(), "func "+name+"(") {
			t.Errorf("there is no test %s", name)
		}
	}
}
