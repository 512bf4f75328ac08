package main

import "testing"

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "4096": 4096, "10B": 10, "1k": 1000, "64KiB": 64 << 10, "1.5MB": 1_500_000,
		"2 MiB": 2 << 20, " 3G ": 3_000_000_000, "1TiB": 1 << 40,
	} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "B", "x", "-1", "1XB", "NaN", "Inf", "1e30", "1 M M", "0x"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", in, got)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for in, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 127_562_029: "127.6 MB",
		3_000_000_000_000_000: "3000.0 TB",
	} {
		if got := formatSize(in); got != want {
			t.Errorf("formatSize(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestSizeFlagsReadWhatTheyPrint(t *testing.T) {
	var size, again sizeFlag
	for _, in := range []string{"1", "1000", "64KiB", "16MiB", "1.5MB"} {
		if err := size.Set(in); err != nil {
			t.Fatal(err)
		}
		if err := again.Set(size.String()); err != nil || again != size {
			t.Errorf("%s prints as %q, which reads as %d", in, size.String(), again)
		}
	}
	var rate rateFlag
	if err := rate.Set("10MB/s"); err != nil || rate != 10_000_000 || rate.String() != "10.0MB/s" {
		t.Errorf("10MB/s is %d, %q, %v", rate, rate.String(), err)
	}
	for _, in := range []string{"0", "fast", "/s", "-1/s"} {
		if rate.Set(in) == nil {
			t.Errorf("%q is taken for a rate", in)
		}
	}
}
