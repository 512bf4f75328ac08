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
	var code strings.Builder
	err = filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		code.Write(src)
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
