package report

import (
	"strings"
	"testing"
	"time"

	"omnistreams.dev/bench/harness"
)

func TestTable(t *testing.T) {
	tb := &table{head: []string{"-who", "ns/op"}}
	tb.add("ours", "1.50")
	tb.add("µ ×", "1000000")
	want := `| who  |   ns/op |
| ---- | ------: |
| ours |    1.50 |
| µ ×  | 1000000 |
`
	if got := tb.String(); got != want {
		t.Fatalf("got\n%s", got)
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0001: "0", 0.0123: "0.012", 0.5: "0.50", 3.14159: "3.14", 16: "16.0", 83.26: "83.3", 391.4: "391",
		1365: "1365", 45_300: "45300", 153_000: "153 k", 2.7e9: "2.70 G",
	} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{999: "999", 999.9: "1.00 k", 1e6: "1.00 M", 33_200_000: "33.2 M"} {
		if got := scaled(v); got != want {
			t.Errorf("scaled(%v) = %q, want %q", v, got, want)
		}
	}
}

// sample is a workload of everything that a table can show.
func sample() harness.Result {
	c := func(name string, kind harness.Kind, ns ...float64) harness.CaseResult {
		r := harness.CaseResult{Case: harness.Case{Name: name, Kind: kind}}
		for _, v := range ns {
			r.Samples = append(r.Samples, harness.Sample{NsPerOp: v})
		}
		return r
	}
	peer := c("chan", harness.Peer, 80, 100, 90)
	peer.Published, peer.Source = 50, "https://go.dev/src/runtime/chan.go"
	extra := c("mine", harness.Ours, 40, 50, 30)
	for i := range extra.Samples {
		extra.Samples[i].Extra = map[string]float64{"p50-ns": 12}
	}
	broken, absent := c("broken", harness.Peer), c("absent", harness.Peer)
	broken.Failed = "it broke"
	absent.Absent, absent.Failed, absent.Published = "not to be had", "not to be had", 7
	raw := c("raw", harness.Limit, 20, 25, 10)
	raw.Published = 100
	return harness.Result{
		Workload: harness.Workload{
			Group: "G", Name: "W", About: "What one op is.", Bytes: 1000,
			Cases: []harness.Case{peer.Case, extra.Case},
			Goals: []harness.Goal{{Against: "chan", Reach: 2, Stretch: 3}, {Against: "gone", Reach: 1}},
		},
		Cases: []harness.CaseResult{peer, broken, extra, absent, raw},
	}
}

func TestWorkload(t *testing.T) {
	r := sample()
	got := Workload(&r)
	want := `### G: W

What one op is.

|          | who    |        ns/op | items/s |  MB/s | allocs/op | B/op | p50-ns | spread, ns/op | × limit | × best peer |
| -------- | ------ | -----------: | ------: | ----: | --------: | ---: | -----: | ------------: | ------: | ----------: |
| **ours** | mine   |         40.0 |  25.0 M | 25000 |         0 |    0 |   12.0 |     30.0–50.0 |  0.50 × |      2.00 × |
| peer     | chan   |         90.0 |  11.1 M | 11111 |         0 |    0 |        |      80.0–100 |  0.25 × |      1.00 × |
| peer     | broken |       failed |         |       |           |      |        |               |         |             |
| peer     | absent | not measured |         |       |           |      |        |               |         |             |
| limit    | raw    |         20.0 |  50.0 M | 50000 |         0 |    0 |        |     10.0–25.0 |  1.00 × |      4.00 × |

How many times as fast as the limit (raw) and the best peer (chan): medians of the ratios within a round.
- broken: failed: it broke
- absent: not measured: not to be had (published: 7.00 ns/op)
`
	if got != want {
		t.Fatalf("got\n%s", got)
	}
}

func TestWrite(t *testing.T) {
	var b strings.Builder
	run := Run{Rounds: 5, Benchtime: time.Second, Started: time.Unix(0, 0), Took: time.Minute, Plot: "p.svg"}
	if err := Write(&b, run, []harness.Result{sample()}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 of 2 goals are reached, 0 of them", "not measured", "1970-01-01", "5 rounds, 1s per case and round", "(p.svg)", "### G: W",
		"<https://go.dev/src/runtime/chan.go>", "below 0.8 of that may", "below 0.8 |", "GOMAXPROCS",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
