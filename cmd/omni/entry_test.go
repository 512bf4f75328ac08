package main

import (
	"encoding/json"
	"testing"
)

func TestEntryCrossesTheWire(t *testing.T) {
	for _, name := range []string{"a", "ä/日本", "\xff\xfe/x", "", "{\"base64\":1}", "a\x00b", "\ufffd"} {
		in := entry{Name: nameFile, Path: wireName(name), Size: 5, Mode: 0o640, MTime: old, Target: wireName(name), SHA256: "ab"}
		out, err := parseEntry(encode(in))
		if err != nil {
			t.Errorf("%q: %v", name, err)
		} else if !out.MTime.Equal(in.MTime) || out.Path != in.Path || out.Target != in.Target || out.Mode != in.Mode || out.Size != in.Size {
			t.Errorf("%+v became %+v", in, *out)
		}
	}
}

func TestEntryOfAStranger(t *testing.T) {
	for _, bad := range []string{
		"", "null!", "[]", `{"path":1}`, `{"path":{"base64":"%"}}`, `{"size":-1}`, `{"size":1e30}`, `{"mtime":"x"}`,
		`{"mode":-1}`, `{"mtime":"99999-01-01T00:00:00Z"}`,
	} {
		if e, err := parseEntry([]byte(bad)); err == nil {
			t.Errorf("%s is taken for %+v", bad, e)
		}
	}
	e, err := parseEntry([]byte(`{"name":"file","path":"a","mode":4294967295}`))
	if err != nil || e.perm() != 0o777 {
		t.Errorf("mode is %v, %v: only permission bits may come through", e.perm(), err)
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add(encode(entry{Name: nameFile, Path: "\xff"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEntry(data)
		if err != nil {
			return
		}
		if checkName(string(e.Path)) == nil && !json.Valid(encode(e)) {
			t.Errorf("%q gives an entry that cannot be written", data)
		}
	})
}
