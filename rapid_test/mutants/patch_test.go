package main

import (
	"strings"
	"testing"
)

const patch = `law: L1
test: ./rapid_test TestL1
checks: 7
why: too much
--- a/dir/file.go
+++ b/dir/file.go
@@ -10,3 +10,3 @@ func f() {
 	before
-	old
+	new
 	after
`

func TestParseAndApply(t *testing.T) {
	m, err := parseMutant("m", patch)
	if err != nil {
		t.Fatal(err)
	}
	if m.law != "L1" || m.pkg != "./rapid_test" || m.test != "TestL1" || m.checks != "7" || m.why != "too much" || m.hunks[0].file != "dir/file.go" {
		t.Fatalf("%+v", m)
	}
	got, err := m.hunks[0].apply("x\n\tbefore\n\told\n\tafter\ny\n")
	if want := "x\n\tbefore\n\tnew\n\tafter\ny\n"; got != want || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestApplyErrors(t *testing.T) {
	m, err := parseMutant("m", patch)
	if err != nil {
		t.Fatal(err)
	}
	block := "\tbefore\n\told\n\tafter\n"
	for name, text := range map[string]string{
		"no longer applies":  strings.ReplaceAll(block, "old", "older"),
		"no longer applies ": strings.ReplaceAll(block, "\tbefore", "x\tbefore"), // not whole lines
		"needs more context": block + block,
	} {
		if _, err := m.hunks[0].apply(text); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for name, text := range map[string]string{
		"no law":        strings.Replace(patch, "law: L1\n", "", 1),
		"no test":       strings.Replace(patch, "test: ./rapid_test TestL1\n", "", 1),
		"test's name":   strings.Replace(patch, " TestL1", "", 1),
		"other header":  "color: red\n" + patch,
		"no diff":       patch[:strings.Index(patch, "@@")],
		"no change":     strings.ReplaceAll(patch, "new", "old"),
		"another file":  strings.Replace(patch, "+++ b/dir", "+++ b/other", 1),
		"stray line":    patch + "stray\n",
		"no file named": strings.Replace(strings.Replace(patch, "--- a/dir/file.go\n", "", 1), "+++ b/dir/file.go\n", "", 1),
	} {
		if _, err := parseMutant("m", text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
