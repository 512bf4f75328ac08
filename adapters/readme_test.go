package adapters_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeShowsTheExamples keeps the README's Go to what runs as a test.
func TestReadmeShowsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) != 2 {
		t.Errorf("the README has %d blocks of Go, not 2", len(blocks))
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(string(examples), code) {
			t.Errorf("example_readme_test.go does not contain the README's\n%s", code)
		}
	}
}
