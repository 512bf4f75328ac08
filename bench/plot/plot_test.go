package plot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"omnistreams.dev/bench/harness"
)

func over(group, name string, size int, ns map[string]float64) harness.Result {
	r := harness.Result{Workload: harness.Workload{Group: group, Name: name, Bytes: size}}
	for _, c := range []harness.Case{{Name: "omnistreams", Kind: harness.Ours}, {Name: "gRPC", Kind: harness.Peer}, {Name: "raw", Kind: harness.Limit}} {
		r.Cases = append(r.Cases, harness.CaseResult{Case: c, Samples: []harness.Sample{{NsPerOp: ns[c.Name]}}})
	}
	return r
}

func TestItemsPerSecond(t *testing.T) {
	var rs []harness.Result
	for i, size := range []int{16, 256, 4096, 65536} {
		f := float64(i + 1)
		rs = append(rs, over("mux", fmt.Sprintf("TCP, one stream, %d B", size), size, map[string]float64{"omnistreams": 100 * f, "gRPC": 1300 * f, "raw": 50 * f}))
	}
	rs = append(rs, over("mux", "TCP, one stream unread", 64, map[string]float64{"omnistreams": 1e9, "gRPC": 1e9, "raw": 1e9}))
	lines := collect(rs)
	if len(lines) != 3 || lines[0].name != "omnistreams" || len(lines[0].points) != 4 || lines[2].name != "raw" {
		t.Fatalf("%+v", lines)
	}
	path := filepath.Join(t.TempDir(), "p.svg")
	if err := ItemsPerSecond(path, rs); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var text strings.Builder
	d := xml.NewDecoder(f)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if chars, ok := token.(xml.CharData); ok {
			text.Write(chars)
		}
	}
	for _, want := range []string{"omnistreams", "gRPC", "raw", "64 KiB", "16 B", "5 M"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in the plot's text", want)
		}
	}
}

func TestNothingToDraw(t *testing.T) {
	if err := ItemsPerSecond(filepath.Join(t.TempDir(), "p.svg"), nil); err == nil {
		t.Fatal("a plot of nothing")
	}
}
