package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"
	"unicode/utf8"
)

// The names of the streams that a sender calls its receiver with. Each is a
// call whose metadata is an entry (or a tally) as one JSON object.
const (
	nameFile      = "file"      // items of content, then the SHA-256 of all of it (32 bytes) as the last item
	nameDirectory = "directory" // no items
	nameSymlink   = "symlink"   // no items
	nameTotals    = "totals"    // how much will come: a tally, no items
	nameDone      = "done"      // how much came: a tally, no items
)

// entry is one file, directory or symbolic link on its way.
type entry struct {
	Name   string   `json:"name"`
	Path   wireName `json:"path"`             // below the receiver's directory, elements parted by slashes
	Size   int64    `json:"size"`             // of a file, in bytes
	Mode   uint32   `json:"mode"`             // permission bits
	MTime  wireTime `json:"mtime"`            // last change of the content
	Target wireName `json:"target,omitempty"` // of a symbolic link, as it stands there
	SHA256 string   `json:"sha256,omitempty"` // of a file, in hex: compare this instead of size and time
	Sparse bool     `json:"sparse,omitempty"` // a file has holes: leave zeros out
}

// perm is the mode without what a stranger may not set: set-user-ID and its
// like would let a sender plant a program that runs as the receiver's user.
func (e *entry) perm() fs.FileMode { return fs.FileMode(e.Mode) & fs.ModePerm }

// answer is the metadata of the answer to an entry. The answer has no items;
// its clean end says that the entry is there and, if it is a file, verified.
type answer struct {
	Have *bool `json:"have"` // it is there already: end the stream without an item
}

// tally is what one side counted.
type tally struct {
	Name    string `json:"name"`
	Files   int64  `json:"files"`   // regular files
	Bytes   int64  `json:"bytes"`   // their content
	Skipped int64  `json:"skipped"` // entries that one of the two would not have
	Failed  int64  `json:"failed"`  // entries that did not arrive for another reason
}

// encode is v as JSON. What is encoded here always can be.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("BUG: omni: " + err.Error())
	}
	return data
}

// parseEntry reads what a stranger wrote.
func parseEntry(metadata []byte) (*entry, error) {
	var e entry
	if err := json.Unmarshal(metadata, &e); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if e.Size < 0 {
		return nil, errors.New("metadata: a size below zero")
	}
	return &e, nil
}

// wireName is a file name in JSON. Most are JSON strings; on Unix a name may
// be any bytes, and one that is not UTF-8 goes as {"base64": "..."}.
type wireName string

// rawName is the form of a name that JSON has no string for.
type rawName struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (n wireName) MarshalJSON() ([]byte, error) {
	// encoding/json would put a replacement character for each byte that it
	// cannot say, and two files might become one.
	if utf8.ValidString(string(n)) {
		return json.Marshal(string(n))
	}
	return json.Marshal(rawName{[]byte(n)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *wireName) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*n = wireName(s)
		return nil
	}
	var raw rawName
	if err := json.Unmarshal(data, &raw); err != nil {
		return errors.New("a name is neither a string nor base64")
	}
	*n = wireName(raw.Base64)
	return nil
}

// wireTime is a time in JSON, as the numbers that the system counts it in: a
// file may be of a year that a date has no digits for.
type wireTime struct{ time.Time }

// rawTime is what stands there.
type rawTime struct {
	Seconds     int64 `json:"seconds"`     // since 1970 began in UTC
	Nanoseconds int64 `json:"nanoseconds"` // after that, less than a second
}

// MarshalJSON implements json.Marshaler.
func (t wireTime) MarshalJSON() ([]byte, error) {
	return json.Marshal(rawTime{t.Unix(), int64(t.Nanosecond())})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *wireTime) UnmarshalJSON(data []byte) error {
	var raw rawTime
	if err := json.Unmarshal(data, &raw); err != nil || raw.Nanoseconds < 0 || raw.Nanoseconds >= 1e9 {
		return errors.New("a time is not seconds and nanoseconds")
	}
	t.Time = time.Unix(raw.Seconds, raw.Nanoseconds).UTC()
	return nil
}

// The first and the last time that a file can be given: the calls count
// nanoseconds in 64 bits, and one beyond would silently become another time.
var firstTime, lastTime = time.Unix(0, math.MinInt64).UTC(), time.Unix(0, math.MaxInt64).UTC()

// settable is the nearest time that a file can be given.
func (t wireTime) settable() time.Time {
	switch {
	case t.Before(firstTime):
		return firstTime
	case t.After(lastTime):
		return lastTime
	}
	return t.Time
}
