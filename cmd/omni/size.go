package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are what a size may be followed by, in bytes. The powers of 1000 and
// of 1024 have the names that the standards give them.
var units = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12},
	{"B", 1}, {"", 1},
}

// parseSize reads a number of bytes such as 4096, 64KiB or 1.5MB.
func parseSize(s string) (int64, error) {
	text := strings.TrimSpace(s)
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			break
		}
		// Beyond that a float64 skips numbers, and nothing is that large.
		if v *= u.bytes; v < 1<<53 {
			return int64(v), nil
		}
		break
	}
	return 0, fmt.Errorf("%q is not a size: write it like 65536, 64KiB or 1.5MB", s)
}

// formatSize is n bytes for people, in powers of 1000.
func formatSize(n int64) string {
	if n < 1000 && n > -1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if v /= 1000; math.Abs(v) < 999.95 {
			break
		}
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
}

// sizeFlag is a size on the command line.
type sizeFlag int64

// String is what Set reads back, in powers of 1024 where that is exact.
func (f *sizeFlag) String() string {
	switch n := int64(*f); {
	case n > 0 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "MiB"
	case n > 0 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "KiB"
	default:
		return strconv.FormatInt(n, 10)
	}
}

// Type is what the help calls it.
func (f *sizeFlag) Type() string { return "SIZE" }

// Set implements pflag.Value.
func (f *sizeFlag) Set(s string) error {
	n, err := parseSize(s)
	*f = sizeFlag(n)
	return err
}

// rateFlag is a number of bytes per second on the command line, with or
// without the "/s".
type rateFlag int64

// String is what the help shows as the default.
func (f *rateFlag) String() string {
	if *f == 0 {
		return "" // the help shows no default for none
	}
	return strings.ReplaceAll(formatSize(int64(*f)), " ", "") + "/s"
}

// Type is what the help calls it.
func (f *rateFlag) Type() string { return "RATE" }

// Set implements pflag.Value.
func (f *rateFlag) Set(s string) error {
	n, err := parseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a rate: write it like 500KiB/s or 10MB/s", s)
	case n == 0:
		return fmt.Errorf("a rate of 0 moves nothing")
	}
	*f = rateFlag(n)
	return nil
}
