package main

import (
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
)

// peakMemory is the most memory of this process that was resident at a time,
// in bytes, as the system counts it.
func peakMemory() int64 {
	// On Linux the counter of getrusage begins with what the parent process
	// had when it started this one; this one does not.
	if n, ok := procStatus("VmHWM:"); ok {
		return n
	}
	return peakOfSystem()
}

// memoryNow is the memory of this process that is resident, in bytes; where
// the system does not tell, what the Go runtime has from it.
func memoryNow() int64 {
	if n, ok := procStatus("VmRSS:"); ok {
		return n
	}
	sample := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - sample[1].Value.Uint64())
}

// procStatus reads a number of kilobytes from /proc/self/status.
func procStatus(field string) (int64, bool) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}
