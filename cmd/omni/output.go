package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"omnistreams.dev/mux"
)

// output is where a command speaks: text for people on stderr, events for
// programs on stdout. Where stdout carries data, so does nothing else.
type output struct {
	cmd    string // the command's name, before every warning
	data   bool   // stdout carries data
	quiet  bool   // no text but warnings
	stdout io.Writer

	mu     sync.Mutex    // held while a line is written, so that lines stay whole
	text   io.Writer     // stderr, or what writes above a progress bar
	events *json.Encoder // nil without --json
}

// event is one line of --json. Fields that do not belong to its kind are
// left out.
type event struct {
	Event  string `json:"event"` // listening, file, directory, symlink, warning, progress, session, explain, error, summary
	URL    string `json:"url,omitempty"`
	Path   string `json:"path,omitempty"`
	Raw    []byte `json:"path_base64,omitempty"` // the path, if it is not UTF-8 and path cannot say it
	Status string `json:"status,omitempty"`      // moved, had, skipped, failed
	Size   int64  `json:"size,omitempty"`        // of the file, in bytes
	SHA256 string `json:"sha256,omitempty"`
	Reason string `json:"reason,omitempty"`

	Sessions []mux.Snapshot `json:"sessions,omitempty"` // of explain

	*Summary // of progress, session and Summary
}

// listening tells where: on stdout, for whoever started this process, unless
// that carries data.
func (o *output) listening(url string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.events != nil {
		_ = o.events.Encode(event{Event: "listening", URL: url})
		return
	}
	w := o.stdout
	if o.data {
		w = o.text
	}
	fmt.Fprintf(w, "listening on %s\n", url)
}

// emit writes an event, if they are wanted. What stdout does not take is found
// by execute.
func (o *output) emit(e event) {
	if !utf8.ValidString(e.Path) {
		e.Raw = []byte(e.Path)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.events != nil {
		_ = o.events.Encode(e)
	}
}

// say writes a line for people.
func (o *output) say(format string, args ...any) {
	if !o.quiet {
		o.line(printable(fmt.Sprintf(format, args...)))
	}
}

// warn writes a line that --quiet does not silence. path is what it is about,
// and may be empty.
func (o *output) warn(path, reason string) {
	o.emit(event{Event: "warning", Path: path, Reason: reason})
	text := "omni " + o.cmd + ": warning: "
	if path != "" {
		text += path + ": "
	}
	o.line(printable(text + reason))
}

// line writes a line above a progress bar, if there is one. An error of it has
// nowhere to go.
func (o *output) line(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	io.WriteString(o.text, text+"\n")
}
