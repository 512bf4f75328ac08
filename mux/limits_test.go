package mux

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEachLimitStopsSomething: every constant of limits.go names rows of
// testdata/attacks.md, and each of those has a test in this package.
func TestEachLimitStopsSomething(t *testing.T) {
	page, err := os.ReadFile("../testdata/attacks.md")
	must(t, err)
	rows := map[string]string{}
	for line := range strings.Lines(string(page)) {
		if m := regexp.MustCompile(`^\| ([A-Z]\d\d) \|`).FindStringSubmatch(line); m != nil {
			rows[m[1]] = line
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "limits.go", nil, parser.ParseComments)
	must(t, err)
	limits := 0
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		said := ""
		for _, spec := range group.Specs {
			limit := spec.(*ast.ValueSpec)
			if about := limit.Doc.Text() + limit.Comment.Text(); about != "" {
				said = about // else the one above speaks for both
			}
			limits++
			ids := regexp.MustCompile(`\b[A-Z]\d\d\b`).FindAllString(said, -1)
			if len(ids) == 0 {
				t.Errorf("%s does not say what it stops", limit.Names[0])
			}
			for _, id := range ids {
				if !strings.Contains(rows[id], "mux: Test") && !strings.Contains(rows[id], "omni: Test") {
					t.Errorf("%s stops %s, which has no test", limit.Names[0], id)
				}
			}
		}
	}
	if limits < 20 {
		t.Fatalf("%d limits were found", limits)
	}
}
