package mux

import (
	"fmt"
	"strings"
	"time"
)

// String is the snapshot in lines for people.
func (s Snapshot) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "session %s for %v, peer heard %v ago", s.State, brief(s.Age), brief(s.Silence))
	if s.Sending > 0 {
		fmt.Fprintf(&b, ", transport busy for %v", brief(s.Sending))
	}
	if s.RoundTrip > 0 {
		fmt.Fprintf(&b, ", round trip %v", brief(s.RoundTrip))
	}
	if s.Error != "" {
		fmt.Fprintf(&b, ": %s", s.Error)
	}
	fmt.Fprintf(&b, "\nstreams: %d; items sent: %d, received: %d\n", len(s.Streams), s.Stats.ItemsSent, s.Stats.ItemsReceived)
	for _, st := range s.Streams {
		fmt.Fprintf(&b, "  %v\n", st)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// String is the stream in one line for people.
func (s StreamState) String() string {
	var b strings.Builder
	switch {
	case s.Number == 0 && s.Kind == "":
		b.WriteString("calls of Open and Call")
	case s.Number == 0 && s.Waits == "our budget":
		b.WriteString("calls of Call")
	case s.Number == 0:
		fmt.Fprintf(&b, "our new %s", s.Kind)
	case s.Opened:
		fmt.Fprintf(&b, "our %s %d", s.Kind, s.Number)
	default:
		fmt.Fprintf(&b, "peer's %s %d", s.Kind, s.Number)
	}
	if s.Answers > 0 {
		fmt.Fprintf(&b, " (to %d)", s.Answers)
	}
	if len(s.Metadata) > 0 {
		fmt.Fprintf(&b, " %.60q", s.Metadata)
	}
	word := "idle"
	switch {
	case s.Stuck && s.Since >= time.Second:
		word = "STUCK"
	case s.Stuck:
		word = "busy"
	}
	fmt.Fprintf(&b, ": %s for %v, waits for %s; items %s, bytes %s", word, brief(s.Since), s.Waits, s.Items.text(s.Opened), s.Bytes.text(s.Opened))
	if s.Queued > 0 {
		fmt.Fprintf(&b, ", %d bytes queued", s.Queued)
	}
	fmt.Fprintf(&b, "; last sent %s, received %s", orNone(s.Sent), orNone(s.Received))
	return b.String()
}

func (c Credit) text(opened bool) string {
	if opened {
		return fmt.Sprintf("%d of %d", c.Moved, c.Granted)
	}
	return fmt.Sprintf("%d of %d, %d taken", c.Moved, c.Granted, c.Taken)
}

func orNone(frame string) string {
	if frame == "" {
		return "nothing"
	}
	return frame
}

// brief rounds to what people read.
func brief(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d
}
