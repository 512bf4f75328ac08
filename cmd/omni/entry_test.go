package main

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestEntryCrossesTheWire(t *testing.T) {
	for _, name := range []string{"a", "ä/日本", "\xff\xfe/x", "", "{\"base64\":1}", "a\x00b", "\ufffd"} {
		in := entry{Name: nameFile, Path: wireName(name), Size: 5, Mode: 0o640, MTime: wireTime{old}, Target: wireName(name), SHA256: "ab"}
		out, err := parseEntry(encode(in))
		if err != nil {
			t.Errorf("%q: %v", name, err)
		} else if !out.MTime.Equal(in.MTime.Time) || out.Path != in.Path || out.Target != in.Target || out.Mode != in.Mode || out.Size != in.Size {
			t.Errorf("%+v became %+v", in, *out)
		}
	}
}

func TestEntryOfAStranger(t *testing.T) {
	for _, bad := range []string{
		"", "null!", "[]", `{"path":1}`, `{"path":{"base64":"%"}}`, `{"size":-1}`, `{"size":1e30}`, `{"mtime":"x"}`,
		`{"mode":-1}`, `{"mtime":{"seconds":1e30}}`, `{"mtime":{"seconds":1,"nanoseconds":1000000000}}`,
		`{"mtime":{"seconds":1,"nanoseconds":-1}}`,
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

func TestAnyTimeCrossesTheWire(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(300_000_000_000, 999_999_999), time.Unix(-300_000_000_000, 1),
		time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), old.In(time.FixedZone("", 3601)),
	} {
		e, err := parseEntry(encode(entry{MTime: wireTime{at}}))
		if err != nil || e.MTime.Unix() != at.Unix() || e.MTime.Nanosecond() != at.Nanosecond() {
			t.Errorf("%d became %+v, %v", at.Unix(), e, err)
		}
	}
}

func TestFarTimesAreClamped(t *testing.T) {
	for _, c := range []struct {
		seconds int64
		want    time.Time
	}{{300_000_000_000, lastTime}, {-300_000_000_000, firstTime}, {old.Unix(), old.Truncate(time.Second)}} {
		at := wireTime{time.Unix(c.seconds, 0)}
		if got := at.settable(); !got.Equal(c.want) {
			t.Errorf("%d: %v, want %v", c.seconds, got, c.want)
		}
		// Whatever the disk can keep of it, it is not a time on the other side
		// of 1970.
		tr := testTree(t)
		e := fileEntry("f", "x")
		e.MTime = at
		if _, err := put(tr, e, "x", sumOf("x")); err != nil {
			t.Fatal(err)
		}
		info, err := tr.root.Lstat("f")
		if err != nil || (info.ModTime().Unix() > 0) != (c.seconds > 0) {
			t.Errorf("%d became %v, %v", c.seconds, info.ModTime(), err)
		}
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
